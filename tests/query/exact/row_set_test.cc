#include "query/exact/row_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

// All that a set says, compared with an ordinary set of the same rows.
void ExpectSame(const RowSet& set, const std::set<RowNumber>& rows, std::uint64_t row_count) {
  RC_ASSERT(set.row_count() == row_count);
  RC_ASSERT(set.count() == rows.size());
  for (RowNumber row = 0; row < row_count + 3; ++row) RC_ASSERT(set.Contains(row) == rows.contains(row));
  const std::uint64_t begin = *rc::gen::inRange<std::uint64_t>(0, row_count + 1);
  const std::uint64_t end = *rc::gen::inRange<std::uint64_t>(begin, row_count + 1);
  for (const RowRange part : {RowRange{begin, end}, RowRange{0, row_count}}) {
    std::vector<RowNumber> expected;
    for (const RowNumber row : rows) {
      if (row >= part.begin && row < part.end) expected.push_back(row);
    }
    RC_ASSERT(set.CountIn(part) == expected.size());
    const RowRange narrow = set.Narrow(part);
    if (expected.empty()) {
      RC_ASSERT(narrow.size() == 0U);
    } else {
      RC_ASSERT(narrow == (RowRange{expected.front(), std::uint64_t{expected.back()} + 1}));
    }
    std::vector<RowNumber> found;
    std::uint64_t last_end = 0;
    set.ForEachRun(part, [&](RowRange run) {
      RC_ASSERT(run.size() > 0U);
      RC_ASSERT(found.empty() || run.begin > last_end);  // as long as they are
      for (std::uint64_t row = run.begin; row < run.end; ++row) found.push_back(static_cast<RowNumber>(row));
      last_end = run.end;
    });
    RC_ASSERT(found == expected);
  }
}

RC_GTEST_PROP(RowSetProperty, IsTheSetOfItsRows, ()) {
  const auto row_count = *rc::gen::inRange<RowNumber>(1, 400);
  const auto rows = *rc::gen::container<std::vector<RowNumber>>(rc::gen::inRange<RowNumber>(0, row_count));
  ExpectSame(RowSet::OfRows(row_count, rows), {rows.begin(), rows.end()}, row_count);
}

RC_GTEST_PROP(RowSetProperty, IsTheUnionOfItsRanges, ()) {
  const auto row_count = *rc::gen::inRange<RowNumber>(0, 400);
  std::vector<RowRange> ranges;
  std::set<RowNumber> rows;
  for (int i = *rc::gen::inRange(0, 60); i > 0; --i) {
    const auto begin = *rc::gen::inRange<RowNumber>(0, row_count + 1);
    const auto longest = *rc::gen::element<RowNumber>(1, 2, 400);
    const auto end = *rc::gen::inRange<RowNumber>(begin, std::min(row_count, begin + longest) + 1);
    ranges.push_back({begin, end});
    for (RowNumber row = begin; row < end; ++row) rows.insert(row);
  }
  ExpectSame(RowSet::OfRanges(row_count, ranges), rows, row_count);
}

// A bit a row at most, and less where there are few ranges.
TEST(RowSetTest, TakesTheSmallerOfRangesAndBitmap) {
  constexpr std::uint64_t kRows = 1'000'000;
  EXPECT_EQ(RowSet::OfRanges(kRows, {{0, kRows}}).memory_bytes(), sizeof(RowRange));
  std::vector<RowNumber> rows;
  for (RowNumber row = 0; row < kRows; row += 2) rows.push_back(row);
  const RowSet half = RowSet::OfRows(kRows, rows);
  EXPECT_TRUE(half.is_bitmap());
  EXPECT_EQ(half.memory_bytes(), kRows / 8);
  rows.resize(100);
  const RowSet few = RowSet::OfRows(kRows, rows);
  EXPECT_FALSE(few.is_bitmap());
  EXPECT_LE(few.memory_bytes(), 128 * sizeof(RowRange));
}

TEST(RowSetTest, RowsThatTheSiteDoesNotHaveAreNamed) {
  EXPECT_THAT(ErrorOf([] { RowSet::OfRows(10, std::vector<RowNumber>{3, 10}); }), OneLineWith("row 10", "10 rows"));
  EXPECT_THAT(ErrorOf([] { RowSet::OfRanges(10, {{3, 11}}); }), OneLineWith("3-11", "10 rows"));
  EXPECT_THAT(ErrorOf([] { RowSet::OfRanges(10, {{5, 4}}); }), OneLineWith("5-4"));
}

}  // namespace
}  // namespace actkin
