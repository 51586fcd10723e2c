#ifndef ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_
#define ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "query/kernels/sketch_kernels.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// A query as a site's sketches see it, and what bounds of squared distances prove under a metric. Rows and boxes get
// keys: a row or box whose key is above Limit(distance) has nothing at that distance or better in it, and what has a
// smaller key is more promising. Immutable. The derivation is in the source.
class SketchQuery {
 public:
  // Whether sketches can tell anything of such rows and such a query: float32 has room for their squares.
  static bool CanTell(const SketchFile& file, std::span<const float> query);

  // query: dimension finite numbers. tolerance: rows are not those that the sketches were made of, but differ from them
  // by at most that share of their lengths; below 2^-8. REQUIRES: CanTell(file, query). The file outlives this object.
  SketchQuery(const SketchFile& file, Metric metric, Side side, std::span<const float> query, double tolerance = 0);

  const LevelQuery& level(std::size_t number) const { return levels_[number]; }
  // On the near side.
  const LevelTerms& terms(std::size_t number) const { return terms_[number]; }

  // BoundDistances of boxes, by the coarse codes: of consecutive ones, as many as there are sums.
  void BoundBoxes(BoxOf of, std::uint64_t first, std::span<const std::int32_t> sums, const std::int32_t* rests,
                  float* bounds) const;
  // Where KeepBlock serves: on the near side, for rows that are those that the sketches were made of.
  bool KeepsBlocks() const { return side_ == Side::kNear && tolerance_ == 0; }
  // By its coarse codes, a full block's rows whose keys are not above the limit, to where `to` points; how many.
  // REQUIRES: KeepsBlocks().
  std::size_t KeepBlock(std::uint64_t block, float limit, const RowNumbers& to) const;
  // The same of the rows of a block, by the coarse codes (along is only written), and of rows at `places` by those of a
  // level.
  void BoundBlock(std::uint64_t block, std::span<const std::int32_t> sums, const std::int32_t* rests, float* along,
                  float* bounds) const;
  void BoundRows(std::size_t level, std::span<const std::uint32_t> places, const std::int32_t* sums,
                 const std::int32_t* rests, float* along, float* bounds) const;

  // `distance`, in units of the metric, may be infinite.
  float Limit(double distance) const;
  // By place, from where the metric measures; null where keys ask for none.
  const float* lengths() const { return lengths_.empty() ? nullptr : lengths_.data(); }
  // bounds: as BoundDistances gives them, of rows at consecutive places, or at these, with their lengths, if any; keys:
  // one a row, may be written over the bounds.
  void RowKeys(std::uint64_t first_place, std::span<const float> bounds, float* keys) const;
  void RowKeys(std::span<const std::uint32_t> places, const float* lengths, std::span<const float> bounds,
               float* keys) const;
  // Of consecutive boxes.
  void BoxKeys(BoxOf of, std::uint64_t first, std::span<const float> bounds, float* keys) const;

 private:
  // The length of what some axes leave, which is not farther from it than `slack`.
  struct Rest {
    double length = 0;
    double slack = 0;
  };
  // Takes the axes from z, for the rests of the levels from this one on.
  static void TakeAxes(const SketchFile& file, std::span<const double> along, std::vector<double>& z,
                       std::size_t first_level, std::array<Rest, kMostLevels>& rests);
  // Coordinates along the axes, which are as near as `slack` to the query's, and what the axes so far leave.
  void Encode(std::span<const double> along, std::size_t level, double slack, const Rest& rest);
  // What a query beyond the ball is farther, squared, from the rows of a box.
  float Beyond(BoxOf of, std::uint64_t box) const;
  // What a level proves of the rows of a box on the far side.
  LevelTerms FarTerms(std::size_t level, BoxOf of, std::uint64_t box) const;
  template <typename Place>
  void FarKeys(const Place& place, const float* lengths, std::span<const float> bounds, float* keys) const;
  float FarCosineOfBox(float bound, float shortest) const;
  // Makes keys smaller by what the rows' tolerance asks for. lengths: of the rows, or of the longest in each box.
  void Widen(const float* lengths, std::size_t count, float* keys) const;

  const SketchFile& file_;
  const Metric metric_;
  const Side side_;
  const float tolerance_;
  // The query's, from where the metric measures lengths.
  double norm_ = 0;
  float squared_norm_ = 0;
  std::span<const float> lengths_;    // by place; empty for l2
  std::span<const float> from_mean_;  // by place; empty on the near side
  float reach_ = 0;                   // rows that are longer are not bounded from above, and were drawn in
  float beyond_ = 0;                  // the square of how far the query lies beyond the ball, or less; on the near side
  std::array<LevelQuery, kMostLevels> levels_;
  std::array<LevelTerms, kMostLevels> terms_;
  // What is not known of the query's own coordinates, and of its rest: of the terms' errors, the part that is no row's.
  struct Unknown {
    double axes = 0;
    double rest = 0;
  };
  std::array<Unknown, kMostLevels> unknown_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_
