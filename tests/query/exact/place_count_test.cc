// Places of rows that are counted, and rows up to a length.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "query/exact/place_counter.h"
#include "query/exact/ranking.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::size_t kDimension = 96;

// Rows whose variance falls from axis to axis, each there twice, so that distances are shared.
std::vector<float> FallingRows(std::size_t row_count) {
  std::mt19937 generator(21);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (std::size_t i = 0; i < row_count / 2 * kDimension; ++i) {
    values.push_back(3 + normal(generator) * std::pow(0.9F, static_cast<float>(i % kDimension)));
  }
  std::vector<float> twice = values;
  twice.insert(twice.end(), values.begin(), values.end());
  return twice;
}

std::shared_ptr<const RowSet> SomeRows(std::uint64_t row_count, double share) {
  std::mt19937 generator(5);
  std::bernoulli_distribution passes(share);
  std::vector<RowNumber> rows;
  for (RowNumber row = 0; row < row_count; ++row) {
    if (passes(generator)) rows.push_back(row);
  }
  return std::make_shared<const RowSet>(RowSet::OfRows(row_count, rows));
}

// Compares with the places in the whole answer, of every so-manieth row; band: of these ranks of it. Of a band also
// rows that lie outside it.
void ExpectPlaces(const SiteIndex& index, std::span<const float> query, SearchRequest request, std::size_t step,
                  bool with_band, const std::string& what) {
  request.k.reset();
  std::vector<Match> all;
  if (with_band) {
    all = index.Search(query, request).front();
    if (all.size() < 4) return;
    const double one = all[all.size() / 4].distance;
    const double other = all[all.size() * 3 / 4].distance;
    request.within = Band{std::min(one, other), std::max(one, other)};
  }
  const std::vector<Match> answer = index.Search(query, request).front();
  std::vector<Match> asked;
  std::vector<std::uint64_t> places;
  for (std::size_t place = 0; place < answer.size(); place += step) {
    asked.push_back(answer[place]);
    places.push_back(place);
  }
  if (with_band) {
    const auto outside = [&](const Match& match) {
      return match.distance < request.within->low || match.distance > request.within->high;
    };
    if (outside(all.front())) {
      asked.push_back(all.front());
      places.push_back(0);
    }
    if (outside(all.back())) {
      asked.push_back(all.back());
      places.push_back(answer.size());
    }
  }
  // In any order.
  std::ranges::reverse(asked);
  std::ranges::reverse(places);
  EXPECT_EQ(index.CountBefore(query, asked, request), places) << what;
  if (!answer.empty()) {
    EXPECT_EQ(index.CountBefore(query, std::span(answer).first(1), request), std::vector<std::uint64_t>{0}) << what;
  }
}

TEST(PlaceCountTest, PlacesAreThoseInTheWholeAnswer) {
  constexpr std::size_t kRows = 6000;
  const TemporaryFolder folder;
  const std::vector<float> values = FallingRows(kRows);
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(kRows);
  for (const Made made : {Made::kWithSketches, Made::kWithoutSketches}) {
    for (const Element element : {Element::kFloat32, Element::kFloat16}) {
      const auto index = MakeExactIndex(folder, element, kDimension, values, ordinals, {1000, 1001}, made);
      int number = 0;
      for (const Metric metric : kMetrics) {
        for (const Order order : {Order::kNearest, Order::kFarthest}) {
          for (const double share : {1.0, 0.5, 0.03, 0.001}) {
            for (const bool with_band : {false, true}) {
              SearchRequest request{.metric = metric, .order = order, .threads = 1 + number++ % 3};
              if (share < 1) request.among = SomeRows(kRows, share);
              if (number % 3 == 0) request.rows = RowRange{700, 5200};
              const std::span<const float> query = std::span(values).subspan(77 * kDimension, kDimension);
              ExpectPlaces(*index, query, request, 97, with_band,
                           fmt::format("{} {} share {} band {} sketches {}", Name(metric), Name(order), share,
                                       with_band, static_cast<int>(made)));
            }
          }
        }
      }
    }
  }
}

TEST(PlaceCountTest, HardRowsAndQueriesHavePlacesToo) {
  const TemporaryFolder folder;
  for (const MadeRows& rows : HardRows()) {
    const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(rows.row_count());
    for (const Made made : {Made::kWithSketches, Made::kWithoutSketches}) {
      const auto index = MakeExactIndex(folder, Element::kFloat32, rows.dimension, rows.values, ordinals, {}, made);
      for (const Metric metric : kMetrics) {
        for (const Order order : {Order::kNearest, Order::kFarthest}) {
          for (std::size_t query = 0; query < 5; ++query) {
            const auto numbers = std::span(rows.queries).subspan(query * rows.dimension, rows.dimension);
            ExpectPlaces(*index, numbers, {.metric = metric, .order = order}, 61, query % 2 == 1,
                         fmt::format("{} {} {} query {}", rows.name, Name(metric), Name(order), query));
          }
        }
      }
    }
  }
}

// Most rows are counted by their sketches: near the ends of the ranking nearly all, in its middle, where many rows are
// at much the same distance, and with axes that are not the principal ones, the most of them.
TEST(PlaceCountTest, FewRowsAreReadForAPlace) {
  constexpr std::size_t kRows = 20000;
  const TemporaryFolder folder;
  const std::vector<float> values = FallingRows(kRows);
  const auto index =
      MakeExactIndex(folder, Element::kFloat32, kDimension, values, ShuffledOrdinals(kRows), {}, Made::kWithSketches);
  const std::span<const float> query = std::span(values).subspan(77 * kDimension, kDimension);
  const std::vector<Match> all = index->Search(query, {.k = std::nullopt}).front();
  const auto read_for = [&](std::span<const Match> matches, SearchRequest request) {
    SearchCost cost;
    request.cost = &cost;
    index->CountBefore(query, matches, request);
    return cost.rows_read.load();
  };
  for (const std::size_t place : {0UL, 100UL, kRows - 1}) {
    EXPECT_LT(read_for(std::span(all).subspan(place, 1), {}), kRows / 20) << place;
  }
  EXPECT_LT(read_for(std::span(all).subspan(kRows / 4, 1), {}), kRows * 2 / 5);
  EXPECT_LT(read_for(std::span(all).subspan(kRows / 2, 1), {}), kRows * 2 / 5);
  // Many in one pass.
  EXPECT_LT(read_for(std::span(all).first(10), {}), kRows / 20);
  // Of a filter that leaves few no others are read.
  EXPECT_LE(read_for(std::span(all).first(1), {.among = SomeRows(kRows, 0.005)}), SomeRows(kRows, 0.005)->count());
  EXPECT_EQ(read_for({}, {}), 0U);
}

TEST(PlaceCountTest, ARankingOfAFewRowsHasTheRanksAmongAll) {
  constexpr std::size_t kRows = 6000;
  const TemporaryFolder folder;
  const std::vector<float> values = FallingRows(kRows);
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(kRows);
  const std::shared_ptr<const SiteIndex> index =
      MakeExactIndex(folder, Element::kFloat32, kDimension, values, ordinals, {}, Made::kWithSketches);
  const std::span<const float> query = std::span(values).subspan(77 * kDimension, kDimension);
  const std::vector<Match> all = index->Search(query, {.k = std::nullopt}).front();
  SearchRequest few{.k = std::nullopt};
  few.among = SomeRows(kRows, 0.02);
  Ranking ranking(index, true, {query.begin(), query.end()}, few);
  ranking.CountRanksAmong({.k = std::nullopt});
  int paused = 0;
  const auto pause = [&paused] { ++paused; };
  for (std::uint64_t place = 0; place < few.among->count(); ++place) {
    const std::optional<Match> match = ranking.Find(place, 0, pause);
    const std::uint64_t rank = ranking.Rank(place, pause);
    ASSERT_LE(rank, all.size());
    EXPECT_EQ(all[rank - 1].row, match->row);
  }
  EXPECT_FALSE(ranking.Find(few.among->count(), 0, pause));
  EXPECT_GT(paused, 0);
}

TEST(PlaceCountTest, WhatCannotBeCountedIsRefused) {
  const TemporaryFolder folder;
  const std::vector<float> values = FallingRows(100);
  const auto index = MakeExactIndex(folder, Element::kFloat32, kDimension, values, ShuffledOrdinals(100));
  const std::vector<Match> match{{0, 0, 0}};
  EXPECT_THAT(ErrorOf([&] { index->CountBefore(std::span(values).first(5), match, {}); }), OneLineWith("5 numbers"));
  EXPECT_THAT(ErrorOf([&] {
                index->CountBefore(std::span(values).first(kDimension), match, {.rows = RowRange{50, 200}});
              }),
              OneLineWith("rows 50-200"));
}

TEST(RowLengthTest, RowsUpToALengthAreThoseByBruteForce) {
  const TemporaryFolder folder;
  std::vector<MadeRows> sites = HardRows();
  sites.push_back({"falling", kDimension, FallingRows(6000), {}, false});
  for (const MadeRows& rows : sites) {
    const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(rows.row_count());
    std::vector<double> lengths;
    for (std::size_t row = 0; row < rows.row_count(); ++row) {
      double square = 0;
      for (std::size_t i = 0; i < rows.dimension; ++i)
        square += std::pow(double{rows.values[row * rows.dimension + i]}, 2);
      lengths.push_back(std::sqrt(square));
    }
    std::vector<double> sorted = lengths;
    std::ranges::sort(sorted);
    std::vector<double> limits{0, 1e300, std::numeric_limits<double>::infinity(), sorted.front() / 2};
    // Between two that differ by more than sums of another order may.
    for (std::size_t i = 0; i + 1 < sorted.size(); i += 1 + sorted.size() / 20) {
      if (sorted[i + 1] > sorted[i] * (1 + 1e-12)) limits.push_back(sorted[i] + (sorted[i + 1] - sorted[i]) / 2);
    }
    // Of whole numbers the limit itself is in.
    if (rows.whole_numbers) limits.push_back(sorted[sorted.size() / 2]);
    for (const Made made : {Made::kWithSketches, Made::kWithoutSketches}) {
      const auto index = MakeExactIndex(folder, Element::kFloat32, rows.dimension, rows.values, ordinals, {}, made);
      for (const double limit : limits) {
        const RowSet found = index->RowsUpTo(limit, 2);
        for (RowNumber row = 0; row < rows.row_count(); ++row) {
          ASSERT_EQ(found.Contains(row), lengths[row] <= limit) << rows.name << " row " << row << " limit " << limit;
        }
      }
    }
  }
}

TEST(RowLengthTest, ALengthIsANumberFromZeroOn) {
  const TemporaryFolder folder;
  const std::vector<float> values = FallingRows(10);
  const auto index = MakeExactIndex(folder, Element::kFloat32, kDimension, values, ShuffledOrdinals(10));
  EXPECT_THAT(ErrorOf([&] { index->RowsUpTo(-1, 1); }), OneLineWith("max_length -1", "at least 0"));
  EXPECT_THAT(ErrorOf([&] { index->RowsUpTo(std::nan(""), 1); }), OneLineWith("max_length nan"));
}

}  // namespace
}  // namespace actkin
