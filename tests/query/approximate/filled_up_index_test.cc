// Answers of approximate indices that find fewer than k rows.
#include "query/approximate/filled_up_index.h"

#include <set>

#include "tests/error_matchers.h"
#include "tests/query/approximate/approximate_site.h"

namespace actkin {
namespace {

class FilledUpIndexTest : public ApproximateIndexTest {
 protected:
  // threads: to build with; on one a graph is the same each time.
  FilledUpIndex FilledUp(const std::string& name, Metric metric = Metric::kL2, std::uint64_t most_filtered_exactly = 0,
                         int threads = 2) {
    return {Open(Build(name, metric, threads)),
            [this]() -> const SiteIndex& {
              ++exact_searches_;
              return *exact_;
            },
            most_filtered_exactly};
  }

  // Every `step`-th row.
  std::shared_ptr<const RowSet> Every(std::size_t step) const {
    std::vector<RowNumber> rows;
    for (std::size_t row = 0; row < ordinals_.size(); row += step) rows.push_back(static_cast<RowNumber>(row));
    return std::make_shared<const RowSet>(RowSet::OfRows(ordinals_.size(), rows));
  }

  int exact_searches_ = 0;
};

TEST_F(FilledUpIndexTest, WhatIsNotFoundIsTheBestOfTheRest) {
  MakeSite(kDimension, Clusters(2000, kDimension));
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    const FilledUpIndex index = FilledUp("IVF32,Flat", metric);
    SearchRequest request;
    request.metric = metric;
    request.k = 300;
    request.threads = 2;
    std::vector<std::uint64_t> filled_up;
    request.filled_up = &filled_up;
    constexpr std::size_t kQueries = 20;
    const std::span<const float> queries = std::span(values_).first(kQueries * kDimension);
    const auto answers = index.Search(queries, request);
    const auto found = index.bare().Search(queries, request);
    SearchRequest plain = request;
    const auto exact = exact_->Search(queries, plain);
    ASSERT_EQ(filled_up.size(), kQueries);
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < kQueries; ++i) {
      ASSERT_EQ(answers[i].size(), 300U);
      ExpectExactDistances(answers[i], Query(i), metric);
      EXPECT_EQ(filled_up[i], 300 - found[i].size());
      all += filled_up[i];
      std::set<RowNumber> expected;
      for (const Match& match : found[i]) expected.insert(match.row);
      for (const Match& match : exact[i]) {
        if (expected.size() < 300) expected.insert(match.row);
      }
      std::set<RowNumber> rows;
      for (const Match& match : answers[i]) rows.insert(match.row);
      EXPECT_EQ(rows, expected);
    }
    EXPECT_GT(all, 0U);
  }
}

TEST_F(FilledUpIndexTest, RowsThatAreAllEqualAreFound) {
  std::vector<float> values(200 * kDimension);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % kDimension);
  MakeSite(kDimension, values);
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    for (const std::string name : {"IVF4,Flat", "HNSW8", "SQ8", "IVF4,PQ6x4np"}) {
      const FilledUpIndex index = FilledUp(name, metric);
      SearchRequest request;
      request.metric = metric;
      EXPECT_EQ(index.Search(Query(0), request).front().size(), 10U) << name;
      request.k = 200;
      EXPECT_EQ(index.Search(Query(0), request).front().size(), 200U) << name;
    }
  }
}

TEST_F(FilledUpIndexTest, AnIndexThatFindsEnoughAsksNobody) {
  MakeSite(kDimension, Clusters(2000, kDimension));
  const FilledUpIndex index = FilledUp("HNSW8", Metric::kL2, 0, 1);
  std::vector<std::uint64_t> filled_up = {7};
  SearchRequest request;
  request.filled_up = &filled_up;
  index.Search(std::span(values_).first(3 * kDimension), request);
  EXPECT_EQ(exact_searches_, 0);
  EXPECT_THAT(filled_up, testing::ElementsAre(0, 0, 0));
}

TEST_F(FilledUpIndexTest, ABandHasNoMoreThanItHolds) {
  MakeSite(kDimension, Clusters(2000, kDimension));
  const FilledUpIndex index = FilledUp("IVF32,Flat");
  SearchRequest request;
  request.k = 1000;
  request.within = Band{2, 12};
  const auto expected = exact_->Search(Query(3), request).front();
  const auto answer = index.Search(Query(3), request).front();
  ASSERT_EQ(answer.size(), expected.size());
  for (std::size_t i = 0; i < answer.size(); ++i) EXPECT_EQ(answer[i].row, expected[i].row);
}

TEST_F(FilledUpIndexTest, OfFewRowsThatPassTheAnswerIsTheExactOne) {
  MakeSite(kDimension, Clusters(2000, kDimension));
  const FilledUpIndex index = FilledUp("HNSW8", Metric::kL2, 200);
  SearchRequest request;
  request.k = 20;
  request.among = Every(10);
  std::vector<std::uint64_t> filled_up;
  request.filled_up = &filled_up;
  const std::span<const float> queries = std::span(values_).first(5 * kDimension);
  const auto answers = index.Search(queries, request);
  EXPECT_EQ(exact_searches_, 1);
  EXPECT_THAT(filled_up, testing::Each(0));
  const auto exact = exact_->Search(queries, request);
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_EQ(answers[i].size(), 20U);
    for (std::size_t rank = 0; rank < 20; ++rank) EXPECT_EQ(answers[i][rank].row, exact[i][rank].row);
  }
  request.parameters = "efSearch=no";
  EXPECT_THAT(ErrorOf([&] { index.Search(queries, request); }), OneLineWith("efSearch"));
}

TEST_F(FilledUpIndexTest, OfManyRowsThatPassTheIndexFindsSomeAndNeverTooFew) {
  MakeSite(kDimension, Clusters(3000, kDimension));
  for (const std::string name : {"HNSW8", "IVF32,Flat"}) {
    const FilledUpIndex index = FilledUp(name);
    for (const std::size_t step : {2, 7, 100}) {
      SearchRequest request;
      request.among = Every(step);
      request.k = 20;
      for (const std::optional<Band>& band : {std::optional<Band>(), std::optional(Band{3, 60})}) {
        request.within = band;
        const auto answers = index.Search(std::span(values_).first(5 * kDimension), request);
        for (std::size_t i = 0; i < 5; ++i) {
          ASSERT_EQ(answers[i].size(), 20U) << name << step;
          ExpectExactDistances(answers[i], Query(i), Metric::kL2);
          for (const Match& match : answers[i]) EXPECT_TRUE(request.among->Contains(match.row));
        }
      }
      // All that pass.
      request.within.reset();
      request.k = request.among->count();
      EXPECT_EQ(index.Search(Query(0), request).front().size(), *request.k) << name << step;
    }
  }
  // Half of the rows: the index itself finds them.
  const FilledUpIndex graph = FilledUp("HNSW8", Metric::kL2, 0, 1);
  exact_searches_ = 0;
  SearchRequest request;
  request.among = Every(2);
  graph.Search(std::span(values_).first(5 * kDimension), request);
  EXPECT_EQ(exact_searches_, 0);
}

TEST_F(FilledUpIndexTest, WhatExactThrowsIsThrownWhereItIsNeeded) {
  MakeSite(kDimension, Clusters(500, kDimension));
  const FilledUpIndex index(Open(Build("IVF32,Flat")), []() -> const SiteIndex& { Fail("exact is damaged"); });
  SearchRequest request;
  request.k = 1;
  EXPECT_EQ(index.Search(Query(0), request).front().size(), 1U);
  request.k = 400;
  EXPECT_THAT(ErrorOf([&] { index.Search(Query(0), request); }), OneLineWith("exact is damaged"));
}

}  // namespace
}  // namespace actkin
