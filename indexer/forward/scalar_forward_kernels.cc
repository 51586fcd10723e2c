#include "indexer/forward/scalar_forward_kernels.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace actkin::scalar {

namespace {

double Activated(double x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::kSilu:
      break;
  }
  return x / (1 + std::exp(-x));
}

}  // namespace

void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, float epsilon, const float* weight,
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
      const double normed = (row[i] - mean) / std::sqrt(variance + double{epsilon});
      out[r * dimension + i] = static_cast<float>(normed * weight[i] + (bias == nullptr ? 0.0F : bias[i]));
    }
  }
}

void RmsNormRows(const float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, float epsilon,
                 const float* weight, float* out) {
  for (std::size_t r = 0; r < row_count; ++r) {
    double squares = 0;
    for (std::size_t i = 0; i < dimension; ++i) squares += double{rows[r * stride + i]} * rows[r * stride + i];
    const double size = std::sqrt(squares / static_cast<double>(dimension) + double{epsilon});
    for (std::size_t i = 0; i < dimension; ++i) {
      out[r * stride + i] = static_cast<float>(rows[r * stride + i] / size * weight[i]);
    }
  }
}

void AddBias(float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, const float* bias) {
  for (std::size_t r = 0; r < row_count; ++r) {
    for (std::size_t i = 0; i < dimension; ++i) rows[r * stride + i] += bias[i];
  }
}

void Activate(float* rows, std::size_t row_count, std::size_t dimension, Activation activation, const float* bias) {
  if (bias != nullptr) AddBias(rows, row_count, dimension, dimension, bias);
  for (std::size_t i = 0; i < row_count * dimension; ++i) rows[i] = static_cast<float>(Activated(rows[i], activation));
}

void ActivateGated(float* rows, std::size_t row_count, std::size_t dimension, Activation activation,
                   const float* bias) {
  if (bias != nullptr) AddBias(rows, row_count, 2 * dimension, 2 * dimension, bias);
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * 2 * dimension;
    for (std::size_t i = 0; i < dimension; ++i) {
      row[i] = static_cast<float>(Activated(row[i], activation) * row[dimension + i]);
    }
  }
}

void AddToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual) {
  if (bias != nullptr) AddBias(rows, row_count, dimension, dimension, bias);
  for (std::size_t i = 0; i < row_count * dimension; ++i) residual[i] += rows[i];
}

void TurnHeads(float* rows, std::size_t row_count, std::size_t stride, std::size_t heads, std::size_t head_size,
               std::size_t pairs, const float* cosines, const float* sines) {
  for (std::size_t r = 0; r < row_count; ++r) {
    for (std::size_t head = 0; head < heads; ++head) {
      float* numbers = rows + r * stride + head * head_size;
      for (std::size_t i = 0; i < pairs; ++i) {
        const double a = numbers[i];
        const double b = numbers[i + pairs];
        numbers[i] = static_cast<float>(a * cosines[i] - b * sines[i]);
        numbers[i + pairs] = static_cast<float>(b * cosines[i] + a * sines[i]);
      }
    }
  }
}

void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out) {
  for (std::size_t row = 0; row < row_count; ++row) {
    const std::uint32_t* path = paths + row * positions;
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const std::size_t begin = head * shape.head_size;
      const std::size_t shared = head / (shape.heads / shape.key_value_heads) * shape.head_size;
      const float* query = qkv + path[positions - 1] * shape.stride() + begin;
      std::vector<double> weights(positions, 0.0);
      for (std::size_t s = 0; s < positions; ++s) {
        const float* key = qkv + path[s] * shape.stride() + shape.width() + shared;
        for (std::size_t i = 0; i < shape.head_size; ++i) weights[s] += double{query[i]} * key[i];
        weights[s] /= std::sqrt(static_cast<double>(shape.head_size));
      }
      const double largest = *std::ranges::max_element(weights);
      double total = 0;
      for (double& weight : weights) total += weight = std::exp(weight - largest);
      for (std::size_t i = 0; i < shape.head_size; ++i) {
        double sum = 0;
        for (std::size_t s = 0; s < positions; ++s) {
          sum += weights[s] * qkv[path[s] * shape.stride() + shape.width() + shape.key_value_width() + shared + i];
        }
        out[row * shape.width() + begin + i] = static_cast<float>(sum / total);
      }
    }
  }
}

void CausalSoftmaxRows(float* scores, std::size_t row_count, std::size_t stride, std::size_t first_count,
                       std::size_t columns) {
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = scores + r * stride;
    const std::size_t count = first_count + r;
    const double largest = *std::max_element(row, row + count);
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) total += std::exp(row[i] - largest);
    for (std::size_t i = 0; i < columns; ++i) {
      row[i] = i < count ? static_cast<float>(std::exp(row[i] - largest) / total) : 0.0F;
    }
  }
}

}  // namespace actkin::scalar
