#ifndef ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_
#define ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "storage/formats/sketch_file.h"

namespace actkin {

// The arithmetic over the codes of sketches (storage/formats/sketch_file.h): distances between codes in whole numbers,
// and what they prove in float32, every operation rounded once. Both are the same on every processor. Any thread.

// Which rows an answer is of, so which the sketches leave out: those too far for near rows, too near for far ones.
enum class Side : std::uint8_t { kNear, kFar };

// A query's codes at a level.
struct LevelQuery {
  std::size_t count = 0;  // kLevelCodes of the level
  // In the order of the rows' codes; of the rest 0. At most QueryCodeLimit(count) either way.
  std::array<std::int16_t, kMostCodes> codes{};
  std::array<std::uint32_t, kMostCodes / 2> exponents{};  // as in LevelScales
  std::int32_t rest = 0;                                  // at most 2^15 either way
};
// With rows' codes in their range no sum exceeds an int32.
constexpr int QueryCodeLimit(std::size_t count) { return count <= 64 ? 596 : 384; }

// sums: the squared distance of the codes along the axes, the sum over pairs of 4^exponent times the pair's squared
// differences; rests: the distance of the rests' codes. One a row of the block: kBlockRows.
void CoarseDistances(const std::int8_t* block, const LevelQuery& query, std::int32_t* sums, std::int32_t* rests);
// The same between a query and the nearest (or farthest) point of each of kBlockRows boxes.
void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, Side side,
                  std::int32_t* sums, std::int32_t* rests);
// The same of rows with their codes together, at `places` in `codes`; query.count codes each.
void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests);

// What a level's distances mean. Negative errors are those of the far side: they are added.
struct LevelTerms {
  float step = 0;
  float error = 0;
  float rest_step = 0;
  float rest_error = 0;
  float factor = 1;  // for the axes' defect and all rounding
};
// bounds: a lower (near) or upper (far) bound of each squared distance. along: what the axes of the levels before bound
// (read), and what those of this level and before do (written). count numbers each.
void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds);

// A bit for each of the first `count` keys, the first in the lowest, that is not above the limit. REQUIRES: count
// <= 64.
std::uint64_t NotAbove(const float* keys, std::size_t count, float limit);

namespace scalar {

// The twins of the above in plain C++, number after number: what their tests compare with.
void CoarseDistances(const std::int8_t* block, const LevelQuery& query, std::int32_t* sums, std::int32_t* rests);
void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, Side side,
                  std::int32_t* sums, std::int32_t* rests);
void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests);
void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds);
std::uint64_t NotAbove(const float* keys, std::size_t count, float limit);

}  // namespace scalar
}  // namespace actkin

#endif  // ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_
