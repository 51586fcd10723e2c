// The linear algebra of sketches against its definition, in double precision.
#include <gmock/gmock.h>

#include <random>
#include <vector>

#include "indexer/model/forward_backend.h"

namespace actkin {
namespace {

class BlasRowAlgebraTest : public testing::Test {
 protected:
  static constexpr std::size_t kRows = 90;
  static constexpr std::size_t kDimension = 11;

  BlasRowAlgebraTest() {
    // Directions of quite different widths, none of which is a coordinate's.
    std::mt19937 generator(3);
    std::normal_distribution<float> normal;
    std::vector<float> mixing(kDimension * kDimension);
    for (float& number : mixing) number = normal(generator);
    for (std::size_t row = 0; row < kRows; ++row) {
      std::vector<float> along(kDimension);
      for (std::size_t i = 0; i < kDimension; ++i) along[i] = normal(generator) * static_cast<float>(i + 1);
      for (std::size_t i = 0; i < kDimension; ++i) {
        float number = 5.0F;
        for (std::size_t j = 0; j < kDimension; ++j) number += mixing[i * kDimension + j] * along[j];
        rows_.push_back(number);
      }
    }
  }

  std::span<const float> Row(std::size_t row) const { return std::span(rows_).subspan(row * kDimension, kDimension); }
  static double Dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
  }

  const RowAlgebra& algebra_ = LoadForwardBackend().row_algebra();
  std::vector<float> rows_;
};

TEST_F(BlasRowAlgebraTest, AxesAreOrthonormalAndTheCovarianceIsDiagonalAlongThemWidestFirst) {
  const PrincipalAxes found = algebra_.FindPrincipalAxes(rows_, kDimension, 20);
  ASSERT_EQ(found.center.size(), kDimension);
  ASSERT_EQ(found.axes.size(), kDimension * kDimension);
  for (std::size_t i = 0; i < kDimension; ++i) {
    double sum = 0;
    for (std::size_t row = 0; row < kRows; ++row) sum += Row(row)[i];
    EXPECT_NEAR(found.center[i], sum / kRows, 1e-5);
  }
  const auto axis = [&](std::size_t i) { return std::span(found.axes).subspan(i * kDimension, kDimension); };
  const auto covariance = [&](std::size_t i, std::size_t j) {
    double sum = 0;
    for (std::size_t row = 0; row < kRows; ++row) {
      sum +=
          (Dot(Row(row), axis(i)) - Dot(found.center, axis(i))) * (Dot(Row(row), axis(j)) - Dot(found.center, axis(j)));
    }
    return sum / kRows;
  };
  for (std::size_t i = 0; i < kDimension; ++i) {
    for (std::size_t j = 0; j < kDimension; ++j) {
      EXPECT_NEAR(Dot(axis(i), axis(j)), i == j ? 1 : 0, 1e-6) << i << " " << j;
      if (i != j) {
        EXPECT_NEAR(covariance(i, j), 0, 1e-5 * covariance(0, 0)) << i << " " << j;
      }
    }
    if (i > 0) {
      EXPECT_GT(covariance(i - 1, i - 1), covariance(i, i));
    }
  }
}

TEST_F(BlasRowAlgebraTest, AsManyAxesAsAreAskedForAlsoOfOneRow) {
  const PrincipalAxes few = algebra_.FindPrincipalAxes(rows_, kDimension, 3);
  const PrincipalAxes all = algebra_.FindPrincipalAxes(rows_, kDimension, kDimension);
  EXPECT_THAT(few.axes, testing::ElementsAreArray(std::span(all.axes).first(3 * kDimension)));
  const PrincipalAxes of_one = algebra_.FindPrincipalAxes(Row(7), kDimension, 2);
  EXPECT_THAT(of_one.center, testing::ElementsAreArray(Row(7)));
  for (std::size_t i = 0; i < 2; ++i) {
    const auto axis = std::span(of_one.axes).subspan(i * kDimension, kDimension);
    EXPECT_NEAR(Dot(axis, axis), 1, 1e-6);
  }
}

TEST_F(BlasRowAlgebraTest, CoordinatesAreProductsAndWhatIsLeftHasNone) {
  constexpr std::size_t kAxes = 4;
  const PrincipalAxes found = algebra_.FindPrincipalAxes(rows_, kDimension, kAxes);
  std::vector<float> coordinates(kRows * kAxes, 7.0F);
  algebra_.Project(rows_, found.axes, kDimension, coordinates);
  std::vector<float> left = rows_;
  algebra_.Subtract(coordinates, found.axes, kDimension, left);
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t i = 0; i < kAxes; ++i) {
      const auto axis = std::span(found.axes).subspan(i * kDimension, kDimension);
      EXPECT_NEAR(coordinates[row * kAxes + i], Dot(Row(row), axis), 1e-4);
      EXPECT_NEAR(Dot(std::span(left).subspan(row * kDimension, kDimension), axis), 0, 1e-4);
    }
  }
}

}  // namespace
}  // namespace actkin
