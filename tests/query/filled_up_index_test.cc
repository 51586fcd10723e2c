// Answers of approximate indices that find fewer than k rows.
#include "query/approximate/filled_up_index.h"

#include <set>

#include "tests/error_matchers.h"
#include "tests/query/approximate_site.h"

namespace actkin {
namespace {

class FilledUpIndexTest : public ApproximateIndexTest {
 protected:
  FilledUpIndex FilledUp(const std::string& name, Metric metric = Metric::kL2) {
    return {Open(Build(name, metric)), [this]() -> const SiteIndex& {
              ++exact_searches_;
              return *exact_;
            }};
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
  const FilledUpIndex index = FilledUp("HNSW8");
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
