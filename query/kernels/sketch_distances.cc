#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "query/kernels/sketch_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "query/kernels/sketch_distances.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "query/kernels/coarse_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || !HWY_ARCH_X86

void Coarse(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query, std::int32_t* sums,
            std::int32_t* rests) {
  scalar::CoarseDistances(codes, row_count, query, sums, rests);
}
void Boxes(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
           std::int32_t* rests) {
  scalar::BoxDistances(low, high, query, sums, rests);
}
void Rows(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
          std::int32_t* sums, std::int32_t* rests) {
  scalar::RowDistances(codes, places, count, query, sums, rests);
}

#else

// Distances as 16-bit numbers, of a row's codes `code` on; the rest's is among them.
template <typename Difference>
HWY_INLINE void SumFar(const LevelQuery& query, const Difference& difference, std::int32_t& sum, std::int32_t& rest) {
  const hn::CappedTag<std::int32_t, 8> d;
  const hn::Repartition<std::int16_t, decltype(d)> d16;
  const std::size_t lanes = hn::Lanes(d16);
  HWY_ALIGN std::int16_t last[16];
  auto all = hn::Zero(d);
  for (std::size_t code = 0; code < query.count; code += lanes) {
    const auto apart = difference(d16, code);
    auto odd = hn::Zero(d);
    const auto even = hn::ReorderWidenMulAccumulate(d, apart, apart, hn::Zero(d), odd);
    all = hn::Add(all, hn::Shl(hn::Add(even, odd), hn::LoadU(d, query.pair_shifts.data() + code / 2)));
    hn::Store(apart, d16, last);
  }
  rest = last[lanes - 1];
  sum = hn::GetLane(hn::SumOfLanes(d, all)) - rest * rest * (1 << query.quad_shifts[query.count / kQuad - 1]);
}

template <typename D>
HWY_INLINE hn::Vec<D> Widen(D d16, const std::int8_t* codes) {
  return hn::PromoteTo(d16, hn::LoadU(hn::Rebind<std::int8_t, D>(), codes));
}

HWY_INLINE void RowFar(const std::int8_t* row, const LevelQuery& query, std::int32_t& sum, std::int32_t& rest) {
  SumFar(
      query,
      [&](auto d16, std::size_t code)
          HWY_ATTR { return hn::Abs(hn::Sub(Widen(d16, row + code), hn::LoadU(d16, query.codes.data() + code))); },
      sum, rest);
}

template <typename Width>
HWY_INLINE void CoarseRowsNear(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query,
                               std::int32_t* sums, std::int32_t* rests) {
  const Sums d;
  SumVector some_sums;
  SumVector some_rests;
  std::size_t row = 0;
  for (; row + kSumsAtOnce <= row_count; row += kSumsAtOnce) {
    CoarseNear<Width>(codes + row * kCoarseCodes, query, some_sums, some_rests);
    hn::StoreU(some_sums, d, sums + row);
    hn::StoreU(some_rests, d, rests + row);
  }
  if (row == row_count) return;
  std::int8_t last[kSumsAtOnce * kCoarseCodes] = {};
  std::int32_t last_sums[kSumsAtOnce];
  std::int32_t last_rests[kSumsAtOnce];
  std::memcpy(last, codes + row * kCoarseCodes, (row_count - row) * kCoarseCodes);
  CoarseNear<Width>(last, query, some_sums, some_rests);
  hn::StoreU(some_sums, d, last_sums);
  hn::StoreU(some_rests, d, last_rests);
  std::copy_n(last_sums, row_count - row, sums + row);
  std::copy_n(last_rests, row_count - row, rests + row);
}

void Coarse(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query, std::int32_t* sums,
            std::int32_t* rests) {
  if (query.side == Side::kFar) {
    for (std::size_t row = 0; row < row_count; ++row) RowFar(codes + row * kCoarseCodes, query, sums[row], rests[row]);
  } else if (query.wide) {
    CoarseRowsNear<Wide>(codes, row_count, query, sums, rests);
  } else {
    CoarseRowsNear<Narrow>(codes, row_count, query, sums, rests);
  }
}

template <typename Width>
HWY_INLINE void BoxesNear(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
                          std::int32_t* rests) {
  const Codes d;
  const CodeVector asked = hn::LoadDup128(d, query.bytes.data());
  for (std::size_t box = 0; box < kBlockRows; box += kSumsAtOnce) {
    const auto outside = [&](std::size_t i) HWY_ATTR {
      const std::size_t first = (box + i) * kCoarseCodes;
      return Width::Outside(hn::LoadU(d, low + first), hn::LoadU(d, high + first), asked);
    };
    SumVector some_sums;
    SumVector some_rests;
    SumCoarse<Width>(query, outside, some_sums, some_rests);
    hn::StoreU(some_sums, Sums(), sums + box);
    hn::StoreU(some_rests, Sums(), rests + box);
  }
}

void Boxes(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
           std::int32_t* rests) {
  if (query.side == Side::kFar) {
    for (std::size_t box = 0; box < kBlockRows; ++box) {
      const auto farther = [&](auto d16, std::size_t code) HWY_ATTR {
        const auto asked = hn::LoadU(d16, query.codes.data() + code);
        return hn::Max(hn::Sub(asked, Widen(d16, low + box * kCoarseCodes + code)),
                       hn::Sub(Widen(d16, high + box * kCoarseCodes + code), asked));
      };
      SumFar(query, farther, sums[box], rests[box]);
    }
    return;
  }
  if (query.wide) {
    BoxesNear<Wide>(low, high, query, sums, rests);
  } else {
    BoxesNear<Narrow>(low, high, query, sums, rests);
  }
}

// The codes of a row from here on, as many as a vector holds, with zeros behind them.
HWY_INLINE CodeVector LoadCodes(const std::int8_t* codes, std::size_t left) {
  const Codes d;
  if (left >= kCodesAtOnce) return hn::LoadU(d, codes);
#if HWY_TARGET == HWY_AVX2
  return hn::ZeroExtendVector(d, hn::LoadU(hn::Half<Codes>(), codes));
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::MaskedLoad(hn::FirstN(d, left), d, codes);
#else
  return hn::LoadU(d, codes);  // a vector is a unit of codes
#endif
}

// All 32-bit numbers of four vectors, added up: four sums.
HWY_INLINE void StoreSums(SumVector a, SumVector b, SumVector c, SumVector d, std::int32_t* sums) {
  const SumVector blocks = SumBlocks(a, b, c, d);
  const hn::CappedTag<std::int32_t, 4> four;
#if HWY_TARGET == HWY_AVX2
  const hn::Half<Sums> half;
  hn::StoreU(hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks)), four, sums);
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  const hn::Half<Sums> half;
  const auto halves = hn::Add(hn::LowerHalf(half, blocks), hn::UpperHalf(half, blocks));
  const hn::Half<decltype(half)> quarter;
  hn::StoreU(hn::Add(hn::LowerHalf(quarter, halves), hn::UpperHalf(quarter, halves)), four, sums);
#else
  hn::StoreU(blocks, four, sums);
#endif
}

// Rows ahead whose codes are asked for while the arithmetic is at this one: the memory's latency over a row's time.
constexpr std::size_t kAhead = 24;

HWY_INLINE void Ahead(const std::int8_t* row, std::size_t count) {
  constexpr std::size_t kLine = 64;
  for (std::size_t byte = 0; byte < count; byte += kLine) hwy::Prefetch(row + byte);
  hwy::Prefetch(row + count - 1);
}

// kVectors: how many hold a row's codes.
template <typename Width, std::size_t kVectors>
HWY_INLINE void RowsNear(const std::int8_t* codes, const std::uint32_t* places, std::size_t count,
                         const LevelQuery& query, std::int32_t* sums, std::int32_t* rests) {
  const Sums d;
  const auto sum_of = [&](std::size_t i) HWY_ATTR {
    const std::int8_t* row = codes + std::size_t{places[i]} * query.count;
    if (i + kAhead < count) Ahead(codes + std::size_t{places[i + kAhead]} * query.count, query.count);
    rests[i] = row[query.count - 1];
    SumVector sum = hn::Zero(d);
    for (std::size_t vector = 0; vector < kVectors; ++vector) {
      const std::size_t code = vector * kCodesAtOnce;
      const auto apart =
          Width::Apart(LoadCodes(row + code, query.count - code), hn::LoadU(Codes(), query.bytes.data() + code));
      sum = hn::Add(sum, Width::Squares(apart, hn::LoadU(Bytes(), query.beyond.data() + code),
                                        hn::LoadU(d, query.quad_shifts.data() + code / kQuad)));
    }
    return sum;
  };
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) StoreSums(sum_of(i), sum_of(i + 1), sum_of(i + 2), sum_of(i + 3), sums + i);
  for (; i < count; ++i) {
    std::int32_t four[4];
    StoreSums(sum_of(i), hn::Zero(d), hn::Zero(d), hn::Zero(d), four);
    sums[i] = four[0];
  }
  // The rest is no axis: it was taken for one.
  const std::int32_t asked_rest = query.bytes[query.count - 1];
  const std::int32_t farthest = query.wide ? kFarthestWide : kFarthestNear;
  const int rest_shift = query.quad_shifts[query.count / kQuad - 1];
  const auto finish = [&](auto tag, std::size_t at) HWY_ATTR {
    const auto apart = hn::Abs(hn::Sub(hn::LoadU(tag, rests + at), hn::Set(tag, asked_rest)));
    const auto rest = hn::Min(apart, hn::Set(tag, farthest));
    hn::StoreU(rest, tag, rests + at);
    const auto square = hn::ShiftLeftSame(hn::Mul(rest, rest), rest_shift);
    hn::StoreU(hn::Sub(hn::LoadU(tag, sums + at), square), tag, sums + at);
  };
  for (i = 0; i + kSumsAtOnce <= count; i += kSumsAtOnce) finish(d, i);
  for (; i < count; ++i) finish(hn::CappedTag<std::int32_t, 1>(), i);
}

// With as many vectors as hold a row's codes, kVectors or more.
template <typename Width, std::size_t kVectors = 1>
HWY_INLINE void RowsOfVectors(const std::int8_t* codes, const std::uint32_t* places, std::size_t count,
                              const LevelQuery& query, std::int32_t* sums, std::int32_t* rests) {
  if constexpr (kVectors * kCodesAtOnce < kMostCodes) {
    if (query.count > kVectors * kCodesAtOnce) {
      return RowsOfVectors<Width, kVectors + 1>(codes, places, count, query, sums, rests);
    }
  }
  RowsNear<Width, kVectors>(codes, places, count, query, sums, rests);
}

void Rows(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
          std::int32_t* sums, std::int32_t* rests) {
  if (query.side == Side::kFar) {
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) Ahead(codes + std::size_t{places[i + kAhead]} * query.count, query.count);
      RowFar(codes + std::size_t{places[i]} * query.count, query, sums[i], rests[i]);
    }
    return;
  }
  if (query.wide) {
    RowsOfVectors<Wide>(codes, places, count, query, sums, rests);
  } else {
    RowsOfVectors<Narrow>(codes, places, count, query, sums, rests);
  }
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

void CoarseDistances(const std::int8_t* codes, std::size_t row_count, const LevelQuery& query, std::int32_t* sums,
                     std::int32_t* rests) {
  HWY_DYNAMIC_DISPATCH(Coarse)(codes, row_count, query, sums, rests);
}

void BoxDistances(const std::int8_t* low, const std::int8_t* high, const LevelQuery& query, std::int32_t* sums,
                  std::int32_t* rests) {
  HWY_DYNAMIC_DISPATCH(Boxes)(low, high, query, sums, rests);
}

void RowDistances(const std::int8_t* codes, const std::uint32_t* places, std::size_t count, const LevelQuery& query,
                  std::int32_t* sums, std::int32_t* rests) {
  HWY_DYNAMIC_DISPATCH(Rows)(codes, places, count, query, sums, rests);
}

}  // namespace actkin
#endif  // HWY_ONCE
