#include "query/exact/exact_distance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace actkin {
namespace {

// Number i goes to partial sum i mod 8. The partial sums hide the latency of additions and say the order of them.
constexpr std::size_t kPartialSums = 8;

template <typename Term>
double Sum(std::size_t count, Term term) {
  std::array<double, kPartialSums> sums{};
  std::size_t i = 0;
  for (; i + kPartialSums <= count; i += kPartialSums) {
    for (std::size_t lane = 0; lane < kPartialSums; ++lane) sums[lane] += term(i + lane);
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) sums[lane] += term(i);
  for (std::size_t width = kPartialSums / 2; width > 0; width /= 2) {
    for (std::size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

}  // namespace

ExactSums SumExactly(Metric metric, std::span<const float> row, std::span<const double> query,
                     std::span<const double> mean) {
  ExactSums sums;
  const auto sum_products = [&](const auto& number) {
    sums.dot = Sum(row.size(), [&](std::size_t i) { return number(i) * query[i]; });
    if (metric == Metric::kDot) return;
    sums.squared_norm = Sum(row.size(), [&](std::size_t i) { return number(i) * number(i); });
  };
  switch (metric) {
    case Metric::kL2:
      sums.squared_distance = Sum(row.size(), [&](std::size_t i) {
        const double difference = static_cast<double>(row[i]) - query[i];
        return difference * difference;
      });
      break;
    case Metric::kCosine:
    case Metric::kDot:
      sum_products([&](std::size_t i) { return static_cast<double>(row[i]); });
      break;
    case Metric::kCenteredCosine:
      sum_products([&](std::size_t i) { return static_cast<double>(row[i]) - mean[i]; });
  }
  return sums;
}

double ExactDistance(Metric metric, const ExactSums& sums, double query_squared_norm) {
  if (metric == Metric::kL2) return std::sqrt(sums.squared_distance);
  if (metric == Metric::kDot) return sums.dot;
  const double square = sums.squared_norm * query_squared_norm;
  if (square == 0) return 0;
  return std::clamp(sums.dot / std::sqrt(square), -1.0, 1.0);
}

double SquaredNorm(std::span<const double> query) {
  return Sum(query.size(), [&](std::size_t i) { return query[i] * query[i]; });
}

}  // namespace actkin
