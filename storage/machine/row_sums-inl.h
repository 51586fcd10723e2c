// Sums over two rows of numbers, for the files that are compiled once for each instruction set: Highway includes this
// one as often, between its own guards.
#if defined(ACTKIN_STORAGE_ROW_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ACTKIN_STORAGE_ROW_SUMS_INL_H_
#undef ACTKIN_STORAGE_ROW_SUMS_INL_H_
#else
#define ACTKIN_STORAGE_ROW_SUMS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

HWY_INLINE Vector LoadFloats(Floats d, const float* from) { return hn::LoadU(d, from); }

HWY_INLINE Vector LoadFloats(Floats d, const std::uint16_t* from) {
  const hn::Rebind<hwy::float16_t, Floats> d16;
  return hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(from)));
}

// The last numbers of a row, fewer than a vector, with zeros behind them: a row may end where its file ends.
template <typename Number>
HWY_INLINE Vector LoadFloatsTail(Floats d, const Number* from, std::size_t count) {
  HWY_ALIGN Number padded[HWY_MAX_BYTES / sizeof(float)] = {};
  for (std::size_t i = 0; i < count; ++i) padded[i] = from[i];
  return LoadFloats(d, padded);
}

struct Difference {
  static HWY_INLINE Vector Add(Vector a, Vector b, Vector sum) {
    const Vector difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  }
};

struct Product {
  static HWY_INLINE Vector Add(Vector a, Vector b, Vector sum) { return hn::MulAdd(a, b, sum); }
};

// Four sums, of every fourth vector, hide the latency of the additions: the row is read front to back, as the
// processor's prefetcher likes it.
template <typename Term, typename One, typename Other>
HWY_INLINE float OneSum(const One* one, const Other* other, std::size_t dimension) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vector s0 = hn::Zero(d);
  Vector s1 = hn::Zero(d);
  Vector s2 = hn::Zero(d);
  Vector s3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= dimension; i += 4 * lanes) {
    s0 = Term::Add(LoadFloats(d, one + i), LoadFloats(d, other + i), s0);
    s1 = Term::Add(LoadFloats(d, one + i + lanes), LoadFloats(d, other + i + lanes), s1);
    s2 = Term::Add(LoadFloats(d, one + i + 2 * lanes), LoadFloats(d, other + i + 2 * lanes), s2);
    s3 = Term::Add(LoadFloats(d, one + i + 3 * lanes), LoadFloats(d, other + i + 3 * lanes), s3);
  }
  for (; i + lanes <= dimension; i += lanes) {
    s0 = Term::Add(LoadFloats(d, one + i), LoadFloats(d, other + i), s0);
  }
  if (i < dimension) {
    s1 = Term::Add(LoadFloatsTail(d, one + i, dimension - i), LoadFloatsTail(d, other + i, dimension - i), s1);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
