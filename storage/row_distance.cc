#include "storage/row_distance.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "storage/row_distance.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

HWY_INLINE Vector LoadNumbers(Floats d, const float* from) { return hn::LoadU(d, from); }

HWY_INLINE Vector LoadNumbers(Floats d, const std::uint16_t* from) {
  const hn::Rebind<hwy::float16_t, Floats> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(from)));
}

// Fewer numbers than a vector, with zeros behind them: a row may end where its file ends.
template <typename Number>
HWY_INLINE Vector LoadLastNumbers(Floats d, const Number* from, std::size_t count) {
  HWY_ALIGN Number padded[HWY_MAX_BYTES / sizeof(float)] = {};
  for (std::size_t i = 0; i < count; ++i) padded[i] = from[i];
  return LoadNumbers(d, padded);
}

struct SquaredDifference {
  static HWY_INLINE Vector Add(Vector a, Vector b, Vector sum) {
    const Vector difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  }
};

struct Multiplied {
  static HWY_INLINE Vector Add(Vector a, Vector b, Vector sum) { return hn::MulAdd(a, b, sum); }
};

// Four sums hide the latency of the additions.
template <typename Term, typename Number>
HWY_INLINE float SumOverRow(const Number* row, const float* vector, std::size_t dimension) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vector s0 = hn::Zero(d);
  Vector s1 = hn::Zero(d);
  Vector s2 = hn::Zero(d);
  Vector s3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= dimension; i += 4 * lanes) {
    s0 = Term::Add(LoadNumbers(d, row + i), hn::LoadU(d, vector + i), s0);
    s1 = Term::Add(LoadNumbers(d, row + i + lanes), hn::LoadU(d, vector + i + lanes), s1);
    s2 = Term::Add(LoadNumbers(d, row + i + 2 * lanes), hn::LoadU(d, vector + i + 2 * lanes), s2);
    s3 = Term::Add(LoadNumbers(d, row + i + 3 * lanes), hn::LoadU(d, vector + i + 3 * lanes), s3);
  }
  for (; i + lanes <= dimension; i += lanes) {
    s0 = Term::Add(LoadNumbers(d, row + i), hn::LoadU(d, vector + i), s0);
  }
  if (i < dimension) {
    const std::size_t rest = dimension - i;
    s1 = Term::Add(LoadLastNumbers(d, row + i, rest), LoadLastNumbers(d, vector + i, rest), s1);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

template <typename Term, typename Number>
HWY_INLINE void SumOverRows(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                            float* out) {
  constexpr std::size_t kCacheLine = 64;
  const auto fetch = [&](const std::byte* row) {
    for (std::size_t byte = 0; byte < dimension * sizeof(Number); byte += kCacheLine) hwy::Prefetch(row + byte);
  };
  if (count > 0) fetch(rows[0]);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 1 < count) fetch(rows[i + 1]);
    out[i] = SumOverRow<Term>(reinterpret_cast<const Number*>(rows[i]), vector, dimension);
  }
}

void ScatteredDistances32(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                          float* out) {
  SumOverRows<SquaredDifference, float>(rows, count, dimension, vector, out);
}

void ScatteredDistances16(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                          float* out) {
  SumOverRows<SquaredDifference, std::uint16_t>(rows, count, dimension, vector, out);
}

void ScatteredProducts32(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                         float* out) {
  SumOverRows<Multiplied, float>(rows, count, dimension, vector, out);
}

void ScatteredProducts16(const std::byte* const* rows, std::size_t count, std::size_t dimension, const float* vector,
                         float* out) {
  SumOverRows<Multiplied, std::uint16_t>(rows, count, dimension, vector, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(ScatteredDistances32);
HWY_EXPORT(ScatteredDistances16);
HWY_EXPORT(ScatteredProducts32);
HWY_EXPORT(ScatteredProducts16);

void SquaredDistancesTo(std::span<const std::byte* const> rows, Element element, std::size_t dimension,
                        const float* vector, float* out) {
  if (element == Element::kFloat32) {
    HWY_DYNAMIC_DISPATCH(ScatteredDistances32)(rows.data(), rows.size(), dimension, vector, out);
  } else {
    HWY_DYNAMIC_DISPATCH(ScatteredDistances16)(rows.data(), rows.size(), dimension, vector, out);
  }
}

void DotProductsWith(std::span<const std::byte* const> rows, Element element, std::size_t dimension,
                     const float* vector, float* out) {
  if (element == Element::kFloat32) {
    HWY_DYNAMIC_DISPATCH(ScatteredProducts32)(rows.data(), rows.size(), dimension, vector, out);
  } else {
    HWY_DYNAMIC_DISPATCH(ScatteredProducts16)(rows.data(), rows.size(), dimension, vector, out);
  }
}

}  // namespace actkin
#endif  // HWY_ONCE
