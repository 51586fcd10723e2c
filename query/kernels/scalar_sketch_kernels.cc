#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "query/kernels/sketch_kernels.h"

namespace actkin::scalar {
namespace {

// difference(code): between the query and a row at one code.
template <typename Difference>
void Add(const LevelQuery& query, const Difference& difference, std::int32_t& sum, std::int32_t& rest) {
  sum = 0;
  for (std::size_t code = 0; code + 1 < query.count; ++code) {
    const std::int32_t number = difference(code, query.codes[code]);
    sum += number * number * (1 << (2 * query.exponents[code / 2]));
  }
  rest = difference(query.count - 1, query.rest);
}

}  // namespace

void CoarseDistances(const std::int8_t* block, const LevelQuery& query, std::int32_t* sums, std::int32_t* rests) {
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    const auto difference = [&](std::size_t code, std::int32_t asked) {
      return std::abs(block[CoarsePlace(row, code)] - asked);
    };
    Add(query, difference, sums[row], rests[row]);
  }
}

void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, Side side,
                  std::int32_t* sums, std::int32_t* rests) {
  for (std::size_t box = 0; box < kBlockRows; ++box) {
    const auto difference = [&](std::size_t code, std::int32_t asked) {
      const std::int32_t below = low[CoarsePlace(box, code)] - asked;
      const std::int32_t above = asked - high[CoarsePlace(box, code)];
      return side == Side::kNear ? std::max({0, below, above}) : std::max(-below, -above);
    };
    Add(query, difference, sums[box], rests[box]);
  }
}

void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::int8_t* row = codes + std::size_t{places[i]} * query.count;
    const auto difference = [&](std::size_t code, std::int32_t asked) { return std::abs(row[code] - asked); };
    Add(query, difference, sums[i], rests[i]);
  }
}

void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds) {
  for (std::size_t i = 0; i < count; ++i) {
    const float axes = std::max(terms.step * std::sqrt(static_cast<float>(sums[i])) - terms.error, 0.0F);
    const float rest = std::max(terms.rest_step * static_cast<float>(rests[i]) - terms.rest_error, 0.0F);
    along[i] = along[i] + axes * axes;
    bounds[i] = (along[i] + rest * rest) * terms.factor;
  }
}

std::uint64_t NotAbove(const float* keys, std::size_t count, float limit) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < count; ++i) bits |= std::uint64_t{keys[i] <= limit} << i;
  return bits;
}

}  // namespace actkin::scalar
