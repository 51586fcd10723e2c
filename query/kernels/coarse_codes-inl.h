// How far coarse codes are apart, for the kernels of one target: included once for each, as Highway has it. Where the
// target is not one of x86's nothing of this is there.
#if defined(ACTKIN_QUERY_KERNELS_COARSE_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ACTKIN_QUERY_KERNELS_COARSE_CODES_INL_H_
#undef ACTKIN_QUERY_KERNELS_COARSE_CODES_INL_H_
#else
#define ACTKIN_QUERY_KERNELS_COARSE_CODES_INL_H_
#endif

#include <hwy/highway.h>

#include <array>

#include "query/kernels/sketch_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace actkin {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_ARCH_X86

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

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#endif  // ACTKIN_QUERY_KERNELS_COARSE_CODES_INL_H_
