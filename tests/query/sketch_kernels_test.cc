#include "query/kernels/sketch_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "query/kernels/row_kernels.h"

namespace actkin {
namespace {

constexpr std::size_t kBlocks = 5;

template <std::size_t kCoordinates>
LevelQuery<kCoordinates> DrawQuery(std::mt19937& generator) {
  std::uniform_int_distribution<int> code(-kQueryCodeLimit, kQueryCodeLimit);
  LevelQuery<kCoordinates> query;
  for (std::int16_t& number : query.codes) number = static_cast<std::int16_t>(code(generator));
  std::uint32_t exponent = kMaximumExponent;
  for (std::uint32_t& drawn : query.exponents) {
    if (exponent > 0 && generator() % 3 == 0) --exponent;
    drawn = exponent;
  }
  return query;
}

std::vector<std::int8_t> DrawCodes(std::size_t count, std::mt19937& generator) {
  std::uniform_int_distribution<int> code(-kCodeLimit, kCodeLimit);
  std::vector<std::int8_t> codes(count);
  for (std::int8_t& number : codes) number = static_cast<std::int8_t>(code(generator));
  return codes;
}

// The largest sums that codes in range can have.
template <std::size_t kCoordinates>
LevelQuery<kCoordinates> WidestQuery() {
  LevelQuery<kCoordinates> query;
  query.codes.fill(kQueryCodeLimit);
  query.exponents.fill(kMaximumExponent);
  return query;
}

class SketchKernelsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { UseKernelTarget(GetParam()); }
  void TearDown() override { UseKernelTarget(0); }

  void ExpectCoarseAsScalar(const std::vector<std::int8_t>& codes, const CoarseQuery& query) {
    std::vector<std::int32_t> found(kBlocks);
    std::vector<std::int32_t> expected(kBlocks);
    SmallestCoarse(codes, query, found.data());
    scalar::SmallestCoarse(codes, query, expected.data());
    EXPECT_EQ(found, expected);
    LargestCoarse(codes, query, found.data());
    scalar::LargestCoarse(codes, query, expected.data());
    EXPECT_EQ(found, expected);
    const std::vector<std::uint32_t> blocks{0, 1, 3};
    std::vector<std::uint32_t> rows(blocks.size() * kBlockRows);
    std::vector<std::uint32_t> right(rows.size());
    // `expected` now has the largest distances: limits that leave out the farthest rows of block 1, near ones, or none.
    for (const std::int32_t low : {0, expected[1] / 2}) {
      for (const std::int32_t high : {expected[1] - 1, std::numeric_limits<std::int32_t>::max()}) {
        const std::size_t count = CoarseRowsWithin(codes.data(), blocks, query, low, high, rows.data());
        ASSERT_EQ(count, scalar::CoarseRowsWithin(codes.data(), blocks, query, low, high, right.data()));
        EXPECT_TRUE(std::equal(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), right.begin()));
      }
    }
  }

  void ExpectFineAsScalar(const std::vector<std::int8_t>& codes, const FineQuery& query) {
    const std::vector<std::uint32_t> rows{3, 0, 7, 7, 100};
    std::vector<std::int32_t> found(rows.size());
    std::vector<std::int32_t> expected(rows.size());
    FineDistances(codes.data(), rows, query, found.data());
    scalar::FineDistances(codes.data(), rows, query, expected.data());
    EXPECT_EQ(found, expected);
  }
};

TEST_P(SketchKernelsTest, CoarseCodesSayWhatTheScalarOnesSay) {
  std::mt19937 generator(1);
  for (int i = 0; i < 20; ++i) {
    const CoarseQuery query = DrawQuery<kCoarseCoordinates>(generator);
    ExpectCoarseAsScalar(DrawCodes(kBlocks * kBlockBytes, generator), query);
  }
  ExpectCoarseAsScalar(std::vector<std::int8_t>(kBlocks * kBlockBytes, -kCodeLimit), WidestQuery<kCoarseCoordinates>());
}

TEST_P(SketchKernelsTest, FineDistancesAreTheScalarOnes) {
  std::mt19937 generator(2);
  for (int i = 0; i < 20; ++i) {
    const FineQuery query = DrawQuery<kFineCoordinates>(generator);
    ExpectFineAsScalar(DrawCodes(101 * kFineCoordinates, generator), query);
  }
  ExpectFineAsScalar(std::vector<std::int8_t>(101 * kFineCoordinates, -kCodeLimit), WidestQuery<kFineCoordinates>());
}

INSTANTIATE_TEST_SUITE_P(Targets, SketchKernelsTest, testing::ValuesIn(KernelTargets()));

}  // namespace
}  // namespace actkin
