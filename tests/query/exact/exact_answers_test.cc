// Exact search against brute force: hard rows, wide rows, clusters, whole numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "query/exact/exact_index.h"
#include "tests/error_matchers.h"
#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

// Bands, in units of the metric, that hold some rows of most sets: taken from the distances that occur.
std::vector<std::optional<Band>> Bands(const MadeRows& rows, std::span<const StringOrdinal> ordinals,
                                       SearchRequest request) {
  request.k.reset();
  request.within.reset();
  request.rows.reset();
  const std::vector<Match> all =
      BruteForce(rows.values, ordinals, std::span(rows.queries).first(rows.dimension), request);
  const auto [low, high] = std::minmax(all[all.size() / 3].distance, all[all.size() / 2].distance);
  return {std::nullopt, Band{low, high}, Band{.low = high}, Band{.high = low}};
}

struct Asked {
  SearchRequest request;
  std::size_t query_count = 1;
  std::string what;
};

// Metric x order x k x band x row range x batch x threads.
std::vector<Asked> EveryRequest(const MadeRows& rows, std::span<const StringOrdinal> ordinals) {
  std::vector<Asked> asked;
  const std::uint64_t count = rows.row_count();
  int number = 0;
  for (const Metric metric : kMetrics) {
    for (const Order order : {Order::kNearest, Order::kFarthest}) {
      SearchRequest base{.metric = metric, .order = order};
      for (const std::optional<Band>& band : Bands(rows, ordinals, base)) {
        for (const std::optional<std::uint64_t> k :
             {std::optional<std::uint64_t>(1), std::optional<std::uint64_t>(10), std::optional<std::uint64_t>()}) {
          for (const bool part : {false, true}) {
            Asked one{base, number % 2 == 0 ? 1U : 5U, {}};
            one.request.within = band;
            one.request.k = k;
            if (part) one.request.rows = RowRange{count / 5, count - count / 4};
            const std::uint64_t looked_at = part ? one.request.rows->size() : count;
            if (k && *k > looked_at) one.request.k = looked_at;
            if (one.request.k && *one.request.k == 0) continue;
            one.request.threads = 1 + number % 3;
            one.what =
                fmt::format("{}, {} {} k {} band {} part {} queries {} threads {}", rows.name, Name(metric),
                            Name(order), k.value_or(0), band.has_value(), part, one.query_count, one.request.threads);
            asked.push_back(one);
            ++number;
          }
        }
      }
    }
  }
  return asked;
}

class HardRowsTest : public testing::TestWithParam<std::tuple<Element, Made>> {};

TEST_P(HardRowsTest, EveryRequestGetsTheBruteForceAnswer) {
  for (MadeRows& rows : HardRows()) {
    const TemporaryFolder folder;
    const std::size_t count = rows.row_count();
    const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(count);
    const std::vector<RowNumber> splits =
        count > 100 ? std::vector<RowNumber>{static_cast<RowNumber>(count / 4), static_cast<RowNumber>(count - 33)}
                    : std::vector<RowNumber>{};
    const auto [element, made] = GetParam();
    const auto index = MakeExactIndex(folder, element, rows.dimension, rows.values, ordinals, splits, made);
    ASSERT_EQ(index->row_count(), count);
    // The answer is that over the stored numbers.
    rows.values = AsStored(element, rows.dimension, rows.values);
    if (element == Element::kInt8) rows.whole_numbers = false;
    for (const Asked& asked : EveryRequest(rows, ordinals)) {
      const auto queries = std::span(rows.queries).first(asked.query_count * rows.dimension);
      const auto answers = index->Search(queries, asked.request);
      ASSERT_EQ(answers.size(), asked.query_count);
      for (std::size_t query = 0; query < asked.query_count; ++query) {
        ASSERT_TRUE(ExpectRightAnswer(answers[query], rows.values, ordinals,
                                      queries.subspan(query * rows.dimension, rows.dimension), asked.request,
                                      rows.whole_numbers ? 0 : 1e-13, fmt::format("{} query {}", asked.what, query)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Elements, HardRowsTest,
                         testing::Combine(testing::Values(Element::kFloat32, Element::kFloat16, Element::kInt8),
                                          testing::Values(Made::kWithSketches, Made::kWithoutSketches)),
                         [](const auto& made) {
                           return std::string(Name(std::get<0>(made.param))) +
                                  (std::get<1>(made.param) == Made::kWithSketches ? "WithSketches" : "WithoutSketches");
                         });

// More dimensions than axes; a few of them wide, as activations are, so that sketches leave most rows out.
TEST(SketchesTest, WideRowsGetTheBruteForceAnswerForEveryK) {
  constexpr std::size_t kDimension = 96;
  constexpr std::size_t kRows = 5000;
  std::mt19937 generator(21);
  std::normal_distribution<float> normal;
  std::vector<float> values(kRows * kDimension);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 3 + normal(generator) * std::pow(0.9F, static_cast<float>(i % kDimension));
  }
  std::vector<float> queries(values.begin() + 77 * kDimension, values.begin() + 78 * kDimension);
  for (std::size_t i = 0; i < kDimension; ++i) queries.push_back(3 + normal(generator));
  for (std::size_t i = 0; i < kDimension; ++i) queries.push_back(1e6F * normal(generator));
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(kRows);
  const TemporaryFolder folder;
  const auto index =
      MakeExactIndex(folder, Element::kFloat32, kDimension, values, ordinals, {1000, 1001}, Made::kWithSketches);
  for (const Metric metric : kMetrics) {
    for (const Order order : {Order::kNearest, Order::kFarthest}) {
      for (const std::uint64_t k : {1, 10, 1000, 4999, 5000}) {
        for (const std::optional<RowRange> rows : {std::optional<RowRange>(), std::optional(RowRange{1, 5000})}) {
          if (rows && k > rows->size()) continue;
          const SearchRequest request{.metric = metric, .order = order, .k = k, .rows = rows, .threads = 2};
          const auto answers = index->Search(queries, request);
          for (std::size_t query = 0; query < 3; ++query) {
            ExpectRightAnswer(answers[query], values, ordinals,
                              std::span(queries).subspan(query * kDimension, kDimension), request, 1e-12,
                              fmt::format("{} {} k {} query {}", Name(metric), Name(order), k, query));
          }
        }
      }
    }
  }
}

// Rows whose variance falls from axis to axis, as activations' does.
std::vector<float> FallingRows(std::size_t count, std::size_t dimension, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count * dimension);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = normal(generator) * std::pow(0.8F, static_cast<float>(i % dimension));
  }
  return values;
}

// More rows than wait of one query, where several are asked.
TEST(SketchesTest, ManyRowsThatNoLevelLeavesOutAreAllRead) {
  constexpr std::size_t kDimension = 24;
  constexpr std::size_t kRows = 80'000;
  std::mt19937 generator(37);
  std::normal_distribution<float> normal;
  std::vector<float> values(kRows * kDimension);
  for (float& value : values) value = normal(generator);
  std::vector<float> queries(3 * kDimension);
  for (float& value : queries) value = normal(generator);
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(kRows);
  const auto index = MakeExactIndex(folder, Element::kFloat32, kDimension, values, ordinals, {}, Made::kWithSketches);
  const SearchRequest many{.k = 30'000};
  const SearchRequest band{.k = std::nullopt, .within = Band{0, 7}};
  for (const SearchRequest& request : {many, band}) {
    const auto answers = index->Search(queries, request);
    for (std::size_t query = 0; query < answers.size(); ++query) {
      ExpectRightAnswer(answers[query], values, ordinals, std::span(queries).subspan(query * kDimension, kDimension),
                        request, 1e-12, fmt::format("{} rows of query {}", answers[query].size(), query));
      EXPECT_GT(answers[query].size(), 29'000U);
    }
  }
}

// A question that float32 has no room for is answered by a scan; those that are asked with it are not.
TEST(SketchesTest, AQuestionThatSketchesCannotTellOfLeavesTheOthersTheirs) {
  constexpr std::size_t kDimension = 40;
  constexpr std::size_t kRows = 20'000;
  const std::vector<float> values = FallingRows(kRows, kDimension, 41);
  const TemporaryFolder folder;
  const auto index =
      MakeExactIndex(folder, Element::kFloat32, kDimension, values, ShuffledOrdinals(kRows), {}, Made::kWithSketches);
  std::vector<float> queries(values.begin(), values.begin() + 12 * kDimension);
  std::fill_n(queries.begin() + 5 * kDimension, kDimension, 1e25F);
  for (const char* parameters : {"", "rows=128"}) {
    for (const int threads : {1, 3}) {
      SearchCost cost;
      const SearchRequest request{.k = 10, .parameters = parameters, .threads = threads, .cost = &cost};
      const auto together = index->Search(queries, request);
      EXPECT_LT(cost.rows_read, 2 * kRows);
      for (std::size_t query = 0; query < 12; ++query) {
        const auto alone = index->Search(std::span(queries).subspan(query * kDimension, kDimension), request).front();
        EXPECT_TRUE(std::ranges::equal(together[query], alone, {}, &Match::row, &Match::row))
            << parameters << ' ' << query;
      }
    }
  }
}

// The k best of some rows: ever more of those of all rows.
TEST(SketchesTest, ASearchMayStopEarly) {
  constexpr std::size_t kDimension = 40;
  constexpr std::size_t kRows = 20'000;
  const std::vector<float> values = FallingRows(kRows, kDimension, 31);
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(kRows);
  const auto index = MakeExactIndex(folder, Element::kFloat32, kDimension, values, ordinals, {}, Made::kWithSketches);
  const auto queries = std::span(values).first(50 * kDimension);
  for (const Metric metric : kMetrics) {
    const auto all = index->Search(queries, {.metric = metric, .k = 10});
    std::size_t found_before = 0;
    for (const std::uint64_t rows : {64, 1000, 4000, 20'000}) {
      SearchCost cost;
      const auto some = index->Search(
          queries,
          {.metric = metric, .k = 10, .parameters = fmt::format("rows={}", rows), .threads = 1, .cost = &cost});
      std::size_t found = 0;
      for (std::size_t query = 0; query < some.size(); ++query) {
        ASSERT_EQ(some[query].size(), 10U);
        for (const Match& match : some[query]) {
          found += std::ranges::count(all[query], match.row, &Match::row);
        }
      }
      // Each bound is found among the most promising blocks first.
      EXPECT_LE(cost.code_bytes_read[0], 50 * (SketchBlocks(rows) + 17) * kBlockBytes);
      EXPECT_GE(found, found_before) << Name(metric) << ' ' << rows;
      found_before = found;
    }
    EXPECT_EQ(found_before, 500U);

    // As many rows as were measured to find this share: other rows find about as many. What two threads read depends
    // on which of them finds a bound first, so that one is counted.
    std::uint64_t read_before = 0;
    for (const char* share : {"recall=.5", "recall=.9", "recall=0.99", "recall=1"}) {
      SearchCost cost;
      SearchRequest request{.metric = metric, .k = 10, .parameters = share, .threads = 1, .cost = &cost};
      const auto some = index->Search(queries, request);
      const std::uint64_t read = cost.code_bytes_read[0];
      request.threads = 2;
      const auto by_two = index->Search(queries, request);
      std::size_t found = 0;
      for (std::size_t query = 0; query < some.size(); ++query) {
        EXPECT_TRUE(std::ranges::equal(some[query], by_two[query], {}, &Match::row, &Match::row)) << share;
        for (const Match& match : some[query]) found += std::ranges::count(all[query], match.row, &Match::row);
      }
      EXPECT_GE(static_cast<double>(found) / 500, std::strtod(share + std::strlen("recall="), nullptr) - 0.05)
          << Name(metric) << ' ' << share;
      // A bound that is found a little later lets a few more blocks be read, of one query.
      EXPECT_GE(read + 50 * kBlockRows * kCoarseCodes, read_before) << Name(metric) << ' ' << share;
      read_before = read;
    }
  }
  // Measured of the nearest: of the farthest nothing is known, so that all rows count.
  const SearchRequest farthest{.order = Order::kFarthest, .k = 10};
  SearchRequest early = farthest;
  early.parameters = "recall=.5";
  EXPECT_EQ(index->Search(queries, early)[3].back().distance, index->Search(queries, farthest)[3].back().distance);
  // Never fewer than k.
  const SearchRequest many{.k = 3000, .parameters = "rows=100"};
  EXPECT_EQ(index->Search(queries, many)[7].size(), 3000U);
  const auto error = [&](const SearchRequest& request) { return ErrorOf([&] { index->Search(queries, request); }); };
  EXPECT_THAT(error({.k = 1, .parameters = "rows=0"}), OneLineWith("rows=0", "rows=N"));
  EXPECT_THAT(error({.k = 1, .parameters = "rows=5x"}), OneLineWith("rows=5x", "rows=N"));
  EXPECT_THAT(error({.k = 1, .parameters = "recall=0"}), OneLineWith("recall=0", "recall=R"));
  EXPECT_THAT(error({.k = 1, .parameters = "recall=1.01"}), OneLineWith("recall=1.01", "at most 1"));
  EXPECT_THAT(error({.k = 1, .parameters = "efSearch=5"}), OneLineWith("efSearch=5", "rows=N"));
  EXPECT_THAT(error({.k = std::nullopt, .parameters = "rows=5"}), OneLineWith("rows=5", "give k"));
}

// Clusters, equal rows, few dimensions, a few rows and coordinates that are huge: as activations are, and worse.
class ClusteredRowsTest : public testing::TestWithParam<unsigned> {};

TEST_P(ClusteredRowsTest, EveryMetricGetsTheBruteForceAnswer) {
  std::mt19937 generator(GetParam());
  const auto pick = [&](auto... choices) {
    const std::array all{choices...};
    return all[generator() % all.size()];
  };
  std::normal_distribution<float> normal;
  const auto dimension = pick(std::size_t{1}, std::size_t{2}, std::size_t{17}, std::size_t{90}, std::size_t{320});
  const std::size_t count = 6000 + generator() % 1500;
  const auto clusters = pick(std::size_t{1}, std::size_t{7}, std::size_t{300});
  const auto offset = pick(0.0F, 3.0F, 100.0F);
  const auto outliers = pick(0, 1, 30, 900);
  const auto scale = pick(1.0F, 1e-12F, 1e12F);
  std::vector<float> centers(clusters * dimension);
  for (float& number : centers) number = 4 * normal(generator);
  std::vector<float> values(count * dimension);
  for (std::size_t row = 0; row < count; ++row) {
    const std::size_t cluster = generator() % clusters;
    const float width = row % 5 == 0 ? 0.0F : 0.3F;  // a fifth of the rows stand on their centers
    for (std::size_t i = 0; i < dimension; ++i) {
      const float fading = std::pow(0.97F, static_cast<float>(i));
      const float number = (centers[cluster * dimension + i] + width * normal(generator)) * fading + offset;
      values[row * dimension + i] = number * scale;
    }
  }
  for (int i = 0; i < outliers; ++i) {
    float* row = values.data() + generator() % count * dimension;
    if (generator() % 2 == 0) {
      row[generator() % dimension] *= 5000;
    } else {
      std::for_each(row, row + dimension, [](float& number) { number *= 300; });
    }
  }
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(count, generator());
  const auto index = MakeExactIndex(folder, Element::kFloat32, dimension, values, ordinals,
                                    {static_cast<RowNumber>(generator() % 4000 + 1)}, Made::kWithSketches);
  std::vector<float> queries(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(3 * dimension));
  for (std::size_t i = 0; i < dimension; ++i) queries.push_back(scale * (offset + 5 * normal(generator)));
  for (std::size_t i = 0; i < dimension; ++i) queries.push_back(scale * 1000 * normal(generator));
  for (const Metric metric : kMetrics) {
    for (const Order order : {Order::kNearest, Order::kFarthest}) {
      SearchRequest request{.metric = metric, .order = order, .threads = 1 + static_cast<int>(generator() % 3)};
      request.k = pick(std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{300});
      const int part = static_cast<int>(generator() % 4);
      if (part == 1) request.rows = RowRange{count / 3, count - 7};
      if (part == 2) {
        std::vector<RowNumber> rows;
        const unsigned step = pick(2U, 18U);
        for (RowNumber row = 0; row < count; ++row) {
          if (generator() % step == 0) rows.push_back(row);
        }
        request.among = std::make_shared<const RowSet>(RowSet::OfRows(count, rows));
      }
      if (part == 3) {
        SearchRequest every = request;
        every.k.reset();
        const auto all = BruteForce(values, ordinals, std::span(queries).last(2 * dimension).first(dimension), every);
        const auto [low, high] = std::minmax(all[count / 50].distance, all[count / 20].distance);
        request.within = Band{low, high};
        if (generator() % 2 == 0) request.k.reset();
      }
      const auto answers = index->Search(queries, request);
      for (std::size_t query = 0; query < answers.size(); ++query) {
        ASSERT_TRUE(ExpectRightAnswer(
            answers[query], values, ordinals, std::span(queries).subspan(query * dimension, dimension), request, 1e-11,
            fmt::format("{} {} part {} dimension {} query {}", Name(metric), Name(order), part, dimension, query)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ClusteredRowsTest, testing::Range(0U, 24U));

// Whole numbers have one right answer, to the last bit.
RC_GTEST_PROP(ExactIndexProperty, WholeNumbersGetExactlyTheBruteForceAnswer, ()) {
  const auto dimension = *rc::gen::inRange<std::size_t>(1, 80);
  const auto count = *rc::gen::inRange<std::size_t>(1, 200);
  const auto largest = *rc::gen::element(1, 3, 50);
  const auto numbers = [&](std::size_t size) {
    const auto drawn = *rc::gen::container<std::vector<int>>(size, rc::gen::inRange(-largest, largest + 1));
    return std::vector<float>(drawn.begin(), drawn.end());
  };
  const std::vector<float> values = numbers(count * dimension);
  const std::vector<float> query = numbers(dimension);
  SearchRequest request;
  request.metric = *rc::gen::elementOf(kMetrics);
  request.order = *rc::gen::element(Order::kNearest, Order::kFarthest);
  request.k = *rc::gen::inRange<std::uint64_t>(1, count + 1);
  request.threads = *rc::gen::inRange(1, 4);
  if (*rc::gen::arbitrary<bool>()) {
    const double low = *rc::gen::inRange(-3, 20) / (request.metric == Metric::kL2 ? 1.0 : 20.0);
    request.within = Band{low, low + *rc::gen::inRange(0, 30) / 4.0};
  }
  const auto split = *rc::gen::inRange<RowNumber>(0, static_cast<RowNumber>(count) + 1);
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(count, *rc::gen::arbitrary<unsigned>());
  const auto index =
      MakeExactIndex(folder, *rc::gen::element(Element::kFloat32, Element::kFloat16), dimension, values, ordinals,
                     split > 0 && split < count ? std::vector{split} : std::vector<RowNumber>{},
                     *rc::gen::element(Made::kWithSketches, Made::kWithoutSketches));
  RC_ASSERT(ExpectRightAnswer(index->Search(query, request)[0], values, ordinals, query, request, 0, "whole numbers"));
}

}  // namespace
}  // namespace actkin
