#include "storage/machine/row_distance.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "storage/machine/float16.h"
#include "storage/machine/int8_rows.h"

namespace actkin {
namespace {

// On every instruction set that this processor has, against sums in double precision.
class RowDistanceTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { Use(GetParam()); }
  void TearDown() override { Use(0); }

 private:
  static void Use(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

TEST_P(RowDistanceTest, AgreesWithDoublePrecision) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (const std::size_t dimension : {1U, 3U, 15U, 16U, 17U, 64U, 97U, 384U}) {
    for (const Element element : {Element::kFloat32, Element::kFloat16}) {
      const std::size_t row_bytes = dimension * ElementBytes(element);
      std::vector<float> vector(dimension);
      for (float& number : vector) number = normal(generator);
      std::vector<std::vector<std::byte>> stored;  // each ends where its memory ends
      std::vector<const std::byte*> rows;
      std::vector<double> distances;
      std::vector<double> products;
      for (int row = 0; row < 5; ++row) {
        std::vector<float> numbers(dimension);
        for (float& number : numbers) number = normal(generator);
        std::vector<std::uint16_t> halves(dimension);
        EncodeFloat16(numbers.data(), dimension, halves.data());
        if (element == Element::kFloat16) DecodeFloat16(halves.data(), dimension, numbers.data());
        // One number off, so that rows are aligned to numbers and to nothing more.
        std::vector<std::byte>& bytes = stored.emplace_back(ElementBytes(element) + row_bytes);
        const void* from = element == Element::kFloat32 ? static_cast<const void*>(numbers.data()) : halves.data();
        std::memcpy(bytes.data() + ElementBytes(element), from, row_bytes);
        double distance = 0;
        double product = 0;
        for (std::size_t i = 0; i < dimension; ++i) {
          distance += std::pow(static_cast<double>(numbers[i]) - vector[i], 2);
          product += static_cast<double>(numbers[i]) * vector[i];
        }
        distances.push_back(distance);
        products.push_back(product);
      }
      for (const auto& bytes : stored) rows.push_back(bytes.data() + ElementBytes(element));
      std::vector<float> found(rows.size());
      SquaredDistancesTo(rows, element, dimension, vector.data(), found.data());
      for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(found[i], distances[i], 1e-5 * (1 + distances[i]));
      DotProductsWith(rows, element, dimension, vector.data(), found.data());
      for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(found[i], products[i], 1e-5 * (1 + distances[i]));
    }
  }
}

TEST_P(RowDistanceTest, RowsOfInt8AreTakenAsTheyWereRounded) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  for (const std::size_t dimension : {1U, 17U, 300U}) {
    std::vector<float> vector(dimension);
    for (float& number : vector) number = normal(generator);
    std::vector<std::vector<std::byte>> rows;
    std::vector<std::vector<float>> rounded;
    std::vector<const std::byte*> of_int8;
    std::vector<const std::byte*> of_float32;
    for (int row = 0; row < 5; ++row) {
      std::vector<float> numbers(dimension);
      for (float& number : numbers) number = normal(generator);
      EncodeInt8Row(numbers.data(), dimension, rows.emplace_back(Int8RowBytes(dimension)).data());
      DecodeInt8Row(rows.back().data(), dimension, numbers.data());
      rounded.push_back(numbers);
    }
    for (std::size_t row = 0; row < rows.size(); ++row) {
      of_int8.push_back(rows[row].data());
      of_float32.push_back(reinterpret_cast<const std::byte*>(rounded[row].data()));
    }
    std::vector<float> found(5);
    std::vector<float> expected(5);
    SquaredDistancesTo(of_int8, Element::kInt8, dimension, vector.data(), found.data());
    SquaredDistancesTo(of_float32, Element::kFloat32, dimension, vector.data(), expected.data());
    EXPECT_EQ(found, expected);
    DotProductsWith(of_int8, Element::kInt8, dimension, vector.data(), found.data());
    DotProductsWith(of_float32, Element::kFloat32, dimension, vector.data(), expected.data());
    EXPECT_EQ(found, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowDistanceTest, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()));

}  // namespace
}  // namespace actkin
