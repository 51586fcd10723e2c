#include "indexer/torch/forward_kernels.h"

#include <algorithm>
#include <cmath>

#include "schema/model_layout.h"

// foreach_target.h comes first: it includes this file once for every instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "indexer/torch/forward_kernels.cc"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

HWY_INLINE float Sum(const float* row, std::size_t dimension) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vector sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= dimension; i += lanes) sum = hn::Add(sum, hn::LoadU(d, row + i));
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < dimension; ++i) total += row[i];
  return total;
}

HWY_INLINE float SquaresAround(float mean, const float* row, std::size_t dimension) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const Vector means = hn::Set(d, mean);
  Vector sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= dimension; i += lanes) {
    const Vector difference = hn::Sub(hn::LoadU(d, row + i), means);
    sum = hn::MulAdd(difference, difference, sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < dimension; ++i) total += (row[i] - mean) * (row[i] - mean);
  return total;
}

void LayerNormRowsKernel(const float* rows, std::size_t row_count, std::size_t dimension, const float* weight,
                         const float* bias, float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const float scale = 1.0F / static_cast<float>(dimension);
  for (std::size_t r = 0; r < row_count; ++r) {
    const float* row = rows + r * dimension;
    float* to = out + r * dimension;
    const float mean = Sum(row, dimension) * scale;
    const float variance = SquaresAround(mean, row, dimension) * scale;
    const float inverse = 1.0F / std::sqrt(variance + kLayerNormEpsilon);
    const Vector means = hn::Set(d, mean);
    const Vector inverses = hn::Set(d, inverse);
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      const Vector normed = hn::Mul(hn::Sub(hn::LoadU(d, row + i), means), inverses);
      hn::StoreU(hn::MulAdd(normed, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d, to + i);
    }
    for (; i < dimension; ++i) to[i] = (row[i] - mean) * inverse * weight[i] + bias[i];
  }
}

void AddBiasKernel(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * dimension;
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i)), d, row + i);
    }
    for (; i < dimension; ++i) row[i] += bias[i];
  }
}

void AddBiasReluKernel(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const Vector zero = hn::Zero(d);
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * dimension;
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      hn::StoreU(hn::Max(hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i)), zero), d, row + i);
    }
    for (; i < dimension; ++i) row[i] = std::max(row[i] + bias[i], 0.0F);
  }
}

void AddBiasToResidualKernel(float* rows, std::size_t row_count, std::size_t dimension, const float* bias,
                             float* residual) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * dimension;
    float* to = residual + r * dimension;
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      const Vector sum = hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i));
      hn::StoreU(sum, d, row + i);
      hn::StoreU(hn::Add(hn::LoadU(d, to + i), sum), d, to + i);
    }
    for (; i < dimension; ++i) {
      row[i] += bias[i];
      to[i] += row[i];
    }
  }
}

HWY_INLINE float Dot(const float* a, const float* b, std::size_t dimension) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vector s0 = hn::Zero(d);
  Vector s1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= dimension; i += 2 * lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), s1);
  }
  for (; i + lanes <= dimension; i += lanes) s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < dimension; ++i) sum += a[i] * b[i];
  return sum;
}

// In place. scores has room for a multiple of the lanes.
HWY_INLINE void Softmax(float* scores, std::size_t count) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const float largest = *std::max_element(scores, scores + count);
  const std::size_t padded = (count + lanes - 1) / lanes * lanes;
  std::fill(scores + count, scores + padded, largest);
  for (std::size_t i = 0; i < padded; i += lanes) {
    hn::StoreU(hn::Exp(d, hn::Sub(hn::LoadU(d, scores + i), hn::Set(d, largest))), d, scores + i);
  }
  float sum = 0.0F;
  for (std::size_t i = 0; i < count; ++i) sum += scores[i];
  const float inverse = 1.0F / sum;
  for (std::size_t i = 0; i < count; ++i) scores[i] *= inverse;
}

// out = sum over s of weights[s] * values[paths[s] * stride ...]; four vectors of the row at once stay in registers.
HWY_INLINE void WeightedSum(const float* weights, const float* values, std::size_t stride, const std::uint32_t* path,
                            std::size_t positions, std::size_t dimension, float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= dimension; i += 4 * lanes) {
    Vector s0 = hn::Zero(d);
    Vector s1 = hn::Zero(d);
    Vector s2 = hn::Zero(d);
    Vector s3 = hn::Zero(d);
    for (std::size_t s = 0; s < positions; ++s) {
      const float* row = values + path[s] * stride + i;
      const Vector weight = hn::Set(d, weights[s]);
      s0 = hn::MulAdd(weight, hn::LoadU(d, row), s0);
      s1 = hn::MulAdd(weight, hn::LoadU(d, row + lanes), s1);
      s2 = hn::MulAdd(weight, hn::LoadU(d, row + 2 * lanes), s2);
      s3 = hn::MulAdd(weight, hn::LoadU(d, row + 3 * lanes), s3);
    }
    hn::StoreU(s0, d, out + i);
    hn::StoreU(s1, d, out + i + lanes);
    hn::StoreU(s2, d, out + i + 2 * lanes);
    hn::StoreU(s3, d, out + i + 3 * lanes);
  }
  for (; i + lanes <= dimension; i += lanes) {
    Vector sum = hn::Zero(d);
    for (std::size_t s = 0; s < positions; ++s) {
      sum = hn::MulAdd(hn::Set(d, weights[s]), hn::LoadU(d, values + path[s] * stride + i), sum);
    }
    hn::StoreU(sum, d, out + i);
  }
  for (; i < dimension; ++i) {
    float sum = 0.0F;
    for (std::size_t s = 0; s < positions; ++s) sum += weights[s] * values[path[s] * stride + i];
    out[i] = sum;
  }
}

void AttendPathsKernel(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                       std::size_t row_count, float* out) {
  const std::size_t stride = shape.stride();
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_size));
  std::vector<float> scores(positions + hn::Lanes(Floats()));
  for (std::size_t row = 0; row < row_count; ++row) {
    const std::uint32_t* path = paths + row * positions;
    const float* queries = qkv + path[positions - 1] * stride;
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const float* query = queries + head * shape.head_size;
      const float* keys = qkv + shape.width() + head * shape.head_size;
      for (std::size_t s = 0; s < positions; ++s) {
        scores[s] = scale * Dot(query, keys + path[s] * stride, shape.head_size);
      }
      Softmax(scores.data(), positions);
      WeightedSum(scores.data(), keys + shape.width(), stride, path, positions, shape.head_size,
                  out + row * shape.width() + head * shape.head_size);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(LayerNormRowsKernel);
HWY_EXPORT(AddBiasKernel);
HWY_EXPORT(AddBiasReluKernel);
HWY_EXPORT(AddBiasToResidualKernel);
HWY_EXPORT(AttendPathsKernel);

void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, const float* weight,
                   const float* bias, float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNormRowsKernel)(rows, row_count, dimension, weight, bias, out);
}

void AddBias(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  HWY_DYNAMIC_DISPATCH(AddBiasKernel)(rows, row_count, dimension, bias);
}

void AddBiasRelu(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  HWY_DYNAMIC_DISPATCH(AddBiasReluKernel)(rows, row_count, dimension, bias);
}

void AddBiasToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual) {
  HWY_DYNAMIC_DISPATCH(AddBiasToResidualKernel)(rows, row_count, dimension, bias, residual);
}

void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out) {
  HWY_DYNAMIC_DISPATCH(AttendPathsKernel)(qkv, shape, paths, positions, row_count, out);
}

std::vector<std::int64_t> ForwardKernelTargets() { return hwy::SupportedAndGeneratedTargets(); }

void UseForwardKernelTarget(std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace actkin
#endif  // HWY_ONCE
