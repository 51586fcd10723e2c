#include "query/exact/scan_bounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "query/exact/exact_distance.h"
#include "query/kernels/row_kernels.h"

namespace actkin {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void ExpectWithin(const ScanBounds& bounds, float raw, double distance) {
  if (std::isnan(raw)) return;
  EXPECT_LE(raw, bounds.HighestRaw(distance)) << distance;
  EXPECT_GE(raw, bounds.LowestRaw(distance)) << distance;
  EXPECT_LE(distance, bounds.HighestDistance(raw)) << raw;
  EXPECT_GE(distance, bounds.LowestDistance(raw)) << raw;
}

// Raw values of every instruction set, for numbers of every size.
TEST(ScanBoundsTest, HoldWhatTheKernelsCompute) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  for (const std::int64_t target : KernelTargets()) {
    UseKernelTarget(target);
    for (const std::size_t dimension : {1, 3, 50, 1000}) {
      for (const float scale : {1e-44F, 1e-30F, 1e-19F, 1e-5F, 1.0F, 1e5F, 1e18F, 1e36F}) {
        std::vector<float> row(dimension);
        std::vector<float> query(dimension);
        for (int repeat = 0; repeat < 20; ++repeat) {
          for (float& number : row) number = normal(generator) * scale;
          // Half of the queries lie close to the row, where differences lose the most digits.
          for (std::size_t i = 0; i < dimension; ++i) {
            query[i] = repeat % 2 == 0 ? normal(generator) * scale : row[i] * (1 + 1e-6F * normal(generator));
          }
          const std::vector<double> exact_query(query.begin(), query.end());
          const double squared_norm = SquaredNorm(exact_query);
          float raw = 0;
          SquaredDistances(row.data(), 1, dimension, query.data(), 1, &raw);
          ExpectWithin(ScanBounds::SquaredL2(dimension), raw,
                       ExactDistance(Metric::kL2, SumExactly(Metric::kL2, row, exact_query), squared_norm));

          std::vector<float> unit(dimension);
          for (std::size_t i = 0; i < dimension; ++i) {
            unit[i] = static_cast<float>(exact_query[i] * (1 / std::sqrt(squared_norm)));
          }
          float norm = 0;
          DotProducts(row.data(), 1, dimension, unit.data(), 1, &raw);
          SquaredNorms(row.data(), 1, dimension, &norm);
          ExpectWithin(ScanBounds::Cosine(dimension), raw * ScanBounds::CosineScale(norm),
                       ExactDistance(Metric::kCosine, SumExactly(Metric::kCosine, row, exact_query), squared_norm));

          const double longest = std::sqrt(SquaredNorm(std::vector<double>(row.begin(), row.end()))) * (1 + 1e-12);
          ExpectWithin(ScanBounds::Dot(dimension, std::sqrt(squared_norm), longest), raw,
                       ExactDistance(Metric::kDot, SumExactly(Metric::kDot, row, exact_query), squared_norm));

          // A mean as long as the rows.
          std::vector<double> mean(dimension);
          std::vector<double> centered_query = exact_query;
          std::vector<float> centered(dimension);
          for (std::size_t i = 0; i < dimension; ++i) {
            mean[i] = double{normal(generator)} * scale;
            centered_query[i] -= mean[i];
            centered[i] = row[i] - static_cast<float>(mean[i]);
          }
          const double centered_norm = SquaredNorm(centered_query);
          for (std::size_t i = 0; i < dimension; ++i) {
            unit[i] = static_cast<float>(centered_query[i] * (1 / std::sqrt(centered_norm)));
          }
          DotProducts(centered.data(), 1, dimension, unit.data(), 1, &raw);
          SquaredNorms(centered.data(), 1, dimension, &norm);
          ExpectWithin(ScanBounds::CenteredCosine(dimension),
                       raw * ScanBounds::CenteredScale(norm, std::sqrt(SquaredNorm(mean))),
                       ExactDistance(Metric::kCenteredCosine,
                                     SumExactly(Metric::kCenteredCosine, row, centered_query, mean), centered_norm));
        }
      }
    }
  }
  UseKernelTarget(0);
}

// The bound is worth having: at 384 dimensions it excludes rows that are a ten-thousandth farther.
TEST(ScanBoundsTest, ExcludeRowsThatAreClearlyFarther) {
  const ScanBounds l2 = ScanBounds::SquaredL2(384);
  EXPECT_LT(l2.HighestRaw(3.0), l2.LowestRaw(3.0003));
  EXPECT_LT(l2.HighestDistance(9.0F), 3.0003);
  const ScanBounds cosine = ScanBounds::Cosine(384);
  EXPECT_LT(cosine.HighestRaw(0.9), cosine.LowestRaw(0.9002));
}

TEST(ScanBoundsTest, InfiniteRawValuesAreFarAwayButNotExcludedThere) {
  const ScanBounds bounds = ScanBounds::SquaredL2(10);
  EXPECT_EQ(bounds.HighestRaw(1e30), kInfinity);
  EXPECT_LE(bounds.LowestRaw(1e30), std::numeric_limits<float>::max());
  EXPECT_LT(bounds.HighestRaw(1e10), kInfinity);
  EXPECT_EQ(bounds.HighestDistance(kInfinity), std::numeric_limits<double>::infinity());
  EXPECT_LE(bounds.LowestDistance(kInfinity), 1.9e19);
}

TEST(ScanBoundsTest, NothingIsSaidOfARowWithoutANorm) {
  EXPECT_TRUE(std::isnan(ScanBounds::CosineScale(0)));
  EXPECT_TRUE(std::isnan(ScanBounds::CosineScale(1e-30F)));
  EXPECT_TRUE(std::isnan(ScanBounds::CosineScale(kInfinity)));
  EXPECT_TRUE(std::isnan(ScanBounds::CosineScale(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_EQ(ScanBounds::CosineScale(4.0F), 0.5F);
}

}  // namespace
}  // namespace actkin
