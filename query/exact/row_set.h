#ifndef ACTKIN_QUERY_EXACT_ROW_SET_H_
#define ACTKIN_QUERY_EXACT_ROW_SET_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "schema/site.h"

namespace actkin {

// Some rows of a site: those that pass a filter. Kept as ranges or as a bitmap, whichever is smaller: at most one bit
// for each row of the site. Immutable; any thread.
class RowSet {
 public:
  // Ranges or rows in any order, overlapping or more than once, of a site of row_count rows. Both throw Error (usage)
  // naming a range or row that the site does not have.
  static RowSet OfRanges(std::uint64_t row_count, std::vector<RowRange> ranges);
  static RowSet OfRows(std::uint64_t row_count, std::span<const RowNumber> rows);

  // The rows of both. REQUIRES: they are of one site.
  static RowSet Common(const RowSet& a, const RowSet& b);
  // The rows of `among`, or without it all rows of the site, but for those of the ranges, which are as OfRanges takes
  // them.
  static RowSet Without(std::uint64_t row_count, const RowSet* among, std::vector<RowRange> left_out);

  // Of the site.
  std::uint64_t row_count() const { return row_count_; }
  // Of the set.
  std::uint64_t count() const { return count_; }
  bool is_bitmap() const { return !words_.empty(); }
  std::uint64_t memory_bytes() const;

  bool Contains(RowNumber row) const;
  // REQUIRES, here and below: rows.begin <= rows.end <= row_count().
  std::uint64_t CountIn(RowRange rows) const;
  // The smallest range that holds what the set has of these; empty where it has none.
  RowRange Narrow(RowRange rows) const;
  // Calls action(RowRange) for the runs of consecutive rows among these, each as long as it is, in ascending order.
  template <typename Action>
  void ForEachRun(RowRange rows, const Action& action) const {
    if (rows.size() == 0) return;
    if (!is_bitmap()) {
      for (auto range = FirstEndingAfter(rows.begin); range != ranges_.end() && range->begin < rows.end; ++range) {
        action(RowRange{std::max(range->begin, rows.begin), std::min(range->end, rows.end)});
      }
      return;
    }
    for (std::uint64_t begin = Next(rows.begin, rows.end, true); begin < rows.end;) {
      const std::uint64_t end = Next(begin, rows.end, false);
      action(RowRange{begin, end});
      begin = Next(end, rows.end, true);
    }
  }

 private:
  explicit RowSet(std::uint64_t row_count) : row_count_(row_count) {}

  // The first row from `from` on that is in the set (or is not); `end` where there is none before it.
  std::uint64_t Next(std::uint64_t from, std::uint64_t end, bool in_set) const;
  std::vector<RowRange>::const_iterator FirstEndingAfter(std::uint64_t row) const;

  std::uint64_t row_count_;
  std::uint64_t count_ = 0;
  std::vector<RowRange> ranges_;      // ascending, none empty, none touching the next; empty where there is a bitmap
  std::vector<std::uint64_t> words_;  // row r is bit r % 64 of word r / 64
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_ROW_SET_H_
