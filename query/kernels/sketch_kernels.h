#ifndef ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_
#define ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/formats/sketch_file.h"

namespace actkin {

// Squared distances between codes, in whole numbers: exact, and so the same on every processor. Any thread.

// Limit of a query's codes. With rows' codes in their range no sum exceeds an int32: 64 (596 + 127)^2 4^3 < 2^31.
inline constexpr int kQueryCodeLimit = 596;

template <std::size_t kCoordinates>
struct LevelQuery {
  std::array<std::int16_t, kCoordinates> codes{};           // in the order of the rows' codes
  std::array<std::uint32_t, kCoordinates / 2> exponents{};  // as in LevelScales
};
using CoarseQuery = LevelQuery<kCoarseCoordinates>;
using FineQuery = LevelQuery<kFineCoordinates>;

// The squared distance of a row is the sum over pairs of 4^exponent times the pair's squared differences.
// best: one a block, its smallest squared distance (or largest, over the same rows).
void SmallestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best);
void LargestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best);
// Rows of these blocks whose squared distance is in [low, high], by block and row; returns how many they are. codes: of
// all blocks; blocks: their numbers; rows: room for kBlockRows a block.
std::size_t CoarseRowsWithin(const std::int8_t* codes, std::span<const std::uint32_t> blocks, const CoarseQuery& query,
                             std::int32_t low, std::int32_t high, std::uint32_t* rows);
// out: one squared distance for each of `rows`, which index into codes (rows x kFineCoordinates).
void FineDistances(const std::int8_t* codes, std::span<const std::uint32_t> rows, const FineQuery& query,
                   std::int32_t* out);

namespace scalar {

// The twins of the above in plain C++, number after number: what their tests compare with.
void SmallestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best);
void LargestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best);
std::size_t CoarseRowsWithin(const std::int8_t* codes, std::span<const std::uint32_t> blocks, const CoarseQuery& query,
                             std::int32_t low, std::int32_t high, std::uint32_t* rows);
void FineDistances(const std::int8_t* codes, std::span<const std::uint32_t> rows, const FineQuery& query,
                   std::int32_t* out);

}  // namespace scalar
}  // namespace actkin

#endif  // ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_
