#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "query/kernels/sketch_kernels.h"

namespace actkin::scalar {
namespace {

// difference(code, asked): between the query and a row at one code, not negative.
template <typename Difference>
void Add(const LevelQuery& query, const Difference& difference, std::int32_t& sum, std::int32_t& rest) {
  const auto counted = [&](std::size_t code) {
    const std::int32_t number = difference(code, query.codes[code]);
    if (query.side == Side::kFar) return number;
    if (!query.wide) return std::min(number, kFarthestNear);
    return std::min(number == 0 ? 0 : number + query.beyond[code], kFarthestWide);
  };
  sum = 0;
  for (std::size_t code = 0; code + 1 < query.count; ++code) {
    const std::int32_t number = counted(code);
    sum += number * number * (1 << (2 * query.exponents[code / kQuad]));
  }
  rest = counted(query.count - 1);
}

void AddRow(const std::int8_t* row, const LevelQuery& query, std::int32_t& sum, std::int32_t& rest) {
  Add(
      query, [row](std::size_t code, std::int32_t asked) { return std::abs(row[code] - asked); }, sum, rest);
}

}  // namespace

void CoarseDistances(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query, std::int32_t* sums,
                     std::int32_t* rests) {
  for (std::size_t row = 0; row < row_count; ++row) AddRow(codes + row * kCoarseCodes, query, sums[row], rests[row]);
}

void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
                  std::int32_t* rests) {
  for (std::size_t box = 0; box < kBlockRows; ++box) {
    const auto difference = [&](std::size_t code, std::int32_t asked) {
      const std::int32_t below = low[box * kCoarseCodes + code] - asked;
      const std::int32_t above = asked - high[box * kCoarseCodes + code];
      return query.side == Side::kNear ? std::max({0, below, above}) : std::max(-below, -above);
    };
    Add(query, difference, sums[box], rests[box]);
  }
}

void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests) {
  for (std::size_t i = 0; i < count; ++i) {
    AddRow(codes + std::size_t{places[i]} * query.count, query, sums[i], rests[i]);
  }
}

void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds) {
  for (std::size_t i = 0; i < count; ++i) {
    const float axes = std::max(terms.step * std::sqrt(static_cast<float>(sums[i])) - terms.error, 0.0F);
    const float beyond = rests[i] == 0 ? -terms.rest_error : terms.rest_beyond - terms.rest_error;
    const float rest = std::max(terms.rest_step * static_cast<float>(rests[i]) + beyond, 0.0F);
    along[i] = along[i] + axes * axes;
    bounds[i] = (along[i] + rest * rest) * terms.factor;
  }
}

void NearKeys(NearKey kind, const float* bounds, const float* lengths, std::size_t count, float squared_norm,
              float* keys) {
  for (std::size_t i = 0; i < count; ++i) {
    if (kind == NearKey::kBound) {
      keys[i] = bounds[i];
    } else if (kind == NearKey::kDot) {
      keys[i] = bounds[i] - lengths[i] * lengths[i] * kKeyUp;
    } else {
      const float squares = (lengths[i] * lengths[i] + squared_norm) * kKeyUp;
      keys[i] = (bounds[i] - squares) / std::max(lengths[i], kShortestLength);
    }
  }
}

std::uint64_t NotAbove(const float* keys, std::size_t count, float limit) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < count; ++i) bits |= std::uint64_t{keys[i] <= limit} << i;
  return bits;
}

std::size_t KeepOfBlock(std::uint64_t bits, std::uint32_t first_place, const float* along, const float* keys,
                        const float* lengths, const RowNumbers& to) {
  std::size_t kept = 0;
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    if ((bits >> row & 1) == 0) continue;
    to.places[kept] = first_place + static_cast<std::uint32_t>(row);
    to.along[kept] = along[row];
    to.keys[kept] = keys[row];
    if (lengths != nullptr) to.lengths[kept] = lengths[row];
    ++kept;
  }
  return kept;
}

std::size_t KeepNotAbove(const RowNumbers& rows, std::size_t count, float limit) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!(rows.keys[i] <= limit)) continue;
    rows.places[kept] = rows.places[i];
    rows.along[kept] = rows.along[i];
    rows.keys[kept] = rows.keys[i];
    if (rows.lengths != nullptr) rows.lengths[kept] = rows.lengths[i];
    ++kept;
  }
  return kept;
}

std::size_t KeepOfCoarseBlock(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                              const KeyTerms& key_terms, float limit, const RowNumbers& to) {
  std::array<std::int32_t, kBlockRows> sums;
  std::array<std::int32_t, kBlockRows> rests;
  std::array<float, kBlockRows> along;
  std::array<float, kBlockRows> keys;
  along.fill(block.along);
  scalar::CoarseDistances(block.codes, kBlockRows, query, sums.data(), rests.data());
  scalar::BoundDistances(sums.data(), rests.data(), kBlockRows, terms, along.data(), keys.data());
  scalar::NearKeys(key_terms.kind, keys.data(), block.lengths, kBlockRows, key_terms.squared_norm, keys.data());
  return scalar::KeepOfBlock(scalar::NotAbove(keys.data(), kBlockRows, limit), block.first_place, along.data(),
                             keys.data(), block.lengths, to);
}

void AxisProducts(const float* axes, std::size_t count, std::size_t dimension, const double* vector, double* out) {
  for (std::size_t axis = 0; axis < count; ++axis) {
    const float* numbers = axes + axis * dimension;
    std::array<double, 8> sums{};
    std::size_t i = 0;
    for (; i + 8 <= dimension; i += 8) {
      for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += numbers[i + lane] * vector[i + lane];
    }
    for (; i < dimension; ++i) sums[i % 8] += numbers[i] * vector[i];
    double sum = 0;
    for (const double part : sums) sum += part;
    out[axis] = sum;
  }
}

}  // namespace actkin::scalar
