// The public face: rows, documents, next tokens, predictions and what an index says of itself.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "actkin/index.h"
#include "schema/text.h"
#include "storage/machine/file.h"
#include "tests/query/face/index_face_fixture.h"

namespace actkin {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

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

}  // namespace
}  // namespace actkin
