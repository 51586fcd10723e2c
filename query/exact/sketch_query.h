#ifndef ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_
#define ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_

#include <cstdint>
#include <span>

#include "query/exact/site_index.h"
#include "query/kernels/sketch_kernels.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// Which rows an answer is of, so which the sketches leave out: those too far for near rows, too near for far ones.
enum class Side { kNear, kFar };

// A query as a view's sketches see it, and what a squared distance between codes proves. Immutable. The derivation is
// in the source.
class SketchQuery {
 public:
  // query: dimension finite numbers, in double precision as the exact distance is computed from them.
  SketchQuery(const SketchView& view, Metric metric, Side side, std::span<const double> query);

  const CoarseQuery& coarse() const { return coarse_; }
  const FineQuery& fine() const { return fine_; }

  // A row whose squared code distance is beyond the limit (above it for Side::kNear, below it for kFar) is farther,
  // respectively nearer, than `distance`, in units of the metric. `distance` may be infinite.
  std::int32_t CoarseLimit(double distance) const { return Limit(distance, coarse_step_, coarse_error_); }
  std::int32_t FineLimit(double distance) const { return Limit(distance, fine_step_, fine_error_); }

 private:
  // h: the query's, with the tail's norm, signed, last. Returns the distance between h and what its codes say.
  template <std::size_t kCoordinates>
  static double Encode(std::span<const double> h, const LevelScales<kCoordinates>& scales,
                       LevelQuery<kCoordinates>& query);
  std::int32_t Limit(double distance, double step, double error) const;

  Metric metric_;
  Side side_;
  double axis_defect_;
  double cosine_slack_;
  CoarseQuery coarse_;
  FineQuery fine_;
  double coarse_step_;
  double fine_step_;
  // Of the rows and of this query together.
  double coarse_error_ = 0;
  double fine_error_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SKETCH_QUERY_H_
