#include "query/kernels/sketch_kernels.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "query/kernels/sketch_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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

namespace hn = hwy::HWY_NAMESPACE;

using Sums = hn::ScalableTag<std::int32_t>;
using Floats = hn::RebindToFloat<Sums>;
using Codes = hn::Repartition<std::int8_t, Sums>;
using Bytes = hn::Repartition<std::uint8_t, Sums>;
using SumVector = hn::Vec<Sums>;
using FloatVector = hn::Vec<Floats>;
using CodeVector = hn::Vec<Codes>;
constexpr std::size_t kCodesAtOnce = hn::MaxLanes(Codes());
constexpr std::size_t kSumsAtOnce = hn::MaxLanes(Sums());

// In each 32-bit lane the sum of the squares of its four numbers. They are at most kFarthestNear.
HWY_INLINE SumVector SquareQuads(hn::Vec<Bytes> numbers) {
#if HWY_TARGET == HWY_AVX3_DL
  // Highway 1.0 has this target, but no operation for this instruction, and names the compiler another extension.
  SumVector sum = hn::Zero(Sums());
  __asm__("vpdpbusd %1, %1, %0" : "+v"(sum.raw) : "v"(numbers.raw));
  return sum;
#elif HWY_TARGET == HWY_AVX3
  return SumVector{_mm512_madd_epi16(_mm512_maddubs_epi16(numbers.raw, numbers.raw), _mm512_set1_epi16(1))};
#elif HWY_TARGET == HWY_AVX2
  return SumVector{_mm256_madd_epi16(_mm256_maddubs_epi16(numbers.raw, numbers.raw), _mm256_set1_epi16(1))};
#else
  return SumVector{_mm_madd_epi16(_mm_maddubs_epi16(numbers.raw, numbers.raw), _mm_set1_epi16(1))};
#endif
}

// How codes are told apart, and what that adds up to. Of most queries: at most kFarthestNear, which is one step
// less work.
struct Narrow {
  static HWY_INLINE hn::Vec<Bytes> Apart(CodeVector a, CodeVector b) {
    const Bytes bytes;
    return hn::Min(hn::BitCast(bytes, hn::Abs(hn::SaturatedSub(a, b))), hn::Set(bytes, kFarthestNear));
  }
  static HWY_INLINE hn::Vec<Bytes> Outside(CodeVector low, CodeVector high, CodeVector asked) {
    const Codes d;
    const CodeVector outside = hn::Max(hn::SaturatedSub(low, asked), hn::SaturatedSub(asked, high));
    return hn::BitCast(Bytes(), hn::Max(hn::Zero(d), outside));
  }
  // In lanes of 32 bits, whose sum is that of all squares, each times what its quad's shift says.
  static HWY_INLINE SumVector Squares(hn::Vec<Bytes> apart, hn::Vec<Bytes> /*beyond*/, SumVector quad_shifts) {
    return hn::Shl(SquareQuads(apart), quad_shifts);
  }
};

// Of wide queries.
struct Wide {
  // From the smallest code on: bytes without a sign are subtracted without loss.
  static HWY_INLINE hn::Vec<Bytes> FromSmallest(CodeVector codes) {
    const Bytes bytes;
    return hn::Xor(hn::BitCast(bytes, codes), hn::Set(bytes, 0x80));
  }
  static HWY_INLINE hn::Vec<Bytes> Apart(CodeVector a, CodeVector b) { return Outside(a, a, b); }
  static HWY_INLINE hn::Vec<Bytes> Outside(CodeVector low, CodeVector high, CodeVector asked) {
    const auto from = FromSmallest(asked);
    return hn::Or(hn::SaturatedSub(FromSmallest(low), from), hn::SaturatedSub(from, FromSmallest(high)));
  }
  // beyond: of these codes, or of one block of 128 bits that is as all are.
  static HWY_INLINE SumVector Squares(hn::Vec<Bytes> apart, hn::Vec<Bytes> beyond, SumVector quad_shifts) {
    const Sums d;
    const Bytes bytes;
    const hn::Repartition<std::int16_t, Sums> words;
    const auto far = hn::SaturatedAdd(apart, hn::IfThenZeroElse(hn::Eq(apart, hn::Zero(bytes)), beyond));
    const auto square_pairs = [&](hn::Vec<decltype(words)> numbers) HWY_ATTR {
      auto odd = hn::Zero(d);
      const auto even = hn::ReorderWidenMulAccumulate(d, numbers, numbers, hn::Zero(d), odd);
      return hn::Add(even, odd);
    };
    const auto lower = square_pairs(hn::BitCast(words, hn::InterleaveLower(bytes, far, hn::Zero(bytes))));
    const auto upper = square_pairs(hn::BitCast(words, hn::InterleaveUpper(bytes, far, hn::Zero(bytes))));
    return hn::Add(hn::Shl(lower, hn::InterleaveLower(d, quad_shifts, quad_shifts)),
                   hn::Shl(upper, hn::InterleaveUpper(d, quad_shifts, quad_shifts)));
  }
};

// The sums of four vectors' blocks of 128 bits: in each block those of a, b, c and d.
HWY_INLINE SumVector SumBlocks(SumVector a, SumVector b, SumVector c, SumVector d) {
  const Sums tag;
  const hn::Repartition<std::int64_t, Sums> wide;
  const auto ab = hn::BitCast(wide, hn::Add(hn::InterleaveLower(tag, a, b), hn::InterleaveUpper(tag, a, b)));
  const auto cd = hn::BitCast(wide, hn::Add(hn::InterleaveLower(tag, c, d), hn::InterleaveUpper(tag, c, d)));
  return hn::Add(hn::BitCast(tag, hn::InterleaveLower(wide, ab, cd)),
                 hn::BitCast(tag, hn::InterleaveUpper(wide, ab, cd)));
}

// The last 32 bits of each block of 128 of four vectors, as above.
HWY_INLINE SumVector LastOfBlocks(SumVector a, SumVector b, SumVector c, SumVector d) {
  const Sums tag;
  const hn::Repartition<std::int64_t, Sums> wide;
  return hn::BitCast(tag, hn::InterleaveUpper(wide, hn::BitCast(wide, hn::InterleaveUpper(tag, a, b)),
                                              hn::BitCast(wide, hn::InterleaveUpper(tag, c, d))));
}

// Where SumBlocks puts the sums of rows that four vectors hold one after another.
constexpr std::size_t kRowsAtOnce = kCodesAtOnce / kCoarseCodes;
constexpr auto kInOrder = [] {
  std::array<std::int32_t, kSumsAtOnce> order{};
  for (std::size_t row = 0; row < kSumsAtOnce; ++row) {
    order[row] = static_cast<std::int32_t>(row % kRowsAtOnce * 4 + row / kRowsAtOnce);
  }
  return order;
}();

// In each block of 128 bits the coarse codes of one row, or box, and so their distances; of as many as four vectors
// hold. difference(first): those of the rows from `first` on, in bytes.
template <typename Width, typename Difference>
HWY_INLINE void SumCoarse(const LevelQuery& query, const Difference& difference, SumVector& sums, SumVector& rests) {
  const Sums d;
  const hn::RebindToUnsigned<Sums> unsigned_sums;
  const SumVector shifts = hn::LoadDup128(d, query.quad_shifts.data());
  const auto beyond = hn::LoadDup128(Bytes(), query.beyond.data());
  const auto in_order = hn::SetTableIndices(d, kInOrder.data());
  const auto a = difference(0);
  const auto b = difference(kRowsAtOnce);
  const auto c = difference(2 * kRowsAtOnce);
  const auto e = difference(3 * kRowsAtOnce);
  const auto sum = [&](hn::Vec<Bytes> numbers) HWY_ATTR { return Width::Squares(numbers, beyond, shifts); };
  SumVector all = SumBlocks(sum(a), sum(b), sum(c), sum(e));
  const auto last = LastOfBlocks(hn::BitCast(d, a), hn::BitCast(d, b), hn::BitCast(d, c), hn::BitCast(d, e));
  const SumVector rest = hn::BitCast(d, hn::ShiftRight<24>(hn::BitCast(unsigned_sums, last)));
  // The rest is no axis: it was taken for one.
  all = hn::Sub(all, hn::ShiftLeftSame(hn::Mul(rest, rest), query.quad_shifts[3]));
  sums = hn::TableLookupLanes(all, in_order);
  rests = hn::TableLookupLanes(rest, in_order);
}

// Of kSumsAtOnce rows.
template <typename Width>
HWY_INLINE void CoarseNear(const std::int8_t* codes, const LevelQuery& query, SumVector& sums, SumVector& rests) {
  const Codes d;
  const CodeVector asked = hn::LoadDup128(d, query.bytes.data());
  SumCoarse<Width>(
      query, [&](std::size_t row) HWY_ATTR { return Width::Apart(hn::LoadU(d, codes + row * kCoarseCodes), asked); },
      sums, rests);
}

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

HWY_EXPORT(Coarse);
HWY_EXPORT(Boxes);
HWY_EXPORT(Rows);
HWY_EXPORT(Bound);
HWY_EXPORT(KeysOf);
HWY_EXPORT(Choose);
HWY_EXPORT(KeepBlock);
HWY_EXPORT(Keep);
HWY_EXPORT(KeepCoarse);
HWY_EXPORT(Products);

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
