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
void Smallest(const std::int8_t* blocks, std::size_t count, const CoarseQuery& query, std::int32_t* best) {
  scalar::SmallestCoarse({blocks, count * kBlockBytes}, query, best);
}

void Largest(const std::int8_t* blocks, std::size_t count, const CoarseQuery& query, std::int32_t* best) {
  scalar::LargestCoarse({blocks, count * kBlockBytes}, query, best);
}

std::size_t RowsWithin(const std::int8_t* codes, const std::uint32_t* blocks, std::size_t count,
                       const CoarseQuery& query, std::int32_t low, std::int32_t high, std::uint32_t* rows) {
  return scalar::CoarseRowsWithin(codes, {blocks, count}, query, low, high, rows);
}

void Fine(const std::int8_t* codes, const std::uint32_t* rows, std::size_t count, const FineQuery& query,
          std::int32_t* out) {
  scalar::FineDistances(codes, {rows, count}, query, out);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using Sums = hn::ScalableTag<std::int32_t>;
using Codes = hn::Repartition<std::int16_t, Sums>;
using StoredCodes = hn::Rebind<std::int8_t, Codes>;
constexpr std::size_t kPairs = kCoarseCoordinates / 2;

using SumVector = hn::Vec<Sums>;
using CodeVector = hn::Vec<Codes>;

// In each 32-bit lane the sum of the squares of its two 16-bit numbers.
HWY_INLINE SumVector SquarePairs(CodeVector numbers) {
  const Sums d;
  SumVector odd = hn::Zero(d);
  const SumVector even = hn::ReorderWidenMulAccumulate(d, numbers, numbers, hn::Zero(d), odd);
  return hn::Add(even, odd);
}

// A query's pairs, spread over all lanes, and the shifts between them: the sum is built from the pair with the largest
// exponent on, as Horner's rule builds a polynomial.
struct Spread {
  explicit HWY_INLINE Spread(const CoarseQuery& query) {
    const Sums d;
    for (std::size_t p = 0; p < kPairs; ++p) {
      const auto low = static_cast<std::uint16_t>(query.codes[2 * p]);
      const auto high = static_cast<std::uint16_t>(query.codes[2 * p + 1]);
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

// Squared distances of the rows from `row` on, as many as a vector has 32-bit lanes.
HWY_INLINE SumVector RowSums(const std::int8_t* block, std::size_t row, const Spread& query) {
  const Sums d;
  SumVector sums = hn::Zero(d);
  for (std::size_t p = 0; p < kPairs; ++p) {
    const auto stored = hn::LoadU(StoredCodes(), block + (p * kBlockRows + row) * 2);
    const CodeVector difference = hn::Sub(hn::PromoteTo(Codes(), stored), query.Pair(p));
    sums = hn::ShiftLeftSame(hn::Add(sums, SquarePairs(difference)), query.shifts[p]);
  }
  return sums;
}

template <typename Choose, typename Reduce>
HWY_INLINE void BestOfBlocks(const std::int8_t* blocks, std::size_t count, const CoarseQuery& query, std::int32_t* best,
                             const Choose& choose, const Reduce& reduce) {
  const Sums d;
  const Spread spread(query);
  for (std::size_t block = 0; block < count; ++block) {
    const std::int8_t* codes = blocks + block * kBlockBytes;
    SumVector chosen = RowSums(codes, 0, spread);
    for (std::size_t row = hn::Lanes(d); row < kBlockRows; row += hn::Lanes(d)) {
      chosen = choose(chosen, RowSums(codes, row, spread));
    }
    best[block] = hn::GetLane(reduce(chosen));
  }
}

void Smallest(const std::int8_t* blocks, std::size_t count, const CoarseQuery& query, std::int32_t* best) {
  BestOfBlocks(
      blocks, count, query, best, [](SumVector a, SumVector b) HWY_ATTR { return hn::Min(a, b); },
      [](SumVector a) HWY_ATTR { return hn::MinOfLanes(Sums(), a); });
}

void Largest(const std::int8_t* blocks, std::size_t count, const CoarseQuery& query, std::int32_t* best) {
  BestOfBlocks(
      blocks, count, query, best, [](SumVector a, SumVector b) HWY_ATTR { return hn::Max(a, b); },
      [](SumVector a) HWY_ATTR { return hn::MaxOfLanes(Sums(), a); });
}

std::size_t RowsWithin(const std::int8_t* codes, const std::uint32_t* blocks, std::size_t count,
                       const CoarseQuery& query, std::int32_t low, std::int32_t high, std::uint32_t* rows) {
  const Sums d;
  const hn::RebindToUnsigned<Sums> numbers;
  const Spread spread(query);
  const SumVector least = hn::Set(d, low);
  const SumVector most = hn::Set(d, high);
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int8_t* block = codes + std::size_t{blocks[i]} * kBlockBytes;
    const std::uint32_t first = blocks[i] * static_cast<std::uint32_t>(kBlockRows);
    for (std::size_t row = 0; row < kBlockRows; row += hn::Lanes(d)) {
      const SumVector squared = RowSums(block, row, spread);
      const auto within = hn::Not(hn::Or(hn::Lt(squared, least), hn::Gt(squared, most)));
      const auto here = hn::Iota(numbers, first + static_cast<std::uint32_t>(row));
      // Writes a whole vector: at most as many numbers as rows were looked at.
      found += hn::CompressStore(here, hn::RebindMask(numbers, within), numbers, rows + found);
    }
  }
  return found;
}

void Fine(const std::int8_t* codes, const std::uint32_t* rows, std::size_t count, const FineQuery& query,
          std::int32_t* out) {
  const Sums d;
  const Codes d16;
  constexpr std::size_t kMostVectors = kFineCoordinates / 8;  // of 16-bit numbers in 16 bytes
  const std::size_t vectors = kFineCoordinates / hn::Lanes(d16);
  HWY_ALIGN std::int32_t shifts[kFineCoordinates / 2];
  for (std::size_t pair = 0; pair < kFineCoordinates / 2; ++pair) {
    shifts[pair] = static_cast<std::int32_t>(2 * query.exponents[pair]);
  }
  CodeVector wanted[kMostVectors];
  SumVector shift[kMostVectors];
  for (std::size_t v = 0; v < vectors; ++v) {
    wanted[v] = hn::LoadU(d16, query.codes.data() + v * hn::Lanes(d16));
    shift[v] = hn::LoadU(d, shifts + v * hn::Lanes(d));
  }
  // Rows ahead whose codes are asked for while the arithmetic is at this one: the memory's latency over a row's time.
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int8_t* row = codes + std::size_t{rows[i]} * kFineCoordinates;
    if (i + kAhead < count) hwy::Prefetch(codes + std::size_t{rows[i + kAhead]} * kFineCoordinates);
    SumVector sums = hn::Zero(d);
    for (std::size_t v = 0; v < vectors; ++v) {
      const CodeVector stored = hn::PromoteTo(d16, hn::LoadU(StoredCodes(), row + v * hn::Lanes(d16)));
      sums = hn::Add(sums, hn::Shl(SquarePairs(hn::Sub(stored, wanted[v])), shift[v]));
    }
    out[i] = hn::GetLane(hn::SumOfLanes(d, sums));
  }
}

#endif  // HWY_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace actkin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace actkin {

HWY_EXPORT(Smallest);
HWY_EXPORT(Largest);
HWY_EXPORT(RowsWithin);
HWY_EXPORT(Fine);

void SmallestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best) {
  HWY_DYNAMIC_DISPATCH(Smallest)(blocks.data(), blocks.size() / kBlockBytes, query, best);
}

void LargestCoarse(std::span<const std::int8_t> blocks, const CoarseQuery& query, std::int32_t* best) {
  HWY_DYNAMIC_DISPATCH(Largest)(blocks.data(), blocks.size() / kBlockBytes, query, best);
}

std::size_t CoarseRowsWithin(const std::int8_t* codes, std::span<const std::uint32_t> blocks, const CoarseQuery& query,
                             std::int32_t low, std::int32_t high, std::uint32_t* rows) {
  return HWY_DYNAMIC_DISPATCH(RowsWithin)(codes, blocks.data(), blocks.size(), query, low, high, rows);
}

void FineDistances(const std::int8_t* codes, std::span<const std::uint32_t> rows, const FineQuery& query,
                   std::int32_t* out) {
  HWY_DYNAMIC_DISPATCH(Fine)(codes, rows.data(), rows.size(), query, out);
}

}  // namespace actkin
#endif  // HWY_ONCE
