#include "indexer/sketches/sketch_coordinates.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "indexer/sketches/vector_lengths.h"

namespace actkin {
namespace {

// Of a row's square.
constexpr double kSmallRest = 0.0003;

}  // namespace

void DrawIn(const SketchFrame& frame, std::vector<float>& rows) {
  const std::size_t dimension = frame.dimension();
  std::vector<double> centered(dimension);
  for (std::size_t first = 0; first < rows.size(); first += dimension) {
    for (std::size_t i = 0; i < dimension; ++i) {
      centered[i] = static_cast<double>(rows[first + i]) - frame.center[i];
    }
    const double length = std::sqrt(SumOfSquares(dimension, [&](std::size_t i) { return centered[i]; }));
    const double scale = length > frame.reach ? frame.reach / length : 1;
    for (std::size_t i = 0; i < dimension; ++i) rows[first + i] = static_cast<float>(centered[i] * scale);
  }
}

Coordinates OfDrawnIn(const SketchFrame& frame, std::size_t axis_count, std::vector<float>& rows,
                      const RowAlgebra& algebra) {
  const std::size_t dimension = frame.dimension();
  const std::size_t count = rows.size() / dimension;
  Coordinates found;
  found.axis_count = axis_count;
  found.along.resize(count * found.axis_count);
  const std::span<const float> axes = std::span(frame.axes).first(found.axis_count * dimension);
  algebra.Project(rows, axes, dimension, found.along);
  algebra.Subtract(found.along, axes, dimension, rows);
  for (std::size_t row = 0; row < count; ++row) {
    found.rests[0].push_back(NormOf(std::span(rows).subspan(row * dimension, dimension)));
  }
  return found;
}

void FindRests(const SketchLevels& levels, Coordinates& coordinates) {
  const std::vector<double> left = std::move(coordinates.rests[0]);
  coordinates.rests[0].clear();
  for (std::size_t row = 0; row < left.size(); ++row) {
    double square = left[row] * left[row];
    for (std::size_t level = levels.count; level-- > 0;) {
      coordinates.rests[level].push_back(std::sqrt(square));
      for (std::size_t axis = levels.FirstAxis(level); axis < levels.FirstAxis(level + 1); ++axis) {
        square += coordinates.At(row, axis) * coordinates.At(row, axis);
      }
    }
  }
}

Coordinates FindCoordinates(const SketchFrame& frame, const SketchLevels& levels, std::vector<float>& rows,
                            const RowAlgebra& algebra) {
  DrawIn(frame, rows);
  Coordinates found = OfDrawnIn(frame, levels.axis_count(), rows, algebra);
  FindRests(levels, found);
  return found;
}

Coordinates FindCoarseCoordinates(const SketchFrame& frame, const SketchLevels& levels, std::vector<float>& rows,
                                  const RowAlgebra& algebra) {
  const std::size_t dimension = frame.dimension();
  const std::size_t count = rows.size() / dimension;
  DrawIn(frame, rows);
  Coordinates found;
  found.axis_count = levels.axes(0);
  found.along.resize(count * found.axis_count);
  algebra.Project(rows, std::span(frame.axes).first(found.axis_count * dimension), dimension, found.along);
  for (std::size_t row = 0; row < count; ++row) {
    const float* numbers = rows.data() + row * dimension;
    const double all = SumOfSquares(dimension, [numbers](std::size_t i) { return numbers[i]; });
    const double rest = all - SumOfSquares(found.axis_count, [&](std::size_t axis) { return found.At(row, axis); });
    // Where little is left, it is not found as a difference.
    if (rest < kSmallRest * all) {
      found = OfDrawnIn(frame, levels.axis_count(), rows, algebra);
      FindRests(levels, found);
      return found;
    }
    found.rests[0].push_back(std::sqrt(rest));
  }
  return found;
}

}  // namespace actkin
