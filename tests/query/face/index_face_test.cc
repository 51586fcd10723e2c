// The public face, actkin/index.h: it answers as the command does, and says by code what went wrong.
#include <gmock/gmock.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "actkin/index.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/sqlite.h"
#include "storage/formats/section_file.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

// What is thrown, or none.
template <typename Action>
std::optional<ErrorCode> CodeOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_THAT(line, testing::Not(HasSubstr("\n")));
    // Flags are the command's: none outside a command line to run.
    EXPECT_THAT(line.substr(0, line.find("actkin build")), testing::Not(HasSubstr("--")));
    return error.code();
  }
  return std::nullopt;
}

class IndexFaceTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(500, "2-4"); }

  static actkin::Index Open() { return actkin::Index(Index()); }

  // What the command prints with --json.
  static ordered_json Ask(const std::string& command, const std::vector<std::string>& more,
                          const std::string& index = Index()) {
    const CommandResult answer = RunCommand(Arguments(command, index, more));
    EXPECT_EQ(answer.status, 0) << answer.err;
    return ordered_json::parse(answer.out);
  }
  // The face's answer, as the command prints it.
  static ordered_json Json(const NeighborList& list) {
    ordered_json rows = ordered_json::array();
    for (const Neighbor& row : list.rows) {
      ordered_json next_tokens = ordered_json::object();
      for (const NextToken& next : row.next_tokens) next_tokens[next.token] = next.count;
      rows.push_back({{"rank", row.rank},
                      {"string_id", row.string_id},
                      {"text", row.text},
                      {"distance", row.distance},
                      {"similarity", row.similarity ? ordered_json(*row.similarity) : ordered_json(nullptr)},
                      {"next_tokens", std::move(next_tokens)}});
    }
    return rows;
  }
  static void ExpectSame(const NeighborList& list, const ordered_json& answer) {
    EXPECT_EQ(list.stream, answer["stream"]);
    EXPECT_EQ(list.block, answer["block"]);
    EXPECT_EQ(list.t_i, answer["t_i"]);
    EXPECT_EQ(Json(list), answer["neighbors"]);
    EXPECT_FALSE(list.rows.empty());
  }
  static ordered_json Json(const Distribution& distribution) {
    ordered_json tokens = ordered_json::array();
    for (const TokenProbability& one : distribution.tokens) {
      tokens.push_back({{"token", one.token}, {"probability", one.probability}});
    }
    return tokens;
  }
  static std::uint64_t StringId(const std::string& text) {
    return std::stoull(Query(Index(), "SELECT string_id FROM string WHERE text = '" + text + "'"));
  }
};

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

TEST_F(IndexFaceTest, RowsAreThoseThatAreExported) {
  actkin::Index index = Open();
  const IndexInfo info = index.Info();
  const SiteInfo* site = nullptr;
  for (const SiteInfo& one : info.sites) {
    if (one.stream == "proj" && one.block == 1 && one.t_i == 3) site = &one;
  }
  ASSERT_NE(site, nullptr);
  std::vector<std::uint64_t> string_ids;
  for (std::uint64_t i = 0; i < site->rows; ++i) string_ids.push_back(site->first_string_id + i);
  std::vector<float> rows(site->rows * site->dimension);
  index.Rows({"proj", 1, 3}, string_ids, rows);
  const std::string folder = *folder_ / "npy";
  Run("export", Index(), {"--layout", "npy", folder, "--stream", "proj", "--block", "1", "--t-i", "3"});
  std::string bytes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().filename().string().find("proj") != std::string::npos) bytes = ReadFile(entry.path());
  }
  const std::string_view mine(reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(float));
  EXPECT_TRUE(bytes.ends_with(mine));

  std::ranges::reverse(string_ids);
  string_ids.resize(2);
  std::vector<float> last_two(2 * site->dimension);
  index.Rows({"proj", 1, 3}, string_ids, last_two);
  EXPECT_TRUE(std::equal(last_two.begin(), last_two.begin() + 12, rows.end() - 12));
}

TEST_F(IndexFaceTest, RowsAreReachedByNumberAndInTheirFiles) {
  actkin::Index index = Open();
  for (const std::string stream : {"embedding", "proj", "ffwd"}) {
    const SiteInfo site = index.FindSite({.stream = stream});
    EXPECT_EQ(site.t_i, 4);
    std::vector<std::uint64_t> numbers(site.rows);
    for (std::uint64_t row = 0; row < site.rows; ++row) numbers[row] = site.rows - 1 - row;
    std::vector<float> rows(site.rows * site.dimension);
    index.RowsByNumber({.stream = stream}, numbers, rows);
    const std::vector<std::uint64_t> string_ids = index.IdsOfRows({.stream = stream}, numbers);
    std::vector<float> by_string(rows.size());
    index.Rows({.stream = stream}, string_ids, by_string);
    EXPECT_EQ(rows, by_string);
    EXPECT_EQ(std::set(string_ids.begin(), string_ids.end()).size(), site.rows);

    std::string mapped;
    for (const RowFile& file : index.RowFiles({.stream = stream})) {
      EXPECT_EQ(file.first_row * site.dimension * sizeof(float), mapped.size());
      mapped += ReadFile(file.path).substr(file.offset, file.rows * site.dimension * sizeof(float));
    }
    if (stream == "embedding") {
      EXPECT_EQ(mapped, "");
      continue;
    }
    index.RowsByNumber({.stream = stream}, std::vector<std::uint64_t>{0}, std::span(rows).first(site.dimension));
    EXPECT_EQ(mapped.substr(0, site.dimension * sizeof(float)),
              std::string(reinterpret_cast<const char*>(rows.data()), site.dimension * sizeof(float)));
    EXPECT_EQ(mapped.size(), site.rows * site.dimension * sizeof(float));
    const std::vector<std::uint64_t> beyond{site.rows};
    EXPECT_EQ(CodeOf([&] { index.IdsOfRows({.stream = stream}, beyond); }), ErrorCode::kNotFound);
    EXPECT_EQ(CodeOf([&] { index.RowsByNumber({.stream = stream}, beyond, std::span(rows).first(site.dimension)); }),
              ErrorCode::kNotFound);
    EXPECT_EQ(CodeOf([&] { index.RowsByNumber({.stream = stream}, numbers, std::span(rows).first(3)); }),
              ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(CodeOf([&] { index.FindSite({.block = 7}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.FindSite({.t_i = 0}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.FindSite({.stream = "attention"}); }), ErrorCode::kInvalidArgument);
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

TEST_F(IndexFaceTest, DocumentsAndContextsAreTheCorpus) {
  actkin::Index index = Open();
  const std::vector<DocumentInfo> documents = index.Documents();
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0].document_id, 0U);
  EXPECT_EQ(documents[0].name, "corpus.txt");
  EXPECT_EQ(documents[0].tokens, index.Info().tokens);
  const std::u32string corpus = CodePoints(ReadFile(Corpus()), "corpus");
  for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{corpus.size() - 1}}) {
    const TokenContext context = index.Context(position, 5, 4);
    const std::uint64_t begin = position < 5 ? 0 : position - 5;
    EXPECT_EQ(context.before, Utf8(corpus.substr(begin, position - begin)));
    EXPECT_EQ(context.token, Utf8(corpus.substr(position, 1)));
    EXPECT_EQ(context.after, Utf8(corpus.substr(position + 1, 4)));
    EXPECT_EQ(context.position, position);
    EXPECT_EQ(context.document_id, 0U);
  }
  EXPECT_EQ(CodeOf([&] { index.Context(corpus.size(), 1, 1); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Context(~std::uint64_t{0}, 1, 1); }), ErrorCode::kNotFound);
}

TEST_F(IndexFaceTest, TextsAreCutAndPutTogether) {
  actkin::Index index = Open();
  EXPECT_THAT(index.Encode("abba "), ElementsAre(2, 3, 3, 2, 1));
  EXPECT_THAT(index.Encode(""), testing::IsEmpty());
  EXPECT_EQ(index.Decode(index.Encode("ab\u00e4 \n")), "ab\u00e4 \n");
  EXPECT_EQ(index.Decode({}), "");
  EXPECT_EQ(CodeOf([&] { index.Encode("x"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Decode(std::vector<std::uint32_t>{7}); }), ErrorCode::kInvalidArgument);
}

TEST_F(IndexFaceTest, NextTokensAreTheCatalogs) {
  actkin::Index index = Open();
  const std::string expected =
      Query(Index(),
            "SELECT group_concat(token || ' ' || count) FROM (SELECT token, count FROM next_token_map "
            "WHERE prefix = 'ab' ORDER BY count DESC, token_id)");
  std::string found;
  const std::vector<NextToken> tokens = index.NextTokens("ab");
  for (const NextToken& next : tokens) {
    found += (found.empty() ? "" : ",") + next.token + " " + std::to_string(next.count);
    EXPECT_EQ(Query(Index(), "SELECT text FROM token WHERE token_id = " + std::to_string(next.token_id)), next.token);
  }
  EXPECT_EQ(found, expected);
  EXPECT_GT(tokens.size(), 1U);
  EXPECT_EQ(index.NextTokensOfString(StringId("ab")).size(), tokens.size());
  const std::string absent = "dddcd";
  ASSERT_EQ(Query(Index(), "SELECT count(*) FROM string WHERE text = '" + absent + "'"), "0");
  EXPECT_THAT(index.NextTokens(absent), testing::IsEmpty());
}

// Also longer than the strings of the catalog, which have 5 tokens.
TEST_F(IndexFaceTest, NextTokensFollowPrefixesOfAnyLength) {
  actkin::Index index = Open();
  const std::u32string corpus = CodePoints(ReadFile(Corpus()), "corpus");
  ASSERT_EQ(corpus.size(), index.Info().tokens);
  for (const std::size_t length : {1, 2, 5, 6, 40, 300}) {
    const std::u32string prefix = corpus.substr(100, length);
    std::uint64_t occurrences = 0;
    std::map<std::string, std::uint64_t> expected;
    for (std::size_t at = corpus.find(prefix); at != std::u32string::npos; at = corpus.find(prefix, at + 1)) {
      ++occurrences;
      if (at + length < corpus.size()) ++expected[Utf8(corpus.substr(at + length, 1))];
    }
    EXPECT_EQ(index.Occurrences(Utf8(prefix)), occurrences) << length;
    std::map<std::string, std::uint64_t> found;
    for (const NextToken& next : index.NextTokens(Utf8(prefix))) found[next.token] = next.count;
    EXPECT_EQ(found, expected) << length;
  }
  // Everything but what stands at the very end is followed by something.
  EXPECT_EQ(index.Occurrences(Utf8(corpus)), 1U);
  EXPECT_THAT(index.NextTokens(Utf8(corpus)), testing::IsEmpty());
  EXPECT_EQ(index.Occurrences(""), index.Info().tokens + 1);
}

TEST_F(IndexFaceTest, PredictionsAreTheCommands) {
  actkin::Index index = Open();
  for (const std::string scheme : {"progressive_ffwd_weight", "inverse_distance", "prompt_only"}) {
    const ordered_json answer = Ask("predict", {"abba ", "--scheme", scheme});
    EXPECT_EQ(Json(index.Predict("abba ", {.scheme = scheme})), answer["tokens"]) << scheme;
    EXPECT_EQ(Json(index.Model("abba ")), answer["model"]);
  }
  EXPECT_EQ(
      Json(index.Predict("abba ", {.t_is = {2, -1}, .k = 4, .metric = "cosine", .merge = "farthest"})),
      Ask("predict", {"abba ", "--t-i", "2,4", "-k", "4", "--metric", "cosine", "--merge", "farthest"})["tokens"]);
  // Saved schemes too, which bring what is left open.
  const std::string saved = Copy("saved.actkin");
  const std::string file = folder_->Write(
      "mine.json", R"({"ffwd": {"1": 1}, "metric": "cosine", "k": 3, "within": {"ffwd": {"1": "0.1:"}}})");
  const ordered_json answer = Ask("predict", {"abba ", "--scheme", file}, saved);
  actkin::Index with_saved(saved);
  EXPECT_EQ(Json(with_saved.Predict("abba ", {.scheme = "mine"})), answer["tokens"]);
  EXPECT_EQ(CodeOf([&] { with_saved.Predict("abba ", {.scheme = "mine", .metric = "l2"}); }),
            ErrorCode::kInvalidArgument);

  const Distribution nothing = index.Predict("dddcd", {.scheme = "prompt_only"});
  EXPECT_THAT(nothing.tokens, testing::IsEmpty());
  EXPECT_THAT(nothing.notes, ElementsAre(HasSubstr("is not in the corpus")));
}

TEST_F(IndexFaceTest, InfoIsTheCommands) {
  const ordered_json answer = Ask("info", {});
  const IndexInfo info = Open().Info();
  EXPECT_EQ(info.corpus, answer["corpus"]["name"]);
  EXPECT_EQ(info.tokens, answer["corpus"]["characters"]);
  EXPECT_EQ(info.string_length, answer["corpus"]["string_length"]);
  EXPECT_EQ(std::to_string(info.strings), Query(Index(), "SELECT count(*) FROM string"));
  EXPECT_EQ(info.vocabulary_size, 7U);
  ASSERT_TRUE(info.model.has_value());
  EXPECT_EQ(info.model->blocks, answer["model"]["blocks"]);
  EXPECT_EQ(info.model->heads, answer["model"]["heads"]);
  EXPECT_EQ(info.model->embed, answer["model"]["embed"]);
  EXPECT_EQ(info.model->context, answer["model"]["context"]);
  ordered_json sites = ordered_json::array();
  for (const SiteInfo& site : info.sites) {
    EXPECT_THAT(site.indices, ElementsAre("exact"));
    sites.push_back({{"stream", site.stream},
                     {"block", site.block},
                     {"t_i", site.t_i},
                     {"rows", site.rows},
                     {"dimension", site.dimension},
                     {"element", site.element}});
    ASSERT_TRUE(site.statistics.has_value());
    EXPECT_TRUE(site.sketch_levels.empty());
    const SiteStatistics& found = *site.statistics;
    ordered_json& statistics = sites.back()["statistics"] = {{"mean_length", found.mean_length},
                                                             {"median_length", found.median_length},
                                                             {"longest", found.longest},
                                                             {"long_share", found.long_share}};
    const auto optional = [](std::optional<double> number) {
      return number ? ordered_json(*number) : ordered_json(nullptr);
    };
    statistics["cosine"] = optional(found.cosine);
    statistics["centered_cosine"] = optional(found.centered_cosine);
    statistics["worth_centering"] = found.worth_centering;
    statistics["distances"] = ordered_json::object();
    for (const DistanceQuantile& quantile : found.distances) {
      statistics["distances"][quantile.pairs].push_back(
          {{"quantile", quantile.quantile}, {"distance", quantile.distance}});
    }
    sites.back()["sketches"] = nullptr;
  }
  ordered_json expected = answer["sites"];
  for (ordered_json& site : expected) {
    EXPECT_EQ(site["over"], "strings");
    for (const char* key : {"over", "positions", "window", "stride", "bytes", "indices"}) site.erase(key);
  }
  EXPECT_EQ(sites, expected);

  const std::string counts = *folder_ / "counts.actkin";
  ASSERT_EQ(RunCommand({"build", Corpus(), "--out", counts, "--length", "3"}).status, 0);
  actkin::Index without_model(counts);
  EXPECT_FALSE(without_model.Info().model.has_value());
  EXPECT_FALSE(without_model.NextTokens("ab").empty());
  EXPECT_EQ(CodeOf([&] { without_model.Model("ab"); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { without_model.Neighbors("ab"); }), ErrorCode::kNotFound);
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

TEST_F(IndexFaceTest, WrongInputsAreInvalidArguments) {
  actkin::Index index = Open();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto neighbors = [&](const actkin::Query& query) { return CodeOf([&] { index.Neighbors("abba ", query); }); };
  EXPECT_EQ(neighbors({.stream = "attention"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.metric = "euclid"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.order = "Nearest"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.k = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.k = 1000000}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.low = 2, .high = 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.low = kNan}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.parameters = "efSearch=3"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.threads = -1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(neighbors({.threads = 100000}), ErrorCode::kInvalidArgument);
  for (const char* prompt : {"", "x", "\xff", "abbaabbaabba"}) {
    EXPECT_EQ(CodeOf([&] { index.Neighbors(prompt); }), ErrorCode::kInvalidArgument) << prompt;
    EXPECT_EQ(CodeOf([&] { index.Model(prompt); }), ErrorCode::kInvalidArgument) << prompt;
  }
  EXPECT_EQ(CodeOf([&] {
              index.NeighborsOfPrompts(std::vector<std::string>{"abba ", "x"});
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.NextTokens("abx"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Occurrences("\xff"); }), ErrorCode::kInvalidArgument);

  std::vector<float> vector(12, 1);
  EXPECT_EQ(CodeOf([&] { index.NeighborsOfVector(vector); }), std::nullopt);
  for (const float number : {kNan, std::numeric_limits<float>::infinity()}) {
    vector[3] = number;
    EXPECT_EQ(CodeOf([&] { index.NeighborsOfVector(vector); }), ErrorCode::kInvalidArgument);
  }
  for (const std::size_t size : {0, 11, 13, 24}) {
    EXPECT_EQ(CodeOf([&] { index.NeighborsOfVector(std::vector<float>(size, 1)); }), ErrorCode::kInvalidArgument)
        << size;
  }
  std::vector<float> room(13);
  const std::vector<std::uint64_t> one{StringId("abba")};
  EXPECT_EQ(CodeOf([&] { index.Rows({"ffwd", 0, 3}, one, room); }), ErrorCode::kInvalidArgument);

  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.k = 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.metric = "l3"}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.merge = "all"}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.t_is = {5}}); }), ErrorCode::kInvalidArgument);
  // It answers as before.
  ExpectSame(index.Neighbors("abba ", {.next_tokens = true}), Ask("query", {"abba "}));
}

TEST_F(IndexFaceTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(CodeOf([] { actkin::Index("missing.actkin"); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([] { actkin::Index index(folder_->path()); }), ErrorCode::kNotFound);
  actkin::Index index = Open();
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.block = 2}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.t_i = 1}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.index = "HNSW4"}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.scheme = "mine"}); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { index.Predict("abba ", {.t_is = {1}}); }), ErrorCode::kNotFound);
  for (const std::uint64_t string_id : {std::uint64_t{0}, index.Info().strings + 1, ~std::uint64_t{0}}) {
    EXPECT_EQ(CodeOf([&] { index.NeighborsOfString(string_id); }), ErrorCode::kNotFound);
    EXPECT_EQ(CodeOf([&] { index.NextTokensOfString(string_id); }), ErrorCode::kNotFound);
  }
  // A string of another length.
  std::vector<float> room(12);
  const std::vector<std::uint64_t> one{StringId("abb")};
  EXPECT_EQ(CodeOf([&] { index.Rows({"ffwd", 0, 3}, one, room); }), ErrorCode::kNotFound);
}

TEST_F(IndexFaceTest, DamageIsSaidByCodeAndFoundByVerify) {
  actkin::Index sound = Open();
  const std::vector<IndexFinding> all = sound.Verify();
  EXPECT_GT(all.size(), 10U);
  for (const IndexFinding& finding : all) {
    EXPECT_TRUE(finding.state == IndexFinding::State::kSound || finding.path == "build.lock") << finding.path;
  }

  const std::string path = Copy("damaged.actkin");
  const std::filesystem::path vectors = std::filesystem::path(path) / "sites/ffwd-b1-t4.vectors";
  std::string bytes = ReadFile(vectors);
  bytes[64] ^= 1;
  folder_->Write("damaged.actkin/sites/ffwd-b1-t4.vectors", bytes);
  actkin::Index index(path);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba "); }), ErrorCode::kDamaged);
  EXPECT_FALSE(index.Neighbors("abba ", {.block = 0}).rows.empty());
  std::vector<std::string> damaged;
  for (const IndexFinding& finding : index.Verify()) {
    if (finding.state != IndexFinding::State::kDamaged) continue;
    damaged.push_back(finding.path);
    EXPECT_THAT(finding.message, HasSubstr("checksum"));
  }
  EXPECT_THAT(damaged, ElementsAre("sites/ffwd-b1-t4.vectors"));

  folder_->Write("damaged.actkin/catalog.db", std::string(5000, 'x'));
  EXPECT_EQ(CodeOf([&] { actkin::Index again(path); }), ErrorCode::kDamaged);
}

TEST_F(IndexFaceTest, WhatANewerProgramWroteIsUnsupported) {
  const std::string path = Copy("newer.actkin");
  const auto execute = [&](const std::string& sql) {
    SqliteConnection(path + "/catalog.db", SqliteConnection::Mode::kWrite).Execute(sql);
  };
  execute("UPDATE site SET element = 'int4' WHERE stream = 'ffwd' AND block = 1");
  actkin::Index index(path);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba ", {.block = 1, .t_i = 4}); }), ErrorCode::kUnsupported);
  execute("PRAGMA user_version = 1000");
  EXPECT_EQ(CodeOf([&] { actkin::Index again(path); }), ErrorCode::kUnsupported);
}

TEST_F(IndexFaceTest, VerifyStopsWhereItIsTold) {
  actkin::Index index = Open();
  std::uint64_t last = 0;
  std::uint64_t total = 0;
  index.Verify([&](std::uint64_t read, std::uint64_t bytes) {
    EXPECT_GE(read, last);
    last = read;
    total = bytes;
    return true;
  });
  EXPECT_GT(last, 0U);
  EXPECT_LE(last, total);
  int calls = 0;
  EXPECT_EQ(CodeOf([&] { index.Verify([&](std::uint64_t, std::uint64_t) { return ++calls < 3; }); }),
            ErrorCode::kInterrupted);
  EXPECT_EQ(calls, 3);
}

// What asking does not come to; what builds does.
TEST_F(IndexFaceTest, OtherCodes) {
  const IndexDirectory directory{Copy("locked.actkin")};
  const BuildLock lock(directory);
  EXPECT_EQ(CodeOf([&] { const BuildLock second(directory); }), ErrorCode::kBusy);
  EXPECT_EQ(CodeOf([] { WriteGivenFile("/dev/full", "x"); }), ErrorCode::kOutOfSpace);
  EXPECT_EQ(CodeOf([] { ReadFile("/proc/self/mem"); }), ErrorCode::kFailed);
}

TEST_F(IndexFaceTest, WhatWasMovedFromSaysSo) {
  actkin::Index index = Open();
  actkin::Index other = std::move(index);
  EXPECT_FALSE(other.Neighbors("abba ").rows.empty());
  // NOLINTBEGIN(bugprone-use-after-move): that is what is tested.
  EXPECT_EQ(CodeOf([&] { index.Info(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Neighbors("abba "); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { index.Verify(); }), ErrorCode::kInvalidArgument);
  // NOLINTEND(bugprone-use-after-move)
  index = std::move(other);
  EXPECT_FALSE(index.Neighbors("abba ").rows.empty());
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
