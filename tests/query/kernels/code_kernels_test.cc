#include "query/kernels/code_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace actkin {
namespace {

template <typename Code>
void CompareWithPlainSums(std::size_t vocabulary_size) {
  std::mt19937 generator(1);
  for (std::size_t positions = 1; positions <= 13; ++positions) {
    for (const std::size_t row_count : {1, 3, 4, 5, 22}) {
      const std::size_t entries = TableEntries<Code>(vocabulary_size);
      std::vector<float> tables(positions * entries, std::numeric_limits<float>::quiet_NaN());
      for (std::size_t m = 0; m < positions; ++m) {
        for (std::size_t c = 0; c < vocabulary_size; ++c) tables[m * entries + c] = static_cast<float>(m * 1000 + c);
      }
      std::vector<Code> codes(row_count * positions);
      for (Code& code : codes) code = static_cast<Code>(generator() % vocabulary_size);
      std::vector<float> sums(row_count);
      TableSums(codes.data(), row_count, positions, vocabulary_size, tables.data(), sums.data());
      for (std::size_t row = 0; row < row_count; ++row) {
        float expected = 0;
        for (std::size_t m = 0; m < positions; ++m)
          expected += static_cast<float>(m * 1000 + codes[row * positions + m]);
        EXPECT_EQ(sums[row], expected) << positions << " positions, row " << row;
      }
      // A code that is no token shows as NaN in its row and in no other.
      codes[codes.size() / 2] = static_cast<Code>(vocabulary_size);
      TableSums(codes.data(), row_count, positions, vocabulary_size, tables.data(), sums.data());
      for (std::size_t row = 0; row < row_count; ++row) {
        EXPECT_EQ(std::isnan(sums[row]), row == codes.size() / 2 / positions);
      }
      codes[codes.size() / 2] = std::numeric_limits<Code>::max();
      TableSums(codes.data(), row_count, positions, vocabulary_size, tables.data(), sums.data());
      EXPECT_TRUE(std::isnan(sums[codes.size() / 2 / positions]));
    }
  }
}

TEST(CodeKernelsTest, SumsOneLookUpAPosition) {
  CompareWithPlainSums<std::uint8_t>(65);
  CompareWithPlainSums<std::uint8_t>(1);
  CompareWithPlainSums<std::uint16_t>(300);
  CompareWithPlainSums<std::uint16_t>(65535);
  CompareWithPlainSums<std::uint32_t>(70000);
}

}  // namespace
}  // namespace actkin
