#ifndef ACTKIN_INDEXER_FORWARD_FORWARD_KERNELS_H_
#define ACTKIN_INDEXER_FORWARD_FORWARD_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "schema/model_description.h"

namespace actkin {

// What stands between the matrix products of a forward pass, with the widest instructions that the processor has
// (chosen at run time). Any thread. Rows are row-major float32 without gaps where no stride is given. On one processor
// the same input always gives the same bits.

// out = (row - mean) / sqrt(variance + epsilon) * weight + bias, a row. weight, bias: dimension numbers; bias may be
// null.
void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, float epsilon, const float* weight,
                   const float* bias, float* out);

// out = row / sqrt(mean of squares + epsilon) * weight, a row (Zhang and Sennrich, https://arxiv.org/abs/1910.07467).
// in and out may be the same. Between rows lie stride numbers, of which the first `dimension` are read and written.
void RmsNormRows(const float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, float epsilon,
                 const float* weight, float* out);

// rows += bias, a row of stride numbers, of which the first `dimension` take part.
void AddBias(float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, const float* bias);

// rows = activation(rows + bias), a row; bias may be null.
void Activate(float* rows, std::size_t row_count, std::size_t dimension, Activation activation, const float* bias);

// Of rows of 2 * dimension numbers, a gate and what it lets through: the first half becomes
// activation(first half + bias) * (second half + bias). bias: 2 * dimension numbers, or null.
void ActivateGated(float* rows, std::size_t row_count, std::size_t dimension, Activation activation, const float* bias);

// rows += bias, a row, where that is not null; then residual += rows. residual: row_count x dimension.
void AddToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual);

// Turns the first 2 * pairs numbers of every head: number i with number i + pairs, by the angle whose cosine and sine
// these are (schema/model_description.h, Rotary). A row has `heads` heads of head_size numbers; between rows lie stride
// numbers. cosines, sines: `pairs` numbers, of the position that all rows have.
void TurnHeads(float* rows, std::size_t row_count, std::size_t stride, std::size_t heads, std::size_t head_size,
               std::size_t pairs, const float* cosines, const float* sines);

// The sizes of one attention: a row of `qkv` holds the queries of all heads, then keys, then values of the fewer
// key_value_heads, each of which serves heads / key_value_heads heads in turn.
struct AttentionShape {
  std::size_t heads = 0;
  std::size_t key_value_heads = 0;
  std::size_t head_size = 0;

  std::size_t width() const { return heads * head_size; }
  std::size_t key_value_width() const { return key_value_heads * head_size; }
  std::size_t stride() const { return width() + 2 * key_value_width(); }
};

// Attention of row_count queries, each over a path of its own. paths: row_count x positions, the rows of `qkv` that a
// path visits; the last is the row with the query. out: row_count x width.
void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out);

// Weights of queries whose scores stand in rows of stride numbers: row r becomes the softmax of its first
// first_count + r numbers, followed by zeros up to `columns`. A row's numbers after `columns` are not kept.
// REQUIRES: first_count + row_count <= columns + 1; stride is a multiple of 16 and >= columns.
void CausalSoftmaxRows(float* scores, std::size_t row_count, std::size_t stride, std::size_t first_count,
                       std::size_t columns);

// The instruction sets that this processor can run, widest first, and the choice of one of them (tests compare them).
std::vector<std::int64_t> ForwardKernelTargets();
void UseForwardKernelTarget(std::int64_t target);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_FORWARD_KERNELS_H_
