#ifndef ACTKIN_INDEXER_FORWARD_SCALAR_FORWARD_KERNELS_H_
#define ACTKIN_INDEXER_FORWARD_SCALAR_FORWARD_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "indexer/forward/forward_kernels.h"

// The scalar twins of forward_kernels.h: the same contracts, one number at a time, summed in double precision. The
// oracle of the tests.
namespace actkin::scalar {

void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, float epsilon, const float* weight,
                   const float* bias, float* out);
void RmsNormRows(const float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, float epsilon,
                 const float* weight, float* out);
void AddBias(float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, const float* bias);
void Activate(float* rows, std::size_t row_count, std::size_t dimension, Activation activation, const float* bias);
void ActivateGated(float* rows, std::size_t row_count, std::size_t dimension, Activation activation, const float* bias);
void AddToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual);
void TurnHeads(float* rows, std::size_t row_count, std::size_t stride, std::size_t heads, std::size_t head_size,
               std::size_t pairs, const float* cosines, const float* sines);
void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out);
void CausalSoftmaxRows(float* scores, std::size_t row_count, std::size_t stride, std::size_t first_count,
                       std::size_t columns);

}  // namespace actkin::scalar

#endif  // ACTKIN_INDEXER_FORWARD_SCALAR_FORWARD_KERNELS_H_
