#ifndef ACTKIN_INDEXER_SKETCHES_VECTOR_LENGTHS_H_
#define ACTKIN_INDEXER_SKETCHES_VECTOR_LENGTHS_H_

#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>

namespace actkin {

// The sum over i < count of the square of number(i), in double precision and in eight parts that processors add side by
// side: the same wherever it is computed.
template <typename Number>
double SumOfSquares(std::size_t count, const Number& number) {
  constexpr std::size_t kParts = 8;
  std::array<double, kParts> sums{};
  std::size_t i = 0;
  for (; i + kParts <= count; i += kParts) {
    for (std::size_t part = 0; part < kParts; ++part) {
      const double one = number(i + part);
      sums[part] += one * one;
    }
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(number(i)) * number(i);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

inline double NormOf(std::span<const float> numbers) {
  return std::sqrt(SumOfSquares(numbers.size(), [numbers](std::size_t i) { return numbers[i]; }));
}

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_VECTOR_LENGTHS_H_
