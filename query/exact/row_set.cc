#include "query/exact/row_set.h"

#include <bit>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::uint64_t kWordRows = 64;

// Bits of the word from `from` on, for `count` rows: at most to the end of the word.
std::uint64_t Mask(std::uint64_t from, std::uint64_t count) {
  const std::uint64_t bits = count >= kWordRows ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  return bits << from;
}

}  // namespace

RowSet RowSet::OfRanges(std::uint64_t row_count, std::vector<RowRange> ranges) {
  for (const RowRange& range : ranges) {
    if (range.begin <= range.end && range.end <= row_count) continue;
    FailUsage("rows {}-{}: the site has {} rows, and a range is first and one past the last", range.begin, range.end,
              row_count);
  }
  std::erase_if(ranges, [](const RowRange& range) { return range.size() == 0; });
  std::ranges::sort(ranges, {}, &RowRange::begin);
  RowSet set(row_count);
  for (const RowRange& range : ranges) {
    if (!set.ranges_.empty() && range.begin <= set.ranges_.back().end) {
      set.ranges_.back().end = std::max(set.ranges_.back().end, range.end);
    } else {
      set.ranges_.push_back(range);
    }
  }
  for (const RowRange& range : set.ranges_) set.count_ += range.size();
  const std::uint64_t words = (row_count + kWordRows - 1) / kWordRows;
  if (set.ranges_.size() * sizeof(RowRange) <= words * sizeof(std::uint64_t)) return set;
  set.words_.resize(words);
  for (const RowRange& range : std::exchange(set.ranges_, {})) {
    for (std::uint64_t row = range.begin; row < range.end;) {
      const std::uint64_t end = std::min(range.end, (row / kWordRows + 1) * kWordRows);
      set.words_[row / kWordRows] |= Mask(row % kWordRows, end - row);
      row = end;
    }
  }
  return set;
}

RowSet RowSet::OfRows(std::uint64_t row_count, std::span<const RowNumber> rows) {
  RowSet set(row_count);
  set.words_.resize((row_count + kWordRows - 1) / kWordRows);
  for (const RowNumber row : rows) {
    if (row >= row_count) FailUsage("row {}: the site has {} rows", row, row_count);
    set.words_[row / kWordRows] |= std::uint64_t{1} << row % kWordRows;
  }
  std::vector<RowRange> ranges;
  const std::uint64_t most = set.words_.size() * sizeof(std::uint64_t) / sizeof(RowRange);
  set.ForEachRun({0, row_count}, [&](RowRange run) {
    set.count_ += run.size();
    if (ranges.size() <= most) ranges.push_back(run);
  });
  if (ranges.size() > most) return set;
  set.words_.clear();
  set.words_.shrink_to_fit();
  set.ranges_ = std::move(ranges);
  return set;
}

std::uint64_t RowSet::memory_bytes() const {
  return ranges_.capacity() * sizeof(RowRange) + words_.capacity() * sizeof(std::uint64_t);
}

bool RowSet::Contains(RowNumber row) const {
  if (row >= row_count_) return false;
  if (is_bitmap()) return (words_[row / kWordRows] >> row % kWordRows & 1) != 0;
  const auto range = FirstEndingAfter(row);
  return range != ranges_.end() && range->begin <= row;
}

std::uint64_t RowSet::CountIn(RowRange rows) const {
  if (rows.begin == 0 && rows.end == row_count_) return count_;
  std::uint64_t count = 0;
  if (!is_bitmap()) {
    ForEachRun(rows, [&](RowRange run) { count += run.size(); });
    return count;
  }
  for (std::uint64_t row = rows.begin; row < rows.end;) {
    const std::uint64_t end = std::min(rows.end, (row / kWordRows + 1) * kWordRows);
    count += static_cast<std::uint64_t>(std::popcount(words_[row / kWordRows] & Mask(row % kWordRows, end - row)));
    row = end;
  }
  return count;
}

RowRange RowSet::Narrow(RowRange rows) const {
  if (!is_bitmap()) {
    const auto first = FirstEndingAfter(rows.begin);
    const auto after = std::ranges::lower_bound(ranges_, rows.end, {}, &RowRange::begin);
    if (after <= first) return {rows.begin, rows.begin};
    return {std::max(rows.begin, first->begin), std::min(rows.end, (after - 1)->end)};
  }
  const std::uint64_t begin = Next(rows.begin, rows.end, true);
  if (begin == rows.end) return {rows.begin, rows.begin};
  std::uint64_t end = rows.end;
  while (!Contains(static_cast<RowNumber>(end - 1))) {
    // A word without rows is passed over at once.
    const std::uint64_t last = end - 1;
    end = words_[last / kWordRows] == 0 ? last / kWordRows * kWordRows : last;
  }
  return {begin, end};
}

std::uint64_t RowSet::Next(std::uint64_t from, std::uint64_t end, bool in_set) const {
  for (std::uint64_t row = from; row < end; row = (row / kWordRows + 1) * kWordRows) {
    const std::uint64_t word = in_set ? words_[row / kWordRows] : ~words_[row / kWordRows];
    const std::uint64_t rest = word >> row % kWordRows;
    if (rest != 0) return std::min(end, row + static_cast<std::uint64_t>(std::countr_zero(rest)));
  }
  return end;
}

std::vector<RowRange>::const_iterator RowSet::FirstEndingAfter(std::uint64_t row) const {
  return std::ranges::upper_bound(ranges_, row, {}, &RowRange::end);
}

RowSet RowSet::Common(const RowSet& a, const RowSet& b) {
  std::vector<RowRange> common;
  a.ForEachRun({0, a.row_count()},
               [&](RowRange run) { b.ForEachRun(run, [&](RowRange part) { common.push_back(part); }); });
  return OfRanges(a.row_count(), std::move(common));
}

RowSet RowSet::Without(std::uint64_t row_count, const RowSet* among, std::vector<RowRange> left_out) {
  const RowSet out = OfRanges(row_count, std::move(left_out));
  std::vector<RowRange> kept;
  std::uint64_t begin = 0;
  const auto keep = [&](std::uint64_t end) {
    if (among == nullptr) {
      if (begin < end) kept.push_back({begin, end});
    } else {
      among->ForEachRun({begin, end}, [&](RowRange part) { kept.push_back(part); });
    }
  };
  out.ForEachRun({0, row_count}, [&](RowRange run) {
    keep(run.begin);
    begin = run.end;
  });
  keep(row_count);
  return OfRanges(row_count, std::move(kept));
}

}  // namespace actkin
