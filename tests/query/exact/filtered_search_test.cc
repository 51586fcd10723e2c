// Search among the rows that pass a filter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "query/exact/exact_search.h"
#include "query/exact/ranking.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

std::shared_ptr<const RowSet> Shared(RowSet set) { return std::make_shared<const RowSet>(std::move(set)); }

std::shared_ptr<const RowSet> RandomRows(std::uint64_t row_count, double share, unsigned seed = 5) {
  std::mt19937 generator(seed);
  std::bernoulli_distribution passes(share);
  std::vector<RowNumber> rows;
  for (RowNumber row = 0; row < row_count; ++row) {
    if (passes(generator)) rows.push_back(row);
  }
  return Shared(RowSet::OfRows(row_count, rows));
}

// Rows whose variance falls from axis to axis, as activations' does, so that sketches tell them apart.
struct WideSite {
  static constexpr std::size_t kDimension = 96;

  // fading: from axis to axis; of 1 sketches tell little.
  explicit WideSite(std::size_t row_count, Made made = Made::kWithSketches, float fading = 0.9F) {
    std::mt19937 generator(21);
    std::normal_distribution<float> normal;
    const auto number = [&](std::size_t i) {
      return 3 + normal(generator) * std::pow(fading, static_cast<float>(i % kDimension));
    };
    for (std::size_t i = 0; i < row_count * kDimension; ++i) values.push_back(number(i));
    for (std::size_t i = 0; i < 3 * kDimension; ++i) queries.push_back(number(i));
    std::copy_n(values.begin() + 77 * kDimension, kDimension, queries.begin());
    ordinals = ShuffledOrdinals(row_count);
    index = MakeExactIndex(folder, Element::kFloat32, kDimension, values, ordinals, {1000, 1001}, made);
  }

  // Of the queries together, and of each alone.
  void ExpectRightAnswers(const SearchRequest& request, const std::string& what) const {
    const auto answers = index->Search(queries, request);
    for (std::size_t query = 0; query < answers.size(); ++query) {
      const auto asked = std::span(queries).subspan(query * kDimension, kDimension);
      ASSERT_TRUE(ExpectRightAnswer(answers[query], values, ordinals, asked, request, 1e-12, what));
      const auto alone = index->Search(asked, request);
      ASSERT_TRUE(std::ranges::equal(answers[query], alone.front(), {}, &Match::row, &Match::row)) << what;
    }
  }

  TemporaryFolder folder;
  std::vector<float> values;
  std::vector<float> queries;
  std::vector<StringOrdinal> ordinals;
  std::unique_ptr<ExactIndex> index;
};

// The sets that a filter may leave of so many rows, by name.
std::vector<std::pair<std::string, std::shared_ptr<const RowSet>>> Sets(std::uint64_t rows) {
  std::vector<RowNumber> all_but_some;
  for (RowNumber row = 0; row < rows; ++row) {
    if (row % 1000 != 77) all_but_some.push_back(row);
  }
  return {{"none", Shared(RowSet::OfRanges(rows, {}))},
          {"one", Shared(RowSet::OfRows(rows, std::vector<RowNumber>{4000}))},
          {"some hundred", RandomRows(rows, 0.055)},
          {"a few of each block", RandomRows(rows, 0.1)},
          {"half", RandomRows(rows, 0.5)},
          {"a range", Shared(RowSet::OfRanges(rows, {{1000, 2500}}))},
          {"ranges within blocks", Shared(RowSet::OfRanges(rows, {{3, 50}, {700, 705}, {710, 4000}, {5999, rows}}))},
          {"all but some", Shared(RowSet::OfRows(rows, all_but_some))},
          {"all", Shared(RowSet::OfRanges(rows, {{0, rows}}))}};
}

TEST(FilteredSearchTest, IsTheBruteForceAnswerOfTheRowsThatPass) {
  constexpr std::size_t kRows = 6000;
  for (const Made made : {Made::kWithSketches, Made::kWithoutSketches}) {
    const WideSite site(kRows, made);
    int number = 0;
    for (const auto& [name, among] : Sets(kRows)) {
      for (const Metric metric : kMetrics) {
        Band band{0.95, 0.994};
        if (metric == Metric::kL2) band = {2, 3.2};
        if (metric == Metric::kDot) band = {840, 900};
        if (metric == Metric::kCenteredCosine) band = {0.1, 0.4};
        for (const Order order : {Order::kNearest, Order::kFarthest}) {
          for (const std::optional<std::uint64_t> k :
               {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(1), std::optional<std::uint64_t>(10),
                std::optional<std::uint64_t>(700)}) {
            for (const int part : {0, 1, 2}) {
              // Two of five: there are twelve of k and part, so that in turn each is asked.
              if (number++ % 5 > 1) continue;
              SearchRequest request{
                  .metric = metric, .order = order, .k = k, .among = among, .threads = 1 + number % 3};
              if (part == 1) request.within = band;
              if (part == 2) request.rows = RowRange{1001, 4900};
              if (k) request.k = std::min(*k, LookedAt(request, kRows));
              if (request.k == 0U) continue;
              site.ExpectRightAnswers(request, fmt::format("{} {} {} k {} part {} sketches {}", name, Name(metric),
                                                           Name(order), k.value_or(0), part, static_cast<int>(made)));
            }
          }
        }
      }
    }
  }
}

// So few that their codes alone are read; the answer is not among those that look best by these.
TEST(FilteredSearchTest, IsTheAnswerOfAFewRowsOfMany) {
  constexpr std::size_t kRows = 24'000;
  const WideSite site(kRows, Made::kWithSketches, 0.995F);
  for (const double share : {0.012, 0.015}) {
    const auto among = RandomRows(kRows, share);
    ASSERT_GT(among->count(), 256U);
    for (const Metric metric : kMetrics) {
      for (const Order order : {Order::kNearest, Order::kFarthest}) {
        for (const std::uint64_t k : {1, 3, 10, 40, 120}) {
          for (const int threads : {1, 2}) {
            site.ExpectRightAnswers({.metric = metric, .order = order, .k = k, .among = among, .threads = threads},
                                    fmt::format("{} rows {} {} k {}", among->count(), Name(metric), Name(order), k));
          }
        }
      }
    }
    site.ExpectRightAnswers({.k = std::nullopt, .within = Band{0, 11}, .among = among}, "a band");
  }
}

// Whole numbers have one right answer, to the last bit.
RC_GTEST_PROP(FilteredSearchProperty, WholeNumbersGetExactlyTheBruteForceAnswer, ()) {
  const auto dimension = *rc::gen::inRange<std::size_t>(1, 40);
  const auto count = *rc::gen::element<std::size_t>(1, 63, 64, 200, 1500);
  std::mt19937 generator(*rc::gen::arbitrary<unsigned>());
  const auto largest = *rc::gen::element(1, 3, 50);
  std::vector<float> values(count * dimension);
  for (float& value : values) value = static_cast<float>(std::uniform_int_distribution(-largest, largest)(generator));
  std::vector<float> query(dimension);
  for (float& value : query) value = static_cast<float>(std::uniform_int_distribution(-largest, largest)(generator));
  SearchRequest request;
  switch (*rc::gen::inRange(0, 3)) {
    case 0:  // single rows, as a set of strings is
      request.among = RandomRows(count, *rc::gen::element(0.0, 0.01, 0.1, 0.3, 0.9, 1.0), generator());
      break;
    case 1: {  // one range, as a prefix is
      const auto begin = *rc::gen::inRange<std::uint64_t>(0, count + 1);
      request.among = Shared(RowSet::OfRanges(count, {{begin, *rc::gen::inRange<std::uint64_t>(begin, count + 1)}}));
      break;
    }
    default: {
      std::vector<RowRange> ranges;
      for (int i = *rc::gen::inRange(0, 9); i > 0; --i) {
        const auto begin = *rc::gen::inRange<std::uint64_t>(0, count + 1);
        ranges.push_back({begin, std::min<std::uint64_t>(begin + *rc::gen::inRange<std::uint64_t>(0, 99), count)});
      }
      request.among = Shared(RowSet::OfRanges(count, ranges));
    }
  }
  request.metric = *rc::gen::elementOf(kMetrics);
  request.order = *rc::gen::element(Order::kNearest, Order::kFarthest);
  request.threads = *rc::gen::inRange(1, 4);
  request.k.reset();
  if (request.among->count() > 0 && *rc::gen::arbitrary<bool>()) {
    request.k = *rc::gen::inRange<std::uint64_t>(1, request.among->count() + 1);
  }
  // A mean's last digit would decide which side of a band's end a row is on.
  if (request.metric != Metric::kCenteredCosine && *rc::gen::arbitrary<bool>()) {
    const double low = *rc::gen::inRange(-3, 20) / (request.metric == Metric::kL2 ? 1.0 : 20.0);
    request.within = Band{low, low + *rc::gen::inRange(0, 30) / 4.0};
  }
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(count, generator());
  const auto index = MakeExactIndex(folder, Element::kFloat32, dimension, values, ordinals, {},
                                    *rc::gen::element(Made::kWithSketches, Made::kWithoutSketches));
  RC_ASSERT(ExpectRightAnswer(index->Search(query, request)[0], values, ordinals, query, request, 0, "whole numbers"));

  // By rank, whatever the pieces; and without one row, as over a site that lacks it.
  const RowNumber own = generator() % count;
  std::vector<RowRange> others;
  request.among->ForEachRun({0, count}, [&](RowRange run) {
    if (own < run.begin || own >= run.end) return others.push_back(run);
    others.push_back({run.begin, own});
    others.push_back({own + std::uint64_t{1}, run.end});
  });
  SearchRequest without = request;
  without.among = Shared(RowSet::OfRanges(count, others));
  if (request.k) request.k = without.k = std::min(*request.k, without.among->count());
  if (request.k != 0U) {
    const std::vector<std::optional<RowNumber>> left_out{own};
    RC_ASSERT(ExpectRightAnswer(SearchWithout(*index, query, left_out, request)[0], values, ordinals, query, without, 0,
                                "without one row"));
  }
  const std::size_t expected = BruteForce(values, ordinals, query, without).size();
  Ranking ranking(std::shared_ptr<const SiteIndex>(index.get(), [](const SiteIndex*) {}), true, query, request, own);
  std::vector<Match> ranked;
  while (const std::optional<Match> match = ranking.Find(ranked.size(), 0, [] {})) ranked.push_back(*match);
  RC_ASSERT(ranked.size() == expected);
  RC_ASSERT(ExpectRightAnswer(ranked, values, ordinals, query, without, 0, "by rank"));
  if (!request.within) RC_ASSERT(ranking.row_count() == expected);
}

TEST(FilteredSearchTest, ManyQueriesGetTheAnswerOfEach) {
  constexpr std::size_t kRows = 5000;
  const WideSite site(kRows);
  const auto queries = std::span(site.values).first(150 * WideSite::kDimension);
  for (const double share : {0.06, 0.7}) {
    const SearchRequest request{.k = 9, .among = RandomRows(kRows, share), .threads = 3};
    const auto answers = site.index->Search(queries, request);
    ASSERT_EQ(answers.size(), 150U);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      ASSERT_TRUE(ExpectRightAnswer(answers[i], site.values, site.ordinals,
                                    queries.subspan(i * WideSite::kDimension, WideSite::kDimension), request, 1e-12,
                                    fmt::format("share {} query {}", share, i)));
    }
  }
}

struct Counted {
  std::uint64_t rows_read;
  std::uint64_t boxes;
  std::uint64_t coarse_bytes;
  std::uint64_t finer_bytes;
};

// One query, k 10.
Counted Count(const WideSite& site, std::shared_ptr<const RowSet> among) {
  SearchCost cost;
  const SearchRequest request{.k = 10, .among = std::move(among), .cost = &cost};
  site.index->Search(std::span(site.queries).last(WideSite::kDimension), request);
  return {cost.rows_read, cost.boxes_read, cost.code_bytes_read[0], cost.code_bytes_read[1]};
}

TEST(FilteredSearchTest, OnlySketchesAndRowsThatPassAreRead) {
  constexpr std::size_t kRows = 40'000;
  const WideSite site(kRows);
  const Counted all = Count(site, nullptr);
  EXPECT_LE(all.boxes, 3 * (kRows / 64 + 64));
  EXPECT_LT(all.rows_read, 500U);
  EXPECT_LE(all.coarse_bytes, (kRows + 20 * kBlockRows) * kCoarseCodes);

  // 4 rows: nothing but these is read, not even a sketch.
  const Counted few = Count(
      site, Shared(RowSet::OfRows(kRows, std::vector<RowNumber>{5, 20'000, 20'001, 39'999, 7, 8, 9, 10, 11, 12})));
  EXPECT_EQ(few.rows_read, 10U);
  EXPECT_EQ(few.boxes + few.coarse_bytes + few.finer_bytes, 0U);

  // 1 %: the codes of no others, and not many more rows than without a filter.
  const auto percent = RandomRows(kRows, 0.01);
  const Counted sparse = Count(site, percent);
  EXPECT_LE(sparse.coarse_bytes, 2 * percent->count() * kCoarseCodes);
  EXPECT_LE(sparse.finer_bytes, 2 * percent->count() * 48);
  EXPECT_LE(sparse.rows_read, percent->count());
  EXPECT_LE(sparse.rows_read, all.rows_read + 36);

  // A range, whose rows stand anywhere in the sketches' order.
  const Counted range = Count(site, Shared(RowSet::OfRanges(kRows, {{10'010, 12'000}})));
  EXPECT_LE(range.finer_bytes, 2 * 1990 * 48);
  EXPECT_LE(range.rows_read, 1990U);

  // Half: not many more rows read than that share explains.
  const Counted half = Count(site, RandomRows(kRows, 0.5));
  EXPECT_LE(half.rows_read, 4 * all.rows_read);
}

TEST(FilteredSearchTest, WithoutSketchesOnlyRowsThatPassAreRead) {
  constexpr std::size_t kRows = 5000;
  const WideSite site(kRows, Made::kWithoutSketches);
  for (const double share : {0.001, 0.01, 0.5}) {
    const auto among = RandomRows(kRows, share);
    SearchCost cost;
    site.index->Search(std::span(site.queries).first(WideSite::kDimension),
                       {.k = 1, .among = among, .threads = 2, .cost = &cost});
    EXPECT_EQ(cost.rows_read, among->count());
  }
}

TEST(FilteredSearchTest, WhatCannotBeHadIsSaid) {
  const WideSite site(5000);
  const auto error = [&](const SearchRequest& request) {
    return ErrorOf([&] { site.index->Search(std::span(site.queries).first(WideSite::kDimension), request); });
  };
  const auto three = Shared(RowSet::OfRanges(5000, {{7, 10}}));
  EXPECT_EQ(error({.k = 4, .among = three}),
            "k 4: 3 of the site's 5000 rows pass the filter; ask for at most that many");
  EXPECT_THAT(error({.k = 2, .rows = RowRange{9, 100}, .among = three}), OneLineWith("k 2", "1 of the site's"));
  EXPECT_THAT(error({.k = 1, .among = Shared(RowSet::OfRanges(4999, {{7, 10}}))}), OneLineWith("4999", "5000"));
  EXPECT_EQ(error({.k = std::nullopt, .among = Shared(RowSet::OfRanges(5000, {}))}), "no error");
  const std::vector<std::optional<RowNumber>> own{8};
  EXPECT_THAT(ErrorOf([&] {
                SearchWithout(*site.index, std::span(site.queries).first(WideSite::kDimension), own,
                              {.k = 3, .among = three});
              }),
              OneLineWith("k 3", "2 rows"));
}

}  // namespace
}  // namespace actkin
