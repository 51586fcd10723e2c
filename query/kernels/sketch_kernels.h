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
  Side side = Side::kNear;
  std::size_t count = 0;  // of the level's codes: a multiple of kCodeUnit
  // In the order of the rows' codes, the rest's the last. At most QueryCodeLimit either way.
  std::array<std::int16_t, kMostCodes> codes{};
  std::array<std::uint32_t, kMostCodes / kQuad> exponents{};  // as in LevelScales
  // On the near side: whether the query lies so far out that differences of codes beyond kFarthestNear are to count,
  // and how many steps its coordinates lie beyond their codes, the first or the last that there is: from rows of
  // another code they are so much farther. None for the rest.
  bool wide = false;
  std::array<std::uint8_t, kMostCodes> beyond{};

  // What kernels load of these, zeros behind them: the codes as bytes, which they fit in on the near side, and how far
  // sums of squares are shifted, of each quad and of each pair.
  std::array<std::int8_t, kMostCodes> bytes{};
  std::array<std::int32_t, kMostCodes / kQuad> quad_shifts{};
  std::array<std::int32_t, kMostCodes / 2> pair_shifts{};
  // To be called when the codes and exponents are there, before a kernel is.
  void Prepare() {
    for (std::size_t i = 0; i < count; ++i) {
      bytes[i] = static_cast<std::int8_t>(side == Side::kNear ? codes[i] : 0);
      quad_shifts[i / kQuad] = pair_shifts[i / 2] = static_cast<std::int32_t>(2 * exponents[i / kQuad]);
    }
  }
};
// With rows' codes in their range no sum exceeds an int32.
constexpr int QueryCodeLimit(Side side, std::size_t count) {
  if (side == Side::kNear) return kCodeLimit;
  return count <= 64 ? 596 : 384;
}
// On the near side two codes count as at most so far apart: what is farther is as near, which a lower bound may say.
// Of wide queries, coordinates and what lies beyond together, and rests as far as they are.
inline constexpr std::int32_t kFarthestNear = 127;
inline constexpr std::int32_t kFarthestWide = 255;

// sums: the squared distance of the codes along the axes, the sum over quads of 4^exponent times the quad's squared
// differences; rests: the distance of the rests' codes. One a row.
// Of rows that stand one after another. REQUIRES: query.count is kCoarseCodes, row_count <= kBlockRows.
void CoarseDistances(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query, std::int32_t* sums,
                     std::int32_t* rests);
// The same between a query and the nearest (or farthest) point of each of kBlockRows boxes.
void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
                  std::int32_t* rests);
// The same of rows at `places` in `codes`.
void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests);

// What a level's distances mean. Negative errors are those of the far side: they are added.
struct LevelTerms {
  float step = 0;
  float error = 0;
  float rest_step = 0;
  float rest_error = 0;
  float rest_beyond = 0;  // how far the query's rest lies beyond its code, as `beyond` says it of coordinates
  float factor = 1;       // for the axes' defect and all rounding
};
// bounds: a lower (near) or upper (far) bound of each squared distance. along: what the axes of the levels before bound
// (read), and what those of this level and before do (written). count numbers each.
void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds);

// Keys of near rows: their bounds, for l2; for the others what query/exact/sketch_query.cc derives from these and the
// rows' lengths. Keys may be written over the bounds.
enum class NearKey : std::uint8_t { kBound, kDot, kCosine };
void NearKeys(NearKey kind, const float* bounds, const float* lengths, std::size_t count, float squared_norm,
              float* keys);
// As float32's rounding asks for: bounds and squares moved outwards.
inline constexpr float kKeyUp = 1 + 0x1p-18F;
// Shorter rows count as so long: only their keys' sign matters.
inline constexpr float kShortestLength = 1e-30F;

// A bit for each of the first `count` keys, the first in the lowest, that is not above the limit. REQUIRES: count
// <= 64.
std::uint64_t NotAbove(const float* keys, std::size_t count, float limit);

// Numbers of rows that no level has left out, an array each; `lengths` may be null. Behind the rows kKeepRoom more
// numbers may be read and written.
struct RowNumbers {
  std::uint32_t* places = nullptr;
  float* along = nullptr;
  float* keys = nullptr;
  float* lengths = nullptr;
};
inline constexpr std::size_t kKeepRoom = 16;
// Puts the rows of a block whose bits are set, in order, to where `to` points, and returns how many. The block's are
// kBlockRows numbers; its first row stands at `first_place`. REQUIRES: to.lengths is null where lengths is.
std::size_t KeepOfBlock(std::uint64_t bits, std::uint32_t first_place, const float* along, const float* keys,
                        const float* lengths, const RowNumbers& to);
// Moves those of `count` rows to the front, in order, whose key is not above the limit, and returns how many.
std::size_t KeepNotAbove(const RowNumbers& rows, std::size_t count, float limit);

// A block of kBlockRows rows by their coarse codes.
struct CoarseBlock {
  const std::int8_t* codes = nullptr;
  std::uint32_t first_place = 0;
  float along = 0;                 // what is known of the distance of all of them, squared
  const float* lengths = nullptr;  // as in RowNumbers
};
struct KeyTerms {
  NearKey kind = NearKey::kBound;
  float squared_norm = 0;
};
// All of the above of a block on the near side: puts the rows whose key is not above the limit to where `to` points,
// and returns how many. REQUIRES: lengths are there where the key asks for them, and then in `to`.
std::size_t KeepOfCoarseBlock(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                              const KeyTerms& key_terms, float limit, const RowNumbers& to);

// out: the inner product of a vector of `dimension` numbers with each of `count` axes, in double precision.
void AxisProducts(const float* axes, std::size_t count, std::size_t dimension, const double* vector, double* out);

namespace scalar {

// The twins of the above in plain C++, number after number: what their tests compare with.
void CoarseDistances(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query, std::int32_t* sums,
                     std::int32_t* rests);
void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
                  std::int32_t* rests);
void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests);
void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds);
void NearKeys(NearKey kind, const float* bounds, const float* lengths, std::size_t count, float squared_norm,
              float* keys);
std::uint64_t NotAbove(const float* keys, std::size_t count, float limit);
std::size_t KeepOfBlock(std::uint64_t bits, std::uint32_t first_place, const float* along, const float* keys,
                        const float* lengths, const RowNumbers& to);
std::size_t KeepNotAbove(const RowNumbers& rows, std::size_t count, float limit);
std::size_t KeepOfCoarseBlock(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                              const KeyTerms& key_terms, float limit, const RowNumbers& to);
void AxisProducts(const float* axes, std::size_t count, std::size_t dimension, const double* vector, double* out);

}  // namespace scalar
}  // namespace actkin

#endif  // ACTKIN_QUERY_KERNELS_SKETCH_KERNELS_H_
