#ifndef ACTKIN_INDEXER_SKETCHES_SKETCH_PLAN_H_
#define ACTKIN_INDEXER_SKETCHES_SKETCH_PLAN_H_

#include <cstdint>
#include <span>

#include "indexer/model/row_algebra.h"
#include "indexer/sketches/sketch_coordinates.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// Frame, levels and steps, without errors, chosen by a sample of the rows: as many levels as pay, by the bytes that
// they keep a search of the sample from reading. sample: count x dimension.
struct SketchPlan {
  SketchFrame frame;
  SketchLevels levels;
  SketchScales scales;
};
SketchPlan PlanSketches(std::span<const float> sample, const RowMoments& moments, std::uint64_t row_count,
                        const RowAlgebra& algebra);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_SKETCH_PLAN_H_
