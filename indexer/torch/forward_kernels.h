#ifndef ACTKIN_INDEXER_TORCH_FORWARD_KERNELS_H_
#define ACTKIN_INDEXER_TORCH_FORWARD_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace actkin {

// What stands between the matrix products of a forward pass, with the widest instructions that the processor has
// (chosen at run time). Any thread. Rows are row-major float32 without gaps where no stride is given. On one processor
// the same input always gives the same bits.

// out = (row - mean) / sqrt(variance + kLayerNormEpsilon) * weight + bias, a row. weight, bias: dimension numbers.
void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, const float* weight,
                   const float* bias, float* out);

// rows += bias, a row.
void AddBias(float* rows, std::size_t row_count, std::size_t dimension, const float* bias);

// rows = max(rows + bias, 0), a row.
void AddBiasRelu(float* rows, std::size_t row_count, std::size_t dimension, const float* bias);

// rows += bias, a row; then residual += rows. residual: row_count x dimension.
void AddBiasToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual);

// The sizes of one attention: a row of `qkv` holds query, key and value, each heads x head_size numbers.
struct AttentionShape {
  std::size_t heads = 0;
  std::size_t head_size = 0;

  std::size_t width() const { return heads * head_size; }
  std::size_t stride() const { return 3 * width(); }
};

// Attention of row_count queries, each over a path of its own. paths: row_count x positions, the rows of `qkv` that a
// path visits; the last is the row with the query. out: row_count x width.
void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out);

// The instruction sets that this processor can run, widest first, and the choice of one of them (tests compare them).
std::vector<std::int64_t> ForwardKernelTargets();
void UseForwardKernelTarget(std::int64_t target);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_FORWARD_KERNELS_H_
