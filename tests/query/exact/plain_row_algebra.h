#ifndef ACTKIN_TESTS_QUERY_EXACT_PLAIN_ROW_ALGEBRA_H_
#define ACTKIN_TESTS_QUERY_EXACT_PLAIN_ROW_ALGEBRA_H_

#include "indexer/model/row_algebra.h"

namespace actkin {

// In plain loops, without BLAS. Its axes are orthonormal but not principal: random rows of the sample made
// orthogonal, so that sketches prove less and every stage of a search has work.
class PlainRowAlgebra : public RowAlgebra {
 public:
  PrincipalAxes FindPrincipalAxes(std::span<const float> rows, std::size_t dimension,
                                  std::size_t axis_count) const override;
  void Project(std::span<const float> rows, std::span<const float> axes, std::size_t dimension,
               std::span<float> coordinates) const override;
  void Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                std::span<float> rows) const override;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_QUERY_EXACT_PLAIN_ROW_ALGEBRA_H_
