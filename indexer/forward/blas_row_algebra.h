#ifndef ACTKIN_INDEXER_FORWARD_BLAS_ROW_ALGEBRA_H_
#define ACTKIN_INDEXER_FORWARD_BLAS_ROW_ALGEBRA_H_

#include "indexer/model/row_algebra.h"

namespace actkin {

// By BLAS and LAPACK, in the calling thread.
class BlasRowAlgebra : public RowAlgebra {
 public:
  PrincipalAxes FindPrincipalAxes(std::span<const float> rows, std::size_t dimension,
                                  std::size_t axis_count) const override;
  void Project(std::span<const float> rows, std::span<const float> axes, std::size_t dimension,
               std::span<float> coordinates) const override;
  void Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                std::span<float> rows) const override;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_BLAS_ROW_ALGEBRA_H_
