#ifndef ACTKIN_QUERY_KERNELS_ROW_KERNELS_H_
#define ACTKIN_QUERY_KERNELS_ROW_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace actkin {

// The arithmetic over blocks of rows, with the widest instructions that the processor has (chosen at run time). Any
// thread. All sums are in float32 in an order that differs between processors: callers allow for it, as ScanBounds
// does.
//
// Rows and queries are row-major without gaps and need no more alignment than their numbers have; rows are float32, or
// float16 as bit patterns (IEEE 754 binary16). Nothing outside the given ranges is read.

// out: query_count x row_count, the squared Euclidean distance of every query to every row, summed from differences.
void SquaredDistances(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out);
void SquaredDistances(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out);

// out: query_count x row_count.
void DotProducts(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out);
void DotProducts(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out);

// out: row_count.
void SquaredNorms(const float* rows, std::size_t row_count, std::size_t dimension, float* out);
void SquaredNorms(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, float* out);

// The linear layer out = inputs * weights^T + bias. weights: outputs x width, read once; bias: outputs, or null for
// none; inputs: input_count x width; out: input_count x stride, of which the first `outputs` of each row are written.
// REQUIRES: stride >= outputs.
void Linear(const float* weights, std::size_t outputs, std::size_t width, const float* bias, const float* inputs,
            std::size_t input_count, float* out, std::size_t stride);

// The same of weights of two bytes a number: float16, or bfloat16 (the upper half of a float32). Computed in float32.
void LinearFloat16(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                   const float* inputs, std::size_t input_count, float* out, std::size_t stride);
void LinearBfloat16(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                    const float* inputs, std::size_t input_count, float* out, std::size_t stride);

// out: count numbers.
void WidenFloat16(const std::uint16_t* numbers, std::size_t count, float* out);
void WidenBfloat16(const std::uint16_t* numbers, std::size_t count, float* out);

// The instruction sets that this processor can run, widest first; the first is the one in use unless a test chose
// others.
std::vector<std::int64_t> KernelTargets();
// For tests: every kernel uses `target` from now on; 0 gives the choice back. REQUIRES: target is 0 or from
// KernelTargets(), and no kernel runs meanwhile.
void UseKernelTarget(std::int64_t target);

}  // namespace actkin

#endif  // ACTKIN_QUERY_KERNELS_ROW_KERNELS_H_
