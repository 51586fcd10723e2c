// The public face: neighbors are those of the command.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "actkin/index.h"
#include "tests/query/face/index_face_fixture.h"

namespace actkin {
namespace {

using nlohmann::ordered_json;

TEST_F(IndexFaceTest, NeighborsAreTheCommands) {
  actkin::Index index = Open();
  ExpectSame(index.Neighbors("abba ", {.next_tokens = true}), Ask("query", {"abba "}));
  ExpectSame(index.Neighbors("abba ", {.stream = "proj",
                                       .block = -2,
                                       .t_i = 3,
                                       .metric = "cosine",
                                       .order = "farthest",
                                       .k = 7,
                                       .threads = 2,
                                       .next_tokens = true}),
             Ask("query", {"abba ", "--stream", "proj", "--block", "-2", "--t-i", "3", "--metric", "cosine", "--order",
                           "farthest", "-k", "7"}));
  ExpectSame(index.Neighbors("abba ", {.metric = "cosine", .low = 0.2, .high = 0.9, .next_tokens = true}),
             Ask("query", {"abba ", "--metric", "cosine", "--within", "0.2:0.9"}));
  ExpectSame(index.Neighbors("abb", {.stream = "embedding", .next_tokens = true}),
             Ask("query", {"abb", "--stream", "embedding"}));
  // Nothing that was not asked for.
  for (const Neighbor& row : index.Neighbors("abba ").rows) EXPECT_THAT(row.next_tokens, testing::IsEmpty());

  const std::vector<std::string> prompts{"abba ", "ddd", "cab"};
  const std::vector<NeighborList> batch = index.NeighborsOfPrompts(prompts, {.stream = "embedding", .k = 3});
  ASSERT_EQ(batch.size(), prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(Json(batch[i]), Json(index.Neighbors(prompts[i], {.stream = "embedding", .k = 3})));
  }
  EXPECT_EQ(batch[0].t_i, 4);
  EXPECT_EQ(batch[1].t_i, 2);
  EXPECT_THAT(index.NeighborsOfPrompts(std::vector<std::string>()), testing::IsEmpty());
}

// Inner products, and cosines of what differs from the mean, of the rows as they are stored; of a proj site and of an
// embedding.
TEST_F(IndexFaceTest, DotAndCenteredCosineAreThoseOfTheRows) {
  actkin::Index index = Open();
  for (const std::string stream : {"proj", "embedding"}) {
    const auto sites = index.Info().sites;
    const auto site =
        std::ranges::find_if(sites, [&](const SiteInfo& one) { return one.stream == stream && one.t_i == 4; });
    ASSERT_NE(site, sites.end());
    std::vector<std::uint64_t> string_ids(site->rows);
    std::iota(string_ids.begin(), string_ids.end(), site->first_string_id);
    const std::size_t dimension = site->dimension;
    std::vector<float> rows(string_ids.size() * dimension);
    index.Rows({stream, site->block, 4}, string_ids, rows);
    std::vector<double> mean(dimension);
    for (std::size_t i = 0; i < rows.size(); ++i) mean[i % dimension] += rows[i];
    for (double& number : mean) number /= static_cast<double>(string_ids.size());
    const float* asked = rows.data() + 3 * dimension;
    const auto product = [&](const float* a, const float* b, bool center) {
      double sum = 0;
      for (std::size_t i = 0; i < dimension; ++i) sum += (a[i] - center * mean[i]) * (b[i] - center * mean[i]);
      return sum;
    };
    for (const bool center : {false, true}) {
      const NeighborList list =
          index.NeighborsOfVector(std::span(asked, dimension), {.stream = stream,
                                                                .block = site->block,
                                                                .t_i = 4,
                                                                .metric = center ? "cosine" : "dot",
                                                                .center = center,
                                                                .k = site->rows});
      ASSERT_EQ(list.rows.size(), string_ids.size());
      double before = std::numeric_limits<double>::infinity();
      for (const Neighbor& neighbor : list.rows) {
        const float* row = rows.data() + (neighbor.string_id - site->first_string_id) * dimension;
        double expected = product(row, asked, center);
        if (center) expected /= std::sqrt(product(row, row, center) * product(asked, asked, center));
        ASSERT_TRUE(neighbor.similarity);
        EXPECT_NEAR(*neighbor.similarity, expected, 1e-9);
        EXPECT_EQ(neighbor.distance, center ? 1 - *neighbor.similarity : -*neighbor.similarity);
        EXPECT_LE(*neighbor.similarity, before);
        before = *neighbor.similarity;
      }
    }
  }
  ExpectSame(index.Neighbors("abba ", {.metric = "dot", .order = "farthest", .low = -1e9, .next_tokens = true}),
             Ask("query", {"abba ", "--metric", "dot", "--order", "farthest", "--within=-1e9:"}));
  const ordered_json centered = Ask("query", {"abba ", "--metric", "cosine", "--center"});
  ExpectSame(index.Neighbors("abba ", {.metric = "cosine", .center = true, .next_tokens = true}), centered);
  EXPECT_EQ(centered["metric"], "cosine");
  EXPECT_EQ(centered["center"], true);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.center = true}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Json(index.Predict("abba ", {.metric = "dot"})), Ask("predict", {"abba ", "--metric", "dot"})["tokens"]);
}

// The tokens of the made corpus are \n, blank, a, b, c, d and \u00e4.
TEST_F(IndexFaceTest, IdsAreAPromptToo) {
  actkin::Index index = Open();
  const std::vector<std::uint32_t> ids{2, 3, 3, 2, 1};
  EXPECT_EQ(Json(index.Neighbors(ids)), Json(index.Neighbors("abba ")));
  EXPECT_EQ(Json(index.Predict(ids)), Json(index.Predict("abba ")));
  EXPECT_EQ(Json(index.Model(ids)), Json(index.Model("abba ")));
  EXPECT_EQ(index.NextTokens(ids).size(), index.NextTokens("abba ").size());
  const std::vector<PromptInput> both{ids, "cab"};
  const std::vector<NeighborList> batch = index.NeighborsOfPrompts(both);
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_EQ(Json(batch[0]), Json(index.Neighbors("abba ")));
  EXPECT_EQ(Json(batch[1]), Json(index.Neighbors("cab")));
  EXPECT_EQ(CodeOf([&] { index.Neighbors(std::vector<std::uint32_t>{2, 7}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Neighbors(std::vector<std::uint32_t>{}); }), ErrorCode::kInvalidArgument);
}

TEST_F(IndexFaceTest, AStringAndItsRowHaveTheNeighborsOfThePrompt) {
  actkin::Index index = Open();
  const std::string text = Query(Index(), "SELECT text FROM string WHERE length = 5 LIMIT 1");
  const std::uint64_t string_id = StringId(text);
  for (const std::string stream : {"embedding", "proj", "ffwd"}) {
    const NeighborList of_prompt = index.Neighbors(text, {.stream = stream, .k = 4});
    EXPECT_EQ(of_prompt.rows[0].string_id, string_id);
    EXPECT_EQ(Json(index.NeighborsOfString(string_id, {.stream = stream, .k = 4})), Json(of_prompt));
    std::vector<float> row(stream == "embedding" ? 60 : 12);
    index.Rows({stream, -1, -1}, std::vector<std::uint64_t>{string_id}, row);
    EXPECT_EQ(Json(index.NeighborsOfVector(row, {.stream = stream, .k = 4})), Json(of_prompt));
  }
  // Compared with shorter strings, by its output at its last token.
  EXPECT_EQ(Json(index.NeighborsOfString(string_id, {.t_i = 2})), Json(index.Neighbors(text, {.t_i = 2})));
}

TEST_F(IndexFaceTest, ManyVectorsAreSearchedAtOnce) {
  actkin::Index index = Open();
  for (const actkin::Query& query :
       {actkin::Query{.k = 7, .threads = 2}, actkin::Query{.stream = "embedding", .t_i = 4},
        actkin::Query{.stream = "proj", .metric = "cosine", .order = "farthest", .k = 3},
        actkin::Query{.k = 2, .where = "occurrences > 1"}}) {
    const SiteInfo site = index.FindSite({query.stream, query.block, query.t_i});
    const std::vector<std::uint64_t> numbers{5, 0, 9, 5};
    std::vector<float> vectors(numbers.size() * site.dimension);
    index.RowsByNumber({site.stream, site.block, site.t_i}, numbers, vectors);
    const RowMatches found = index.Search(vectors, numbers.size(), query);
    EXPECT_EQ(found.stream, site.stream);
    EXPECT_EQ(found.block, site.block);
    EXPECT_EQ(found.t_i, site.t_i);
    EXPECT_EQ(found.k, query.k.value_or(10));
    ASSERT_EQ(found.rows.size(), numbers.size() * found.k);
    const std::vector<std::uint64_t> string_ids = index.IdsOfRows({site.stream, site.block, site.t_i}, found.rows);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto vector = std::span(vectors).subspan(i * site.dimension, site.dimension);
      const std::vector<Neighbor> rows = index.NeighborsOfVector(vector, query).rows;
      ASSERT_EQ(rows.size(), found.k);
      for (std::size_t rank = 0; rank < rows.size(); ++rank) {
        EXPECT_EQ(found.distances[i * found.k + rank], rows[rank].distance);
        EXPECT_EQ(string_ids[i * found.k + rank], rows[rank].string_id);
      }
    }
  }
  EXPECT_THAT(index.Search({}, 0, {.k = 3}).rows, testing::IsEmpty());
  // 12 vectors of 13 numbers are as many numbers as 13 of 12.
  EXPECT_EQ(CodeOf([&] { index.Search(std::vector<float>(156, 1), 12); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Search(std::vector<float>(12, 1), 1, {.low = 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Search(std::vector<float>(12, 1), 1, {.exclude_self = true}); }),
            ErrorCode::kInvalidArgument);
}

TEST_F(IndexFaceTest, ASearchEndsWhereItIsToldTo) {
  actkin::Index index = Open();
  std::atomic<bool> stop = true;
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.stop = &stop}); }), ErrorCode::kInterrupted);
  EXPECT_EQ(CodeOf([&] { index.Search(std::vector<float>(12, 1), 1, {.threads = 2, .stop = &stop}); }),
            ErrorCode::kInterrupted);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.stop = &stop}); }), ErrorCode::kInterrupted);
  stop = false;
  EXPECT_EQ(index.Neighbors("abba ", {.k = 3, .stop = &stop}).rows.size(), 3U);
  EXPECT_EQ(index.Neighbors("abba ", {.k = 3}).rows.size(), 3U);
}

TEST_F(IndexFaceTest, ApproximateIndicesAreAskedByName) {
  const std::string path = Copy("approximate.actkin");
  ASSERT_EQ(RunCommand({"index", path, "--add", "HNSW4"}).status, 0);
  actkin::Index index(path);
  const NeighborList found =
      index.Neighbors("abba ", {.k = 5, .index = "HNSW4", .parameters = "efSearch=3", .next_tokens = true});
  EXPECT_EQ(Json(found),
            Ask("query", {"abba ", "-k", "5", "--index", "HNSW4", "--param", "efSearch=3"}, path)["neighbors"]);
  EXPECT_THAT(index.Info().sites.back().indices, testing::UnorderedElementsAre("exact", "HNSW4"));
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.order = "farthest", .index = "HNSW4"}); }),
            ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.low = 0, .index = "HNSW4"}); }), ErrorCode::kUnsupported);
}

TEST_F(IndexFaceTest, ThreadsAskWithAnIndexEach) {
  const ordered_json neighbors = Json(Open().Neighbors("abba ", {.next_tokens = true}));
  const ordered_json prediction = Json(Open().Predict("abba "));
  const auto ask = [&] {
    actkin::Index index = Open();
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(Json(index.Neighbors("abba ", {.threads = 2, .next_tokens = true})), neighbors);
      EXPECT_EQ(Json(index.Predict("abba ")), prediction);
    }
  };
  std::thread first(ask);
  std::thread second(ask);
  first.join();
  second.join();
}

}  // namespace
}  // namespace actkin
