#include "storage/machine/int8_rows.h"

#include <gmock/gmock.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace actkin {
namespace {

std::vector<float> Numbers(std::size_t dimension, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(dimension);
  for (float& number : numbers) number = normal(generator);
  return numbers;
}

std::vector<std::byte> Encoded(const std::vector<float>& numbers) {
  std::vector<std::byte> row(Int8RowBytes(numbers.size()));
  EncodeInt8Row(numbers.data(), numbers.size(), row.data());
  EXPECT_TRUE(IsInt8Row(row.data(), numbers.size()));
  return row;
}

std::vector<float> Decoded(const std::vector<std::byte>& row, std::size_t dimension) {
  std::vector<float> numbers(dimension);
  DecodeInt8Row(row.data(), dimension, numbers.data());
  return numbers;
}

class Int8RowsTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { Use(GetParam()); }
  void TearDown() override { Use(0); }

 private:
  static void Use(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

TEST_P(Int8RowsTest, NumbersAreOffByHalfAStepAndOutliersAreNot) {
  for (const std::size_t dimension : {1U, 2U, 3U, 15U, 17U, 127U, 128U, 384U, 577U}) {
    std::vector<float> numbers = Numbers(dimension, static_cast<unsigned>(dimension));
    if (dimension > 100) numbers[dimension / 2] = -5000;
    std::vector<float> magnitudes;
    for (const float number : numbers) magnitudes.push_back(std::abs(number));
    std::ranges::sort(magnitudes, std::ranges::greater());
    const std::size_t outliers = Int8Outliers(dimension);
    const float smallest_outlier = magnitudes[outliers - 1];
    const float scale = outliers < dimension ? magnitudes[outliers] / 127 : 0;
    const std::vector<float> decoded = Decoded(Encoded(numbers), dimension);
    for (std::size_t i = 0; i < dimension; ++i) {
      if (std::abs(numbers[i]) >= smallest_outlier) {
        EXPECT_EQ(decoded[i], numbers[i]);
      } else {
        EXPECT_NEAR(decoded[i], numbers[i], scale * 0.50001) << dimension << " " << i;
        // A whole number of steps, rounded once.
        EXPECT_EQ(decoded[i],
                  static_cast<float>(std::lround(static_cast<double>(numbers[i]) / (magnitudes[outliers] / 127))) *
                      (magnitudes[outliers] / 127));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Int8RowsTest, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()));

TEST(Int8RowTest, RowsAtTheEndsOfFloat32ComeBackFinite) {
  for (const float number : {0.0F, -0.0F, std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min(),
                             std::numeric_limits<float>::min()}) {
    const std::vector<float> numbers(40, number);
    for (const float decoded : Decoded(Encoded(numbers), 40)) {
      EXPECT_TRUE(std::isfinite(decoded));
      EXPECT_NEAR(decoded, number, std::abs(number) * 0.01F + std::numeric_limits<float>::min());
    }
  }
}

TEST(Int8RowTest, WhatNoRowIsIsKnownAndReadsNothingElse) {
  const std::vector<float> numbers = Numbers(200, 3);
  const std::vector<std::byte> sound = Encoded(numbers);
  const auto damaged = [&](std::size_t at, auto value) {
    std::vector<std::byte> row = sound;
    std::memcpy(row.data() + at, &value, sizeof(value));
    Decoded(row, 200);  // sanitizers see what it reads and writes
    return IsInt8Row(row.data(), 200);
  };
  ASSERT_EQ(Int8Outliers(200), 2U);
  EXPECT_FALSE(damaged(0, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_FALSE(damaged(0, -1.0F));
  EXPECT_FALSE(damaged(4, std::uint32_t{200}));
  EXPECT_FALSE(damaged(8, std::uint32_t{0xFFFFFFFF}));
  EXPECT_FALSE(damaged(8, std::uint32_t{0}));  // not ascending
  EXPECT_FALSE(damaged(12, std::numeric_limits<float>::infinity()));
  EXPECT_FALSE(damaged(20, std::int8_t{-128}));
  EXPECT_TRUE(damaged(20, std::int8_t{-127}));
}

}  // namespace
}  // namespace actkin
