#ifndef ACTKIN_INDEXER_SKETCHES_VECTOR_LENGTHS_H_
#define ACTKIN_INDEXER_SKETCHES_VECTOR_LENGTHS_H_

#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>

namespace actkin {

// The sum over i < count of term(i), in double precision and in eight parts that processors add side by side: the same
// wherever it is computed.
template <typename Term>
double SumOf(std::size_t count, const Term& term) {
  constexpr std::size_t kParts = 8;
  std::array<double, kParts> sums{};
  std::size_t i = 0;
  for (; i + kParts <= count; i += kParts) {
    for (std::size_t part = 0; part < kParts; ++part) sums[part] += term(i + part);
  }
  for (std::size_t part = 0; i < count; ++i, ++part) sums[part] += term(i);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// That of the squares of number(i).
template <typename Number>
double SumOfSquares(std::size_t count, const Number& number) {
  return SumOf(count, [&number](std::size_t i) {
    const double one = number(i);
    return one * one;
  });
}

inline double NormOf(std::span<const float> numbers) {
  return std::sqrt(SumOfSquares(numbers.size(), [numbers](std::size_t i) { return numbers[i]; }));
}

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_VECTOR_LENGTHS_H_
