#include "tests/query/exact/plain_row_algebra.h"

#include <algorithm>
#include <array>
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
    const float* row = rows.data() + i / count * dimension;
    const float* axis = axes.data() + i % count * dimension;
    std::array<float, 16> sums{};  // side by side
    std::size_t j = 0;
    for (; j + sums.size() <= dimension; j += sums.size()) {
      for (std::size_t part = 0; part < sums.size(); ++part) sums[part] += row[j + part] * axis[j + part];
    }
    for (; j < dimension; ++j) sums[0] += row[j] * axis[j];
    coordinates[i] = std::accumulate(sums.begin(), sums.end(), 0.0F);
  }
}

void PlainRowAlgebra::Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                               std::span<float> rows) const {
  const std::size_t count = axes.size() / dimension;
  std::vector<float> sums(dimension);
  for (std::size_t row = 0; row < rows.size() / dimension; ++row) {
    std::ranges::fill(sums, 0.0F);
    for (std::size_t axis = 0; axis < count; ++axis) {
      const float coordinate = coordinates[row * count + axis];
      for (std::size_t i = 0; i < dimension; ++i) sums[i] += coordinate * axes[axis * dimension + i];
    }
    for (std::size_t i = 0; i < dimension; ++i) rows[row * dimension + i] -= sums[i];
  }
}

}  // namespace actkin
