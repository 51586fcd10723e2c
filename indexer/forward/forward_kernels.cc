#include "indexer/forward/forward_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

// foreach_target.h comes first: it includes this file once for every instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "indexer/forward/forward_kernels.cc"
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

void LayerNormRowsKernel(const float* rows, std::size_t row_count, std::size_t dimension, float epsilon,
                         const float* weight, const float* bias, float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const float scale = 1.0F / static_cast<float>(dimension);
  for (std::size_t r = 0; r < row_count; ++r) {
    const float* row = rows + r * dimension;
    float* to = out + r * dimension;
    const float mean = Sum(row, dimension) * scale;
    const float variance = SquaresAround(mean, row, dimension) * scale;
    const float inverse = 1.0F / std::sqrt(variance + epsilon);
    const Vector means = hn::Set(d, mean);
    const Vector inverses = hn::Set(d, inverse);
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      const Vector normed = hn::Mul(hn::Sub(hn::LoadU(d, row + i), means), inverses);
      const Vector start = bias == nullptr ? hn::Zero(d) : hn::LoadU(d, bias + i);
      hn::StoreU(hn::MulAdd(normed, hn::LoadU(d, weight + i), start), d, to + i);
    }
    for (; i < dimension; ++i) to[i] = (row[i] - mean) * inverse * weight[i] + (bias == nullptr ? 0.0F : bias[i]);
  }
}

void RmsNormRowsKernel(const float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride,
                       float epsilon, const float* weight, float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const float scale = 1.0F / static_cast<float>(dimension);
  for (std::size_t r = 0; r < row_count; ++r) {
    const float* row = rows + r * stride;
    float* to = out + r * stride;
    const float inverse = 1.0F / std::sqrt(SquaresAround(0.0F, row, dimension) * scale + epsilon);
    const Vector inverses = hn::Set(d, inverse);
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, row + i), inverses), hn::LoadU(d, weight + i)), d, to + i);
    }
    for (; i < dimension; ++i) to[i] = row[i] * inverse * weight[i];
  }
}

void AddBiasKernel(float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, const float* bias) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * stride;
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i)), d, row + i);
    }
    for (; i < dimension; ++i) row[i] += bias[i];
  }
}

struct Relu {
  static HWY_INLINE Vector Of(Floats d, Vector x) { return hn::Max(x, hn::Zero(d)); }
};

// x times the share of a normal distribution below it. The error function by Abramowitz and Stegun, 7.1.26, which is
// within 1.5e-7.
struct Gelu {
  static HWY_INLINE Vector Of(Floats d, Vector x) {
    const Vector z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678118654752F));
    const Vector t = hn::Div(hn::Set(d, 1.0F), hn::MulAdd(hn::Set(d, 0.3275911F), z, hn::Set(d, 1.0F)));
    Vector sum = hn::Set(d, 1.061405429F);
    sum = hn::MulAdd(sum, t, hn::Set(d, -1.453152027F));
    sum = hn::MulAdd(sum, t, hn::Set(d, 1.421413741F));
    sum = hn::MulAdd(sum, t, hn::Set(d, -0.284496736F));
    sum = hn::MulAdd(sum, t, hn::Set(d, 0.254829592F));
    const Vector rest = hn::Mul(hn::Mul(sum, t), hn::Exp(d, hn::Neg(hn::Mul(z, z))));  // 1 - erf(z)
    const Vector erf = hn::CopySign(hn::Sub(hn::Set(d, 1.0F), rest), x);
    return hn::Mul(hn::Mul(hn::Set(d, 0.5F), x), hn::Add(hn::Set(d, 1.0F), erf));
  }
};

// 1 / (1 + e^-x). Beyond e^87 a float ends; there it is 0 anyhow.
HWY_INLINE Vector Sigmoid(Floats d, Vector x) {
  const Vector bounded = hn::Max(x, hn::Set(d, -87.0F));
  return hn::Div(hn::Set(d, 1.0F), hn::Add(hn::Set(d, 1.0F), hn::Exp(d, hn::Neg(bounded))));
}

// (1 + tanh(y)) / 2 is the sigmoid of 2 y.
struct GeluTanh {
  static HWY_INLINE Vector Of(Floats d, Vector x) {
    const Vector cube = hn::Mul(hn::Mul(x, x), x);
    const Vector inner = hn::MulAdd(hn::Set(d, 0.044715F), cube, x);
    return hn::Mul(x, Sigmoid(d, hn::Mul(hn::Set(d, 1.5957691216057308F), inner)));
  }
};

struct Silu {
  static HWY_INLINE Vector Of(Floats d, Vector x) { return hn::Mul(x, Sigmoid(d, x)); }
};

// The rest of a row, fewer numbers than a vector has, goes through a vector of its own.
template <typename Function>
HWY_INLINE void ActivateRows(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN float last[hn::MaxLanes(d)] = {};
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = rows + r * dimension;
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      const Vector x = bias == nullptr ? hn::LoadU(d, row + i) : hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i));
      hn::StoreU(Function::Of(d, x), d, row + i);
    }
    if (i == dimension) continue;
    for (std::size_t rest = 0; i + rest < dimension; ++rest) {
      last[rest] = row[i + rest] + (bias == nullptr ? 0.0F : bias[i + rest]);
    }
    hn::Store(Function::Of(d, hn::Load(d, last)), d, last);
    for (std::size_t rest = 0; i + rest < dimension; ++rest) row[i + rest] = last[rest];
  }
}

template <typename Function>
HWY_INLINE void ActivateGatedRows(float* rows, std::size_t row_count, std::size_t dimension, const float* bias) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN float last[hn::MaxLanes(d)] = {};
  for (std::size_t r = 0; r < row_count; ++r) {
    float* gate = rows + r * 2 * dimension;
    float* up = gate + dimension;
    if (bias != nullptr) AddBiasKernel(gate, 1, 2 * dimension, 2 * dimension, bias);
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      hn::StoreU(hn::Mul(Function::Of(d, hn::LoadU(d, gate + i)), hn::LoadU(d, up + i)), d, gate + i);
    }
    if (i == dimension) continue;
    for (std::size_t rest = 0; i + rest < dimension; ++rest) last[rest] = gate[i + rest];
    hn::Store(Function::Of(d, hn::Load(d, last)), d, last);
    for (std::size_t rest = 0; i + rest < dimension; ++rest) gate[i + rest] = last[rest] * up[i + rest];
  }
}

void ActivateKernel(float* rows, std::size_t row_count, std::size_t dimension, Activation activation,
                    const float* bias) {
  switch (activation) {
    case Activation::kRelu:
      return ActivateRows<Relu>(rows, row_count, dimension, bias);
    case Activation::kGelu:
      return ActivateRows<Gelu>(rows, row_count, dimension, bias);
    case Activation::kGeluTanh:
      return ActivateRows<GeluTanh>(rows, row_count, dimension, bias);
    case Activation::kSilu:
      return ActivateRows<Silu>(rows, row_count, dimension, bias);
  }
}

void ActivateGatedKernel(float* rows, std::size_t row_count, std::size_t dimension, Activation activation,
                         const float* bias) {
  switch (activation) {
    case Activation::kRelu:
      return ActivateGatedRows<Relu>(rows, row_count, dimension, bias);
    case Activation::kGelu:
      return ActivateGatedRows<Gelu>(rows, row_count, dimension, bias);
    case Activation::kGeluTanh:
      return ActivateGatedRows<GeluTanh>(rows, row_count, dimension, bias);
    case Activation::kSilu:
      return ActivateGatedRows<Silu>(rows, row_count, dimension, bias);
  }
}

void AddToResidualKernel(float* rows, std::size_t row_count, std::size_t dimension, const float* bias,
                         float* residual) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  if (bias != nullptr) AddBiasKernel(rows, row_count, dimension, dimension, bias);
  std::size_t i = 0;
  for (; i + lanes <= row_count * dimension; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, residual + i), hn::LoadU(d, rows + i)), d, residual + i);
  }
  for (; i < row_count * dimension; ++i) residual[i] += rows[i];
}

void TurnHeadsKernel(float* rows, std::size_t row_count, std::size_t stride, std::size_t heads, std::size_t head_size,
                     std::size_t pairs, const float* cosines, const float* sines) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < row_count; ++r) {
    for (std::size_t head = 0; head < heads; ++head) {
      float* first = rows + r * stride + head * head_size;
      float* second = first + pairs;
      std::size_t i = 0;
      for (; i + lanes <= pairs; i += lanes) {
        const Vector a = hn::LoadU(d, first + i);
        const Vector b = hn::LoadU(d, second + i);
        const Vector cosine = hn::LoadU(d, cosines + i);
        const Vector sine = hn::LoadU(d, sines + i);
        hn::StoreU(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), d, first + i);
        hn::StoreU(hn::MulAdd(a, sine, hn::Mul(b, cosine)), d, second + i);
      }
      for (; i < pairs; ++i) {
        const float a = first[i];
        const float b = second[i];
        first[i] = a * cosines[i] - b * sines[i];
        second[i] = b * cosines[i] + a * sines[i];
      }
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
      const std::size_t shared = head * shape.key_value_heads / shape.heads;
      const float* keys = qkv + shape.width() + shared * shape.head_size;
      for (std::size_t s = 0; s < positions; ++s) {
        scores[s] = scale * Dot(query, keys + path[s] * stride, shape.head_size);
      }
      Softmax(scores.data(), positions);
      WeightedSum(scores.data(), keys + shape.key_value_width(), stride, path, positions, shape.head_size,
                  out + row * shape.width() + head * shape.head_size);
    }
  }
}

// What stands behind a row's numbers becomes -infinity, of which the exponential is 0.
void CausalSoftmaxRowsKernel(float* scores, std::size_t row_count, std::size_t stride, std::size_t first_count,
                             std::size_t columns) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < row_count; ++r) {
    float* row = scores + r * stride;
    const std::size_t count = first_count + r;
    const std::size_t padded = (count + lanes - 1) / lanes * lanes;
    std::fill(row + count, row + padded, -std::numeric_limits<float>::infinity());
    Vector largest = hn::LoadU(d, row);
    for (std::size_t i = lanes; i < padded; i += lanes) largest = hn::Max(largest, hn::LoadU(d, row + i));
    largest = hn::MaxOfLanes(d, largest);
    Vector sum = hn::Zero(d);
    for (std::size_t i = 0; i < padded; i += lanes) {
      const Vector power = hn::Exp(d, hn::Sub(hn::LoadU(d, row + i), largest));
      sum = hn::Add(sum, power);
      hn::StoreU(power, d, row + i);
    }
    const Vector inverse = hn::Div(hn::Set(d, 1.0F), hn::SumOfLanes(d, sum));
    for (std::size_t i = 0; i < padded; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, row + i), inverse), d, row + i);
    if (padded < columns) std::fill(row + padded, row + columns, 0.0F);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(LayerNormRowsKernel);
HWY_EXPORT(RmsNormRowsKernel);
HWY_EXPORT(AddBiasKernel);
HWY_EXPORT(ActivateKernel);
HWY_EXPORT(ActivateGatedKernel);
HWY_EXPORT(AddToResidualKernel);
HWY_EXPORT(TurnHeadsKernel);
HWY_EXPORT(AttendPathsKernel);
HWY_EXPORT(CausalSoftmaxRowsKernel);

void LayerNormRows(const float* rows, std::size_t row_count, std::size_t dimension, float epsilon, const float* weight,
                   const float* bias, float* out) {
  HWY_DYNAMIC_DISPATCH(LayerNormRowsKernel)(rows, row_count, dimension, epsilon, weight, bias, out);
}

void RmsNormRows(const float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, float epsilon,
                 const float* weight, float* out) {
  HWY_DYNAMIC_DISPATCH(RmsNormRowsKernel)(rows, row_count, dimension, stride, epsilon, weight, out);
}

void AddBias(float* rows, std::size_t row_count, std::size_t dimension, std::size_t stride, const float* bias) {
  HWY_DYNAMIC_DISPATCH(AddBiasKernel)(rows, row_count, dimension, stride, bias);
}

void Activate(float* rows, std::size_t row_count, std::size_t dimension, Activation activation, const float* bias) {
  HWY_DYNAMIC_DISPATCH(ActivateKernel)(rows, row_count, dimension, activation, bias);
}

void ActivateGated(float* rows, std::size_t row_count, std::size_t dimension, Activation activation,
                   const float* bias) {
  HWY_DYNAMIC_DISPATCH(ActivateGatedKernel)(rows, row_count, dimension, activation, bias);
}

void AddToResidual(float* rows, std::size_t row_count, std::size_t dimension, const float* bias, float* residual) {
  HWY_DYNAMIC_DISPATCH(AddToResidualKernel)(rows, row_count, dimension, bias, residual);
}

void TurnHeads(float* rows, std::size_t row_count, std::size_t stride, std::size_t heads, std::size_t head_size,
               std::size_t pairs, const float* cosines, const float* sines) {
  HWY_DYNAMIC_DISPATCH(TurnHeadsKernel)(rows, row_count, stride, heads, head_size, pairs, cosines, sines);
}

void AttendPaths(const float* qkv, const AttentionShape& shape, const std::uint32_t* paths, std::size_t positions,
                 std::size_t row_count, float* out) {
  HWY_DYNAMIC_DISPATCH(AttendPathsKernel)(qkv, shape, paths, positions, row_count, out);
}

void CausalSoftmaxRows(float* scores, std::size_t row_count, std::size_t stride, std::size_t first_count,
                       std::size_t columns) {
  HWY_DYNAMIC_DISPATCH(CausalSoftmaxRowsKernel)(scores, row_count, stride, first_count, columns);
}

std::vector<std::int64_t> ForwardKernelTargets() { return hwy::SupportedAndGeneratedTargets(); }

void UseForwardKernelTarget(std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace actkin
#endif  // HWY_ONCE
