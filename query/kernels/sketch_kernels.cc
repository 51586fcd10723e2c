#include "query/kernels/sketch_kernels.h"

#include <hwy/cache_control.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "query/kernels/sketch_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

// Vectors of one number hold no pair.
void Coarse(const std::int8_t* block, const LevelQuery& query, std::int32_t* sums, std::int32_t* rests) {
  scalar::CoarseDistances(block, query, sums, rests);
}
void Boxes(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, Side side, std::int32_t* sums,
           std::int32_t* rests) {
  scalar::BoxDistances(low, high, query, side, sums, rests);
}
void Rows(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
          std::int32_t* sums, std::int32_t* rests) {
  scalar::RowDistances(codes, places, count, query, sums, rests);
}
void Bound(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
           float* along, float* bounds) {
  scalar::BoundDistances(sums, rests, count, terms, along, bounds);
}
std::uint64_t Choose(const float* keys, std::size_t count, float limit) { return scalar::NotAbove(keys, count, limit); }

#else

namespace hn = hwy::HWY_NAMESPACE;

using Sums = hn::ScalableTag<std::int32_t>;
using Floats = hn::RebindToFloat<Sums>;
using Codes = hn::Repartition<std::int16_t, Sums>;
using StoredCodes = hn::Rebind<std::int8_t, Codes>;
constexpr std::size_t kPairs = kCoarseCodes / 2;

using SumVector = hn::Vec<Sums>;
using CodeVector = hn::Vec<Codes>;

// In each 32-bit lane the sum of the squares of its two 16-bit numbers.
HWY_INLINE SumVector SquarePairs(CodeVector numbers) {
  const Sums d;
  SumVector odd = hn::Zero(d);
  const SumVector even = hn::ReorderWidenMulAccumulate(d, numbers, numbers, hn::Zero(d), odd);
  return hn::Add(even, odd);
}

// A query's coarse pairs, spread over all lanes, and the shifts between them: the sum is built from the pair with the
// largest exponent on, as Horner's rule builds a polynomial.
struct Spread {
  explicit HWY_INLINE Spread(const LevelQuery& query) {
    const Sums d;
    for (std::size_t p = 0; p < kPairs; ++p) {
      const auto low = static_cast<std::uint16_t>(query.codes[2 * p]);
      const auto high = static_cast<std::uint16_t>(p + 1 < kPairs ? query.codes[2 * p + 1] : query.rest);
      const std::uint32_t both = low | static_cast<std::uint32_t>(high) << 16;
      hn::Store(hn::Set(d, static_cast<std::int32_t>(both)), d, pairs + p * hn::Lanes(d));
      const std::uint32_t next = p + 1 < kPairs ? query.exponents[p + 1] : 0;
      shifts[p] = static_cast<int>(2 * (query.exponents[p] - next));
    }
  }

  HWY_INLINE CodeVector Pair(std::size_t p) const {
    const Sums d;
    return hn::BitCast(Codes(), hn::Load(d, pairs + p * hn::Lanes(d)));
  }

  HWY_ALIGN std::int32_t pairs[kPairs * HWY_MAX_BYTES / sizeof(std::int32_t)];
  int shifts[kPairs];
};

// difference(pair, row): of the rows from `row` on, as many as a vector has 32-bit lanes.
template <typename Difference>
HWY_INLINE void SumBlock(const Spread& query, const Difference& difference, std::int32_t* sums, std::int32_t* rests) {
  const Sums d;
  const SumVector first_code = hn::Set(d, 0xFFFF);
  for (std::size_t row = 0; row < kBlockRows; row += hn::Lanes(d)) {
    SumVector sum = hn::Zero(d);
    for (std::size_t p = 0; p + 1 < kPairs; ++p) {
      sum = hn::ShiftLeftSame(hn::Add(sum, SquarePairs(difference(p, row))), query.shifts[p]);
    }
    // The last pair is the last axis and the rest.
    const SumVector last = hn::BitCast(d, difference(kPairs - 1, row));
    sum = hn::Add(sum, SquarePairs(hn::BitCast(Codes(), hn::And(last, first_code))));
    hn::StoreU(hn::ShiftLeftSame(sum, query.shifts[kPairs - 1]), d, sums + row);
    hn::StoreU(hn::Abs(hn::ShiftRight<16>(last)), d, rests + row);
  }
}

HWY_INLINE CodeVector LoadPair(const std::int8_t* block, std::size_t pair, std::size_t row) {
  return hn::PromoteTo(Codes(), hn::LoadU(StoredCodes(), block + (pair * kBlockRows + row) * 2));
}

void Coarse(const std::int8_t* block, const LevelQuery& query, std::int32_t* sums, std::int32_t* rests) {
  const Spread spread(query);
  SumBlock(
      spread,
      [&](std::size_t pair, std::size_t row)
          HWY_ATTR { return hn::Sub(LoadPair(block, pair, row), spread.Pair(pair)); },
      sums, rests);
}

void Boxes(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, Side side, std::int32_t* sums,
           std::int32_t* rests) {
  const Spread spread(query);
  const auto below = [&](std::size_t pair, std::size_t row)
                         HWY_ATTR { return hn::Sub(LoadPair(low, pair, row), spread.Pair(pair)); };
  const auto above = [&](std::size_t pair, std::size_t row)
                         HWY_ATTR { return hn::Sub(spread.Pair(pair), LoadPair(high, pair, row)); };
  if (side == Side::kNear) {
    SumBlock(
        spread,
        [&](std::size_t pair, std::size_t row)
            HWY_ATTR { return hn::Max(hn::Zero(Codes()), hn::Max(below(pair, row), above(pair, row))); },
        sums, rests);
  } else {
    SumBlock(
        spread,
        [&](std::size_t pair, std::size_t row)
            HWY_ATTR { return hn::Max(hn::Neg(below(pair, row)), hn::Neg(above(pair, row))); },
        sums, rests);
  }
}

void Rows(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
          std::int32_t* sums, std::int32_t* rests) {
  // Every level has a multiple of 16 codes.
  const hn::CappedTag<std::int32_t, 8> d;
  const hn::Repartition<std::int16_t, decltype(d)> d16;
  const hn::Rebind<std::int8_t, decltype(d16)> stored_codes;
  const std::size_t lanes = hn::Lanes(d16);
  HWY_ALIGN std::int32_t shifts[kMostCodes / 2];
  for (std::size_t pair = 0; pair < query.count / 2; ++pair) {
    shifts[pair] = static_cast<std::int32_t>(2 * query.exponents[pair]);
  }
  const std::int32_t last_factor = 1 << (2 * query.exponents[query.count / 2 - 1]);
  // Rows ahead whose codes are asked for while the arithmetic is at this one: the memory's latency over a row's time.
  constexpr std::size_t kAhead = 16;
  constexpr std::size_t kLine = 64;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int8_t* row = codes + std::size_t{places[i]} * query.count;
    if (i + kAhead < count) {
      const std::int8_t* ahead = codes + std::size_t{places[i + kAhead]} * query.count;
      for (std::size_t byte = 0; byte < query.count; byte += kLine) hwy::Prefetch(ahead + byte);
      hwy::Prefetch(ahead + query.count - 1);
    }
    auto sum = hn::Zero(d);
    for (std::size_t code = 0; code < query.count; code += lanes) {
      const auto stored = hn::PromoteTo(d16, hn::LoadU(stored_codes, row + code));
      const auto difference = hn::Sub(stored, hn::LoadU(d16, query.codes.data() + code));
      auto odd = hn::Zero(d);
      const auto even = hn::ReorderWidenMulAccumulate(d, difference, difference, hn::Zero(d), odd);
      sum = hn::Add(sum, hn::Shl(hn::Add(even, odd), hn::LoadU(d, shifts + code / 2)));
    }
    // The rest is no axis: its code was taken for one, against 0.
    const std::int32_t rest = row[query.count - 1];
    sums[i] = hn::GetLane(hn::SumOfLanes(d, sum)) - rest * rest * last_factor;
    rests[i] = rest < query.rest ? query.rest - rest : rest - query.rest;
  }
}

void Bound(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
           float* along, float* bounds) {
  const Sums d;
  const Floats df;
  const std::size_t lanes = hn::Lanes(d);
  const auto zero = hn::Zero(df);
  const auto step = hn::Set(df, terms.step);
  const auto error = hn::Set(df, terms.error);
  const auto rest_step = hn::Set(df, terms.rest_step);
  const auto rest_error = hn::Set(df, terms.rest_error);
  const auto factor = hn::Set(df, terms.factor);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto root = hn::Sqrt(hn::ConvertTo(df, hn::LoadU(d, sums + i)));
    const auto axes = hn::Max(hn::Sub(hn::Mul(step, root), error), zero);
    const auto distance = hn::ConvertTo(df, hn::LoadU(d, rests + i));
    const auto rest = hn::Max(hn::Sub(hn::Mul(rest_step, distance), rest_error), zero);
    const auto sum = hn::Add(hn::LoadU(df, along + i), hn::Mul(axes, axes));
    hn::StoreU(sum, df, along + i);
    hn::StoreU(hn::Mul(hn::Add(sum, hn::Mul(rest, rest)), factor), df, bounds + i);
  }
  scalar::BoundDistances(sums + i, rests + i, count - i, terms, along + i, bounds + i);
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

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(Coarse);
HWY_EXPORT(Boxes);
HWY_EXPORT(Rows);
HWY_EXPORT(Bound);
HWY_EXPORT(Choose);

void CoarseDistances(const std::int8_t* block, const LevelQuery& query, std::int32_t* sums, std::int32_t* rests) {
  HWY_DYNAMIC_DISPATCH(Coarse)(block, query, sums, rests);
}

void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, Side side,
                  std::int32_t* sums, std::int32_t* rests) {
  HWY_DYNAMIC_DISPATCH(Boxes)(low, high, query, side, sums, rests);
}

void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests) {
  HWY_DYNAMIC_DISPATCH(Rows)(codes, places, count, query, sums, rests);
}

void BoundDistances(const std::int32_t* sums, const std::int32_t* rests, std::size_t count, const LevelTerms& terms,
                    float* along, float* bounds) {
  HWY_DYNAMIC_DISPATCH(Bound)(sums, rests, count, terms, along, bounds);
}

std::uint64_t NotAbove(const float* keys, std::size_t count, float limit) {
  return HWY_DYNAMIC_DISPATCH(Choose)(keys, count, limit);
}

}  // namespace actkin
#endif  // HWY_ONCE
