#ifndef ACTKIN_QUERY_KERNELS_SCALAR_KERNELS_H_
#define ACTKIN_QUERY_KERNELS_SCALAR_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace actkin::scalar {

// The twins of row_kernels.h in plain C++, number after number, with double sums rounded to float32 at the end: what
// the kernels' tests and benchmarks compare with. Same arguments, same meaning.
void SquaredDistances(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out);
void SquaredDistances(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out);
void DotProducts(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out);
void DotProducts(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out);
void SquaredNorms(const float* rows, std::size_t row_count, std::size_t dimension, float* out);
void SquaredNorms(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, float* out);
void Linear(const float* weights, std::size_t outputs, std::size_t width, const float* bias, const float* inputs,
            std::size_t input_count, float* out, std::size_t stride);

}  // namespace actkin::scalar

#endif  // ACTKIN_QUERY_KERNELS_SCALAR_KERNELS_H_
