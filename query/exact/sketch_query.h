#ifndef ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_
#define ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

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
  const LevelTerms& terms(std::size_t number) const { return terms_[number]; }

  // `distance`, in units of the metric, may be infinite.
  float Limit(double distance) const;
  // bounds: as BoundDistances gives them, of rows at consecutive places or at these; keys: one a row.
  void RowKeys(std::uint64_t first_place, std::span<const float> bounds, float* keys) const;
  void RowKeys(std::span<const std::uint32_t> places, std::span<const float> bounds, float* keys) const;
  // Of consecutive boxes.
  void BoxKeys(BoxOf of, std::uint64_t first, std::span<const float> bounds, float* keys) const;

 private:
  // Coordinates along the axes, and rests by level, of the query less the center.
  void Encode(std::span<const double> along, std::size_t level, double rest, double slack);
  template <typename Place>
  void Keys(const Place& place, std::span<const float> bounds, float* keys) const;
  float NearCosine(float bound, float length) const;
  float FarCosineOfBox(float bound, float shortest) const;

  const SketchFile& file_;
  const Metric metric_;
  const Side side_;
  // What a square is more, or less, at most.
  const float up_;
  const float down_;
  // What a cosine's key is less by, at most, of itself.
  const float key_slack_;
  // The query's, from where the metric measures lengths.
  double norm_ = 0;
  float squared_norm_ = 0;
  std::span<const float> lengths_;    // by place; empty for l2
  std::span<const float> from_mean_;  // by place; empty on the near side
  float reach_ = 0;                   // rows that are longer are not bounded from above
  std::array<LevelQuery, kMostLevels> levels_;
  std::array<LevelTerms, kMostLevels> terms_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_
