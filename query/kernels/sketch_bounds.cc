#include <algorithm>
#include <cstring>

#include "query/kernels/sketch_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "query/kernels/sketch_bounds.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "query/kernels/coarse_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || !HWY_ARCH_X86

void Bound(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
           float* along, float* bounds) {
  scalar::BoundDistances(sums, rests, count, terms, along, bounds);
}
void KeysOf(NearKey kind, const float* bounds, const float* lengths, std::size_t count, float squared_norm,
            float* keys) {
  scalar::NearKeys(kind, bounds, lengths, count, squared_norm, keys);
}
std::uint64_t Choose(const float* keys, std::size_t count, float limit) { return scalar::NotAbove(keys, count, limit); }
std::size_t KeepBlock(std::uint64_t bits, std::uint32_t first_place, const float* along, const float* keys,
                      const float* lengths, const RowNumbers& to) {
  return scalar::KeepOfBlock(bits, first_place, along, keys, lengths, to);
}
std::size_t Keep(const RowNumbers& rows, std::size_t count, float limit) {
  return scalar::KeepNotAbove(rows, count, limit);
}
std::size_t KeepCoarse(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                       const KeyTerms& key_terms, float limit, const RowNumbers& to) {
  return scalar::KeepOfCoarseBlock(block, query, terms, key_terms, limit, to);
}
void Products(const float* axes, std::size_t count, std::size_t dimension, const double* vector, double* out) {
  scalar::AxisProducts(axes, count, dimension, vector, out);
}

#else

// LevelTerms for as many rows as a vector has sums of.
struct Terms {
  explicit HWY_INLINE Terms(const LevelTerms& terms)
      : step(hn::Set(Floats(), terms.step)),
        error(hn::Set(Floats(), terms.error)),
        rest_step(hn::Set(Floats(), terms.rest_step)),
        same(hn::Set(Floats(), -terms.rest_error)),
        other(hn::Set(Floats(), terms.rest_beyond - terms.rest_error)),
        factor(hn::Set(Floats(), terms.factor)) {}
  const FloatVector step;
  const FloatVector error;
  const FloatVector rest_step;
  const FloatVector same;  // what is added to the distance of rests of the same code, and of others
  const FloatVector other;
  const FloatVector factor;
};

// As BoundDistances: returns the bounds.
HWY_INLINE FloatVector BoundOf(SumVector sums, SumVector rests, const Terms& terms, FloatVector& along) {
  const Floats d;
  const auto zero = hn::Zero(d);
  const auto root = hn::Sqrt(hn::ConvertTo(d, sums));
  const auto axes = hn::Max(hn::Sub(hn::Mul(terms.step, root), terms.error), zero);
  const auto distance = hn::ConvertTo(d, rests);
  const auto beyond = hn::IfThenElse(hn::Eq(distance, zero), terms.same, terms.other);
  const auto rest = hn::Max(hn::Add(hn::Mul(terms.rest_step, distance), beyond), zero);
  along = hn::Add(along, hn::Mul(axes, axes));
  return hn::Mul(hn::Add(along, hn::Mul(rest, rest)), terms.factor);
}

void Bound(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
           float* along, float* bounds) {
  const Sums d;
  const Floats df;
  const Terms of_all(terms);
  std::size_t i = 0;
  for (; i + kSumsAtOnce <= count; i += kSumsAtOnce) {
    auto so_far = hn::LoadU(df, along + i);
    hn::StoreU(BoundOf(hn::LoadU(d, sums + i), hn::LoadU(d, rests + i), of_all, so_far), df, bounds + i);
    hn::StoreU(so_far, df, along + i);
  }
  scalar::BoundDistances(sums + i, rests + i, count - i, terms, along + i, bounds + i);
}

// As NearKeys.
HWY_INLINE FloatVector KeyOf(NearKey kind, FloatVector bounds, const float* lengths, float squared_norm) {
  const Floats d;
  if (kind == NearKey::kBound) return bounds;
  const auto up = hn::Set(d, kKeyUp);
  const auto length = hn::LoadU(d, lengths);
  if (kind == NearKey::kDot) return hn::Sub(bounds, hn::Mul(hn::Mul(length, length), up));
  const auto squares = hn::Mul(hn::Add(hn::Mul(length, length), hn::Set(d, squared_norm)), up);
  return hn::Div(hn::Sub(bounds, squares), hn::Max(length, hn::Set(d, kShortestLength)));
}

void KeysOf(NearKey kind, const float* bounds, const float* lengths, std::size_t count, float squared_norm,
            float* keys) {
  const Floats d;
  std::size_t i = 0;
  for (; i + kSumsAtOnce <= count; i += kSumsAtOnce) {
    hn::StoreU(KeyOf(kind, hn::LoadU(d, bounds + i), lengths + i, squared_norm), d, keys + i);
  }
  scalar::NearKeys(kind, bounds + i, lengths + i, count - i, squared_norm, keys + i);
}

std::uint64_t Choose(const float* keys, std::size_t count, float limit) {
  const Floats df;
  const std::size_t lanes = hn::Lanes(df);
  const auto most = hn::Set(df, limit);
  std::uint64_t bits = 0;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    std::uint8_t some[8] = {};
    hn::StoreMaskBits(df, hn::Le(hn::LoadU(df, keys + i), most), some);
    std::uint64_t word = 0;
    for (std::size_t byte = 0; byte < (lanes + 7) / 8; ++byte) word |= std::uint64_t{some[byte]} << (8 * byte);
    bits |= word << i;
  }
  return i == count ? bits : bits | scalar::NotAbove(keys + i, count - i, limit) << i;
}

// Of a vector of rows those that the mask names, to where `kept` rows stand already. Whole vectors are stored: those
// that compress into memory are slow on some processors.
template <typename Mask>
HWY_INLINE void Append(Mask mask, hn::Vec<hn::RebindToUnsigned<Sums> > places, hn::Vec<Floats> along,
                       hn::Vec<Floats> keys, const float* lengths, const RowNumbers& to, std::size_t kept) {
  const Floats d;
  const hn::RebindToUnsigned<Sums> d_places;
  hn::StoreU(hn::Compress(places, hn::RebindMask(d_places, mask)), d_places, to.places + kept);
  hn::StoreU(hn::Compress(along, mask), d, to.along + kept);
  hn::StoreU(hn::Compress(keys, mask), d, to.keys + kept);
  if (lengths != nullptr) hn::StoreU(hn::Compress(hn::LoadU(d, lengths), mask), d, to.lengths + kept);
}

std::size_t KeepBlock(std::uint64_t bits, std::uint32_t first_place, const float* along, const float* keys,
                      const float* lengths, const RowNumbers& to) {
  const Floats d;
  const hn::RebindToUnsigned<Sums> d_places;
  std::size_t kept = 0;
  for (std::size_t row = 0; row < kBlockRows; row += kSumsAtOnce) {
    const std::uint64_t some = bits >> row & ((std::uint64_t{1} << kSumsAtOnce) - 1);
    if (some == 0) continue;
    std::uint8_t mask_bits[8];
    std::memcpy(mask_bits, &some, sizeof(some));
    Append(hn::LoadMaskBits(d, mask_bits), hn::Iota(d_places, first_place + static_cast<std::uint32_t>(row)),
           hn::LoadU(d, along + row), hn::LoadU(d, keys + row), lengths == nullptr ? nullptr : lengths + row, to, kept);
    kept += static_cast<std::size_t>(__builtin_popcountll(some));
  }
  return kept;
}

std::size_t Keep(const RowNumbers& rows, std::size_t count, float limit) {
  const Floats d;
  const hn::RebindToUnsigned<Sums> d_places;
  const auto most = hn::Set(d, limit);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; i += kSumsAtOnce) {
    const auto keys = hn::LoadU(d, rows.keys + i);
    auto mask = hn::Le(keys, most);
    if (count - i < kSumsAtOnce) mask = hn::And(mask, hn::FirstN(d, count - i));
    const std::size_t some = hn::CountTrue(d, mask);
    if (some == 0) continue;
    Append(mask, hn::LoadU(d_places, rows.places + i), hn::LoadU(d, rows.along + i), keys,
           rows.lengths == nullptr ? nullptr : rows.lengths + i, rows, kept);
    kept += some;
  }
  return kept;
}

template <typename Width>
HWY_INLINE std::size_t KeepCoarseNear(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                                      const KeyTerms& key_terms, float limit, const RowNumbers& to) {
  const Floats d;
  const hn::RebindToUnsigned<Sums> d_places;
  const Terms of_all(terms);
  const auto most = hn::Set(d, limit);
  HWY_ALIGN float along[kBlockRows];
  HWY_ALIGN float keys[kBlockRows];
  auto any = hn::FirstN(d, 0);
  for (std::size_t row = 0; row < kBlockRows; row += kSumsAtOnce) {
    SumVector sums;
    SumVector rests;
    CoarseNear<Width>(block.codes + row * kCoarseCodes, query, sums, rests);
    auto so_far = hn::Set(d, block.along);
    const auto bounds = BoundOf(sums, rests, of_all, so_far);
    const float* lengths = block.lengths == nullptr ? nullptr : block.lengths + row;
    const auto key = KeyOf(key_terms.kind, bounds, lengths, key_terms.squared_norm);
    hn::Store(so_far, d, along + row);
    hn::Store(key, d, keys + row);
    any = hn::Or(any, hn::Le(key, most));
  }
  if (hn::AllFalse(d, any)) return 0;
  // Where some rows are left, which vectors have any is not foreseen: all are gone through.
  std::size_t kept = 0;
  for (std::size_t row = 0; row < kBlockRows; row += kSumsAtOnce) {
    const auto key = hn::Load(d, keys + row);
    const auto mask = hn::Le(key, most);
    Append(mask, hn::Iota(d_places, block.first_place + static_cast<std::uint32_t>(row)), hn::Load(d, along + row), key,
           block.lengths == nullptr ? nullptr : block.lengths + row, to, kept);
    kept += hn::CountTrue(d, mask);
  }
  return kept;
}

std::size_t KeepCoarse(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                       const KeyTerms& key_terms, float limit, const RowNumbers& to) {
  return query.wide ? KeepCoarseNear<Wide>(block, query, terms, key_terms, limit, to)
                    : KeepCoarseNear<Narrow>(block, query, terms, key_terms, limit, to);
}

void Products(const float* axes, std::size_t count, std::size_t dimension, const double* vector, double* out) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  const std::size_t lanes = hn::Lanes(d);
  const auto at = [&](const float* axis, std::size_t i) HWY_ATTR { return hn::PromoteTo(d, hn::LoadU(df, axis + i)); };
  // Four axes at once: each number of the vector is read once for them, and four sums hide the additions' latency.
  std::size_t first = 0;
  for (; first + 4 <= count; first += 4) {
    const float* axis = axes + first * dimension;
    auto a = hn::Zero(d);
    auto b = hn::Zero(d);
    auto c = hn::Zero(d);
    auto e = hn::Zero(d);
    std::size_t i = 0;
    for (; i + lanes <= dimension; i += lanes) {
      const auto numbers = hn::LoadU(d, vector + i);
      a = hn::MulAdd(at(axis, i), numbers, a);
      b = hn::MulAdd(at(axis + dimension, i), numbers, b);
      c = hn::MulAdd(at(axis + 2 * dimension, i), numbers, c);
      e = hn::MulAdd(at(axis + 3 * dimension, i), numbers, e);
    }
    double sums[4] = {hn::GetLane(hn::SumOfLanes(d, a)), hn::GetLane(hn::SumOfLanes(d, b)),
                      hn::GetLane(hn::SumOfLanes(d, c)), hn::GetLane(hn::SumOfLanes(d, e))};
    for (; i < dimension; ++i) {
      for (std::size_t j = 0; j < 4; ++j) sums[j] += axis[j * dimension + i] * vector[i];
    }
    std::copy_n(sums, 4, out + first);
  }
  scalar::AxisProducts(axes + first * dimension, count - first, dimension, vector, out + first);
}

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(Bound);
HWY_EXPORT(KeysOf);
HWY_EXPORT(Choose);
HWY_EXPORT(KeepBlock);
HWY_EXPORT(Keep);
HWY_EXPORT(KeepCoarse);
HWY_EXPORT(Products);

void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds) {
  HWY_DYNAMIC_DISPATCH(Bound)(sums, rests, count, terms, along, bounds);
}

void NearKeys(NearKey kind, const float* bounds, const float* lengths, std::size_t count, float squared_norm,
              float* keys) {
  HWY_DYNAMIC_DISPATCH(KeysOf)(kind, bounds, lengths, count, squared_norm, keys);
}

std::uint64_t NotAbove(const float* keys, std::size_t count, float limit) {
  return HWY_DYNAMIC_DISPATCH(Choose)(keys, count, limit);
}

std::size_t KeepOfBlock(std::uint64_t bits, std::uint32_t first_place, const float* along, const float* keys,
                        const float* lengths, const RowNumbers& to) {
  return HWY_DYNAMIC_DISPATCH(KeepBlock)(bits, first_place, along, keys, lengths, to);
}

std::size_t KeepNotAbove(const RowNumbers& rows, std::size_t count, float limit) {
  return HWY_DYNAMIC_DISPATCH(Keep)(rows, count, limit);
}

std::size_t KeepOfCoarseBlock(const CoarseBlock& block, const LevelQuery& query, const LevelTerms& terms,
                              const KeyTerms& key_terms, float limit, const RowNumbers& to) {
  return HWY_DYNAMIC_DISPATCH(KeepCoarse)(block, query, terms, key_terms, limit, to);
}

void AxisProducts(const float* axes, std::size_t count, std::size_t dimension, const double* vector, double* out) {
  HWY_DYNAMIC_DISPATCH(Products)(axes, count, dimension, vector, out);
}

}  // namespace actkin
#endif  // HWY_ONCE
