#include "tests/query/exact/plain_row_algebra.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace actkin {

// Gram-Schmidt, twice, on differences of the sample's rows; where those span too little, on random vectors.
PrincipalAxes PlainRowAlgebra::FindPrincipalAxes(std::span<const float> rows, std::size_t dimension,
                                                 std::size_t axis_count) const {
  const std::size_t count = rows.size() / dimension;
  PrincipalAxes found;
  for (std::size_t i = 0; i < dimension; ++i) {
    double sum = 0;
    for (std::size_t row = 0; row < count; ++row) sum += rows[row * dimension + i];
    found.center.push_back(static_cast<float>(sum / static_cast<double>(count)));
  }
  std::mt19937 generator(3);
  std::normal_distribution<double> normal;
  std::vector<std::vector<double>> basis;
  for (std::size_t tries = 0; basis.size() < std::min(axis_count, dimension); ++tries) {
    std::vector<double> axis(dimension);
    const std::size_t row = generator() % count;
    double scale = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const double number =
          tries < 2 * axis_count ? static_cast<double>(rows[row * dimension + i]) - found.center[i] : normal(generator);
      axis[i] = number;
      scale = std::max(scale, std::abs(number));
    }
    if (scale == 0) continue;
    for (double& number : axis) number /= scale;
    for (int pass = 0; pass < 2; ++pass) {
      for (const std::vector<double>& other : basis) {
        const double dot = std::inner_product(axis.begin(), axis.end(), other.begin(), 0.0);
        for (std::size_t i = 0; i < dimension; ++i) axis[i] -= dot * other[i];
      }
    }
    const double norm = std::sqrt(std::inner_product(axis.begin(), axis.end(), axis.begin(), 0.0));
    if (norm < 1e-3) continue;
    for (double& number : axis) number /= norm;
    basis.push_back(axis);
    found.axes.insert(found.axes.end(), axis.begin(), axis.end());
  }
  return found;
}

void PlainRowAlgebra::Project(std::span<const float> rows, std::span<const float> axes, std::size_t dimension,
                              std::span<float> coordinates) const {
  const std::size_t count = axes.size() / dimension;
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    float sum = 0;
    for (std::size_t j = 0; j < dimension; ++j) {
      sum += rows[i / count * dimension + j] * axes[i % count * dimension + j];
    }
    coordinates[i] = sum;
  }
}

void PlainRowAlgebra::Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                               std::span<float> rows) const {
  const std::size_t count = axes.size() / dimension;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    float sum = 0;
    for (std::size_t axis = 0; axis < count; ++axis) {
      sum += coordinates[i / dimension * count + axis] * axes[axis * dimension + i % dimension];
    }
    rows[i] -= sum;
  }
}

}  // namespace actkin
