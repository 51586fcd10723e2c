#include "query/kernels/row_kernels.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "query/kernels/row_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "storage/machine/row_sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Four sums at once hide the latency of the additions: `one` with each of the four that begin at `four`, `step` apart,
// and each number of `one` is loaded once for all four.
template <typename Term, typename One, typename Other>
HWY_INLINE void FourSums(const One* one, const Other* four, std::size_t step, std::size_t dimension, float* out,
                         std::size_t out_step) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const Other* b0 = four;
  const Other* b1 = b0 + step;
  const Other* b2 = b1 + step;
  const Other* b3 = b2 + step;
  Vector s0 = hn::Zero(d);
  Vector s1 = hn::Zero(d);
  Vector s2 = hn::Zero(d);
  Vector s3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= dimension; i += lanes) {
    const Vector a = LoadFloats(d, one + i);
    s0 = Term::Add(a, LoadFloats(d, b0 + i), s0);
    s1 = Term::Add(a, LoadFloats(d, b1 + i), s1);
    s2 = Term::Add(a, LoadFloats(d, b2 + i), s2);
    s3 = Term::Add(a, LoadFloats(d, b3 + i), s3);
  }
  if (i < dimension) {
    const std::size_t rest = dimension - i;
    const Vector a = LoadFloatsTail(d, one + i, rest);
    s0 = Term::Add(a, LoadFloatsTail(d, b0 + i, rest), s0);
    s1 = Term::Add(a, LoadFloatsTail(d, b1 + i, rest), s1);
    s2 = Term::Add(a, LoadFloatsTail(d, b2 + i, rest), s2);
    s3 = Term::Add(a, LoadFloatsTail(d, b3 + i, rest), s3);
  }
  out[0] = hn::GetLane(hn::SumOfLanes(d, s0));
  out[out_step] = hn::GetLane(hn::SumOfLanes(d, s1));
  out[2 * out_step] = hn::GetLane(hn::SumOfLanes(d, s2));
  out[3 * out_step] = hn::GetLane(hn::SumOfLanes(d, s3));
}

// Four queries to a row while four are left, then one. The caller keeps a block of rows in cache.
template <typename Term, typename Number>
HWY_INLINE void Pairs(const Number* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out) {
  std::size_t query = 0;
  for (; query + 4 <= query_count; query += 4) {
    for (std::size_t row = 0; row < row_count; ++row) {
      FourSums<Term>(rows + row * dimension, queries + query * dimension, dimension, dimension,
                     out + query * row_count + row, row_count);
    }
  }
  for (; query < query_count; ++query) {
    const float* one = queries + query * dimension;
    float* to = out + query * row_count;
    for (std::size_t row = 0; row < row_count; ++row) to[row] = OneSum<Term>(one, rows + row * dimension, dimension);
  }
}

template <typename Number>
HWY_INLINE void Norms(const Number* rows, std::size_t row_count, std::size_t dimension, float* out) {
  for (std::size_t row = 0; row < row_count; ++row) {
    out[row] = OneSum<Product>(rows + row * dimension, rows + row * dimension, dimension);
  }
}

void SquaredDistances32(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                        std::size_t query_count, float* out) {
  Pairs<Difference>(rows, row_count, dimension, queries, query_count, out);
}

void SquaredDistances16(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                        std::size_t query_count, float* out) {
  Pairs<Difference>(rows, row_count, dimension, queries, query_count, out);
}

void DotProducts32(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                   std::size_t query_count, float* out) {
  Pairs<Product>(rows, row_count, dimension, queries, query_count, out);
}

void DotProducts16(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                   std::size_t query_count, float* out) {
  Pairs<Product>(rows, row_count, dimension, queries, query_count, out);
}

void SquaredNorms32(const float* rows, std::size_t row_count, std::size_t dimension, float* out) {
  Norms(rows, row_count, dimension, out);
}

void SquaredNorms16(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, float* out) {
  Norms(rows, row_count, dimension, out);
}

// One output of all inputs.
HWY_INLINE void LinearOutput(const float* weight, float start, std::size_t width, const float* inputs,
                             std::size_t input_count, float* out, std::size_t stride) {
  std::size_t input = 0;
  for (; input + 4 <= input_count; input += 4) {
    float* to = out + input * stride;
    FourSums<Product>(weight, inputs + input * width, width, width, to, stride);
    for (std::size_t i = 0; i < 4; ++i) to[i * stride] += start;
  }
  for (; input < input_count; ++input) {
    out[input * stride] = OneSum<Product>(weight, inputs + input * width, width) + start;
  }
}

void LinearLayer(const float* weights, std::size_t outputs, std::size_t width, const float* bias, const float* inputs,
                 std::size_t input_count, float* out, std::size_t stride) {
  for (std::size_t output = 0; output < outputs; ++output) {
    LinearOutput(weights + output * width, bias == nullptr ? 0.0F : bias[output], width, inputs, input_count,
                 out + output, stride);
  }
}

void WidenFloat16Numbers(const std::uint16_t* numbers, std::size_t count, float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(LoadFloats(d, numbers + i), d, out + i);
  HWY_ALIGN float last[HWY_MAX_BYTES / sizeof(float)];
  if (i == count) return;
  hn::Store(LoadFloatsTail(d, numbers + i, count - i), d, last);
  for (std::size_t rest = 0; i + rest < count; ++rest) out[i + rest] = last[rest];
}

void WidenBfloat16Numbers(const std::uint16_t* numbers, std::size_t count, float* out) {
  const Floats d;
  const hn::RebindToUnsigned<Floats> d32;
  const hn::Rebind<std::uint16_t, Floats> d16;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, numbers + i)));
    hn::StoreU(hn::BitCast(d, bits), d, out + i);
  }
  for (; i < count; ++i) {
    const std::uint32_t bits = std::uint32_t{numbers[i]} << 16;
    std::memcpy(out + i, &bits, sizeof(bits));
  }
}

// A row of weights is widened once for all inputs.
template <typename Widen>
HWY_INLINE void LinearOfHalves(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                               const float* inputs, std::size_t input_count, float* out, std::size_t stride,
                               const Widen& widen) {
  std::vector<float> weight(width);
  for (std::size_t output = 0; output < outputs; ++output) {
    widen(weights + output * width, width, weight.data());
    LinearOutput(weight.data(), bias == nullptr ? 0.0F : bias[output], width, inputs, input_count, out + output,
                 stride);
  }
}

void LinearLayerFloat16(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                        const float* inputs, std::size_t input_count, float* out, std::size_t stride) {
  LinearOfHalves(weights, outputs, width, bias, inputs, input_count, out, stride, WidenFloat16Numbers);
}

void LinearLayerBfloat16(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                         const float* inputs, std::size_t input_count, float* out, std::size_t stride) {
  LinearOfHalves(weights, outputs, width, bias, inputs, input_count, out, stride, WidenBfloat16Numbers);
}

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(SquaredDistances32);
HWY_EXPORT(SquaredDistances16);
HWY_EXPORT(DotProducts32);
HWY_EXPORT(DotProducts16);
HWY_EXPORT(SquaredNorms32);
HWY_EXPORT(SquaredNorms16);
HWY_EXPORT(LinearLayer);
HWY_EXPORT(LinearLayerFloat16);
HWY_EXPORT(LinearLayerBfloat16);
HWY_EXPORT(WidenFloat16Numbers);
HWY_EXPORT(WidenBfloat16Numbers);

void SquaredDistances(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out) {
  HWY_DYNAMIC_DISPATCH(SquaredDistances32)(rows, row_count, dimension, queries, query_count, out);
}

void SquaredDistances(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out) {
  HWY_DYNAMIC_DISPATCH(SquaredDistances16)(rows, row_count, dimension, queries, query_count, out);
}

void DotProducts(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out) {
  HWY_DYNAMIC_DISPATCH(DotProducts32)(rows, row_count, dimension, queries, query_count, out);
}

void DotProducts(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out) {
  HWY_DYNAMIC_DISPATCH(DotProducts16)(rows, row_count, dimension, queries, query_count, out);
}

void SquaredNorms(const float* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(SquaredNorms32)(rows, row_count, dimension, out);
}

void SquaredNorms(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, float* out) {
  HWY_DYNAMIC_DISPATCH(SquaredNorms16)(rows, row_count, dimension, out);
}

void Linear(const float* weights, std::size_t outputs, std::size_t width, const float* bias, const float* inputs,
            std::size_t input_count, float* out, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(LinearLayer)(weights, outputs, width, bias, inputs, input_count, out, stride);
}

void LinearFloat16(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                   const float* inputs, std::size_t input_count, float* out, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(LinearLayerFloat16)(weights, outputs, width, bias, inputs, input_count, out, stride);
}

void LinearBfloat16(const std::uint16_t* weights, std::size_t outputs, std::size_t width, const float* bias,
                    const float* inputs, std::size_t input_count, float* out, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(LinearLayerBfloat16)(weights, outputs, width, bias, inputs, input_count, out, stride);
}

void WidenFloat16(const std::uint16_t* numbers, std::size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenFloat16Numbers)(numbers, count, out);
}

void WidenBfloat16(const std::uint16_t* numbers, std::size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(WidenBfloat16Numbers)(numbers, count, out);
}

std::vector<std::int64_t> KernelTargets() { return hwy::SupportedAndGeneratedTargets(); }

void UseKernelTarget(std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace actkin
#endif  // HWY_ONCE
