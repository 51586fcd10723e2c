#ifndef ACTKIN_INDEXER_SKETCHES_SKETCH_COORDINATES_H_
#define ACTKIN_INDEXER_SKETCHES_SKETCH_COORDINATES_H_

#include <array>
#include <cstddef>
#include <vector>

#include "indexer/model/row_algebra.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// What a site's sketches are made with.
struct SketchFrame {
  std::vector<float> center;  // dimension
  std::vector<float> axes;    // axis count x dimension, row-major
  double reach = 0;           // rows are drawn in to this length from the center

  std::size_t dimension() const { return center.size(); }
  std::size_t axis_count() const { return axes.size() / center.size(); }
};

// Some rows, drawn in, as their levels see them.
struct Coordinates {
  std::size_t axis_count = 0;
  std::vector<float> along;  // rows x axis_count
  // A level, a row: the length of what the axes of this level and those before leave.
  std::array<std::vector<double>, kMostLevels> rests;

  double At(std::size_t row, std::size_t axis) const { return along[row * axis_count + axis]; }
  std::size_t count() const { return rests[0].size(); }
};

// rows: count x dimension, which are spoiled. levels: those whose rests are wanted; the axes are theirs.
Coordinates FindCoordinates(const SketchFrame& frame, const SketchLevels& levels, std::vector<float>& rows,
                            const RowAlgebra& algebra);

// The same of the coarse level alone, in less time: its numbers may be another's rounding.
Coordinates FindCoarseCoordinates(const SketchFrame& frame, const SketchLevels& levels, std::vector<float>& rows,
                                  const RowAlgebra& algebra);

// The steps of the above: rows less the center, drawn in; their coordinates along the first axes of the frame, which
// spoils the rows and leaves the length of what all of these axes leave as the first level's rest; and from this the
// rests of all levels, whose axes are those.
void DrawIn(const SketchFrame& frame, std::vector<float>& rows);
Coordinates OfDrawnIn(const SketchFrame& frame, std::size_t axis_count, std::vector<float>& rows,
                      const RowAlgebra& algebra);
void FindRests(const SketchLevels& levels, Coordinates& coordinates);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_SKETCH_COORDINATES_H_
