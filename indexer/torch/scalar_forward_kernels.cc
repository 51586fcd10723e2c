#include "indexer/torch/scalar_forward_kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "schema/model_layout.h"

namespace actkin::scalar {

void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, const float* weight,
                   const float* bias, float* out) {
  for (std::size_t r = 0; r < row_count; ++r) {
    const float* row = rows + r * dimension;
    double mean = 0;
    for (std::size_t i = 0; i < dimension; ++i) mean += row[i];
    mean /= static_cast<double>(dimension);
    double variance = 0;
    for (std::size_t i = 0; i < dimension; ++i) variance += (row[i] - mean) * (row[i] - mean);
    variance /= static_cast<double>(dimension);
    for (std::size_t i = 0; i < dimension; ++i) {
      const double normed = (row[i] - mean) / std::sqrt(variance + double{kLayerNormEpsilon});
      out[r * dimension + i] = static_cast<float>(normed * weight[i] + bias[i]);
    }
  }
}

void AddBias(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  for (std::size_t i = 0; i < row_count * dimension; ++i) rows[i] += bias[i % dimension];
}

void AddBiasRelu(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  AddBias(rows, row_count, dimension, bias);
  for (std::size_t i = 0; i < row_count * dimension; ++i) rows[i] = std::max(rows[i], 0.0F);
}

void AddBiasToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual) {
  AddBias(rows, row_count, dimension, bias);
  for (std::size_t i = 0; i < row_count * dimension; ++i) residual[i] += rows[i];
}

void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out) {
  for (std::size_t row = 0; row < row_count; ++row) {
    const std::uint32_t* path = paths + row * positions;
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const std::size_t begin = head * shape.head_size;
      const float* query = qkv + path[positions - 1] * shape.stride() + begin;
      std::vector<double> weights(positions, 0.0);
      for (std::size_t s = 0; s < positions; ++s) {
        const float* key = qkv + path[s] * shape.stride() + shape.width() + begin;
        for (std::size_t i = 0; i < shape.head_size; ++i) weights[s] += double{query[i]} * key[i];
        weights[s] /= std::sqrt(static_cast<double>(shape.head_size));
      }
      const double largest = *std::ranges::max_element(weights);
      double total = 0;
      for (double& weight : weights) total += weight = std::exp(weight - largest);
      for (std::size_t i = 0; i < shape.head_size; ++i) {
        double sum = 0;
        for (std::size_t s = 0; s < positions; ++s) {
          sum += weights[s] * qkv[path[s] * shape.stride() + 2 * shape.width() + begin + i];
        }
        out[row * shape.width() + begin + i] = static_cast<float>(sum / total);
      }
    }
  }
}

}  // namespace actkin::scalar
