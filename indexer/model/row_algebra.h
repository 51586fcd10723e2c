#ifndef ACTKIN_INDEXER_MODEL_ROW_ALGEBRA_H_
#define ACTKIN_INDEXER_MODEL_ROW_ALGEBRA_H_

#include <cstddef>
#include <span>
#include <vector>

namespace actkin {

struct PrincipalAxes {
  std::vector<float> center;  // dimension: the rows' mean
  std::vector<float> axes;    // axis count x dimension, row-major: unit length, orthogonal, widest variance first
};

// The linear algebra over rows that making sketches takes. Immutable; any thread. All matrices are row-major.
class RowAlgebra {
 public:
  virtual ~RowAlgebra() = default;

  // Of at least one row of `dimension` numbers. Axes: min(axis_count, dimension). Computed in double precision.
  virtual PrincipalAxes FindPrincipalAxes(std::span<const float> rows, std::size_t dimension,
                                          std::size_t axis_count) const = 0;
  // coordinates = rows axes^T. rows: count x dimension; axes: axis count x dimension; coordinates: count x axis count.
  // Sums in float32, in any order.
  virtual void Project(std::span<const float> rows, std::span<const float> axes, std::size_t dimension,
                       std::span<float> coordinates) const = 0;
  // rows -= coordinates axes, likewise.
  virtual void Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                        std::span<float> rows) const = 0;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_ROW_ALGEBRA_H_
