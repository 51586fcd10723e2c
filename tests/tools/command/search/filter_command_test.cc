// --where and --exclude-self of query and predict, and the same through actkin/index.h.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "actkin/index.h"
#include "storage/catalog/sqlite.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class FilterCommandTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(500, "2-4"); }

  // All neighbors of a site, ranked anew after leaving out those that `passes` is false for.
  template <typename Passes>
  static json Filtered(const std::vector<std::string>& asked, const Passes& passes, std::size_t k) {
    std::vector<std::string> every = asked;
    every.insert(every.end(), {"--within", "-2:1e9"});
    json rows = json::array();
    const json answer = Run("query", Index(), every);
    for (json row : answer["neighbors"]) {
      if (!passes(row) || rows.size() == k) continue;
      row["rank"] = rows.size() + 1;
      rows.push_back(row);
    }
    return rows;
  }
  // Of a column of the table string.
  static std::int64_t Number(const std::string& column, const json& row) {
    return std::stoll(MadeIndexTest::Query(
        Index(), "SELECT " + column + " FROM string WHERE string_id = " + row["string_id"].dump()));
  }
};

TEST_F(FilterCommandTest, NeighborsAreTheBestOfThoseThatPass) {
  for (const std::vector<std::string>& asked :
       std::vector<std::vector<std::string>>{{"abba "},
                                             {"abba ", "--stream", "proj", "--block", "0", "--metric", "cosine"},
                                             {"abba ", "--order", "farthest"},
                                             {"abba ", "--stream", "embedding"},
                                             {"abb", "--t-i", "2"},
                                             {"abb"}}) {
    const auto ask = [&](const std::vector<std::string>& filter) {
      std::vector<std::string> arguments = asked;
      arguments.insert(arguments.end(), filter.begin(), filter.end());
      return Run("query", Index(), arguments)["neighbors"];
    };
    const auto often = [](const json& row) { return Number("occurrences", row) > 1; };
    EXPECT_EQ(ask({"--where", "occurrences > 1", "-k", "4"}), Filtered(asked, often, 4));
    EXPECT_EQ(ask({"--where", "occurrences > 1 -- often"}), Filtered(asked, often, 10));
    const auto other = [&](const json& row) { return row["text"] != asked[0]; };
    EXPECT_EQ(ask({"--exclude-self", "-k", "5"}), Filtered(asked, other, 5));
    EXPECT_EQ(ask({"--exclude-self", "--where", "occurrences > 1"}),
              Filtered(
                  asked, [&](const json& row) { return often(row) && other(row); }, 10));
    EXPECT_EQ(ask({"--where", "text GLOB 'a*' OR length = 17"}),
              Filtered(
                  asked, [](const json& row) { return row["text"].get<std::string>()[0] == 'a'; }, 10));
    EXPECT_EQ(ask({"--where", "last_token_id = (SELECT token_id FROM token WHERE text = 'b')", "--within", "-2:1e9"}),
              Filtered(
                  asked, [](const json& row) { return row["text"].get<std::string>().back() == 'b'; }, 1000));
    EXPECT_EQ(ask({"--where", "0"}), json::array());
  }
}

// The length is the row's own, whatever the metric.
TEST_F(FilterCommandTest, RowsThatAreTooLongAreLeftOut) {
  for (const std::vector<std::string>& asked : std::vector<std::vector<std::string>>{
           {"abba "},
           {"abba ", "--stream", "proj", "--block", "0", "--metric", "cosine", "--center"},
           {"abba ", "--order", "farthest", "--metric", "cosine"},
           {"abba ", "--stream", "embedding"}}) {
    const bool proj = asked.size() > 2 && asked[2] == "proj";
    const bool embedding = asked.size() > 2 && asked[2] == "embedding";
    const SiteName site{embedding ? "embedding"
                        : proj    ? "proj"
                                  : "ffwd",
                        embedding ? std::nullopt : std::optional(proj ? 0 : 1), 4};
    actkin::Index index(Index());
    const SiteInfo info = index.FindSite(site);
    ASSERT_TRUE(info.statistics);
    const double limit = info.statistics->median_length * (1 + 1e-9);
    const auto is_short = [&](const json& row) {
      std::vector<float> numbers(info.dimension);
      const std::vector<std::uint64_t> ids{row["string_id"].get<std::uint64_t>()};
      index.Rows(site, ids, numbers);
      double square = 0;
      for (const float number : numbers) square += std::pow(double{number}, 2);
      return std::sqrt(square) <= limit;
    };
    const auto ask = [&](const std::vector<std::string>& filter) {
      std::vector<std::string> arguments = asked;
      arguments.insert(arguments.end(), {"--max-length", fmt::format("{}", limit)});
      arguments.insert(arguments.end(), filter.begin(), filter.end());
      return Run("query", Index(), arguments);
    };
    const json expected = Filtered(asked, is_short, 7);
    ASSERT_EQ(expected.size(), 7U);
    EXPECT_EQ(ask({"-k", "7"})["neighbors"], expected);
    EXPECT_EQ(ask({})["max_length"], limit);
    EXPECT_EQ(ask({"--where", "occurrences > 1"})["neighbors"],
              Filtered(
                  asked, [&](const json& row) { return is_short(row) && Number("occurrences", row) > 1; }, 10));
  }
  EXPECT_THAT(RunCommand({"query", Index(), "abba ", "--max-length", "0.5"}).out,
              AllOf(HasSubstr("rows up to 0.5 long"), HasSubstr("no rows pass the filter")));
  EXPECT_EQ(Run("predict", Index(), {"abba ", "--max-length", "1e9"})["tokens"],
            Run("predict", Index(), {"abba "})["tokens"]);
  EXPECT_EQ(Run("predict", Index(), {"abba ", "--max-length", "0"})["tokens"], json::array());
  EXPECT_EQ(Run("predict", Index(), {"abba ", "--max-length", "2.5"})["max_length"], 2.5);
  ExpectFailure({"query", Index(), "abba ", "--max-length", "-1"}, 2, "--max-length -1: expected a length, at least 0");
  ExpectFailure({"predict", Index(), "abba ", "--max-length", "nan"}, 2, "--max-length nan: expected a length");
}

// A build says what rows are like, to people, in JSON, in SQL, and through the face.
TEST_F(FilterCommandTest, InfoShowsWhatRowsAreLike) {
  const json answer = Run("info", Index(), {});
  actkin::Index index(Index());
  const IndexInfo info = index.Info();
  ASSERT_EQ(info.sites.size(), answer["sites"].size());
  for (std::size_t i = 0; i < info.sites.size(); ++i) {
    const json& site = answer["sites"][i];
    const std::optional<SiteStatistics>& statistics = info.sites[i].statistics;
    ASSERT_TRUE(statistics);
    EXPECT_EQ(site["statistics"]["mean_length"], statistics->mean_length);
    EXPECT_EQ(site["statistics"]["longest"], statistics->longest);
    EXPECT_EQ(site["statistics"]["cosine"], statistics->cosine.value());
    EXPECT_EQ(site["statistics"]["centered_cosine"], statistics->centered_cosine.value());
    EXPECT_EQ(site["statistics"]["worth_centering"], statistics->worth_centering);
    EXPECT_EQ(site["statistics"]["distances"].contains("nearest"), site["stream"] != "embedding");
    EXPECT_EQ(site["statistics"]["distances"]["random"].size(), 7U);
    EXPECT_LE(statistics->mean_length, statistics->longest);
    // Fewer rows than have sketches.
    EXPECT_TRUE(site["sketches"].is_null());
    EXPECT_TRUE(info.sites[i].sketch_levels.empty());
  }
  EXPECT_EQ(MadeIndexTest::Query(Index(), "SELECT count(*) FROM site_statistics"), std::to_string(info.sites.size()));
  EXPECT_THAT(RunCommand({"info", Index()}).out,
              AllOf(HasSubstr("mean length"), HasSubstr("over 10 medians"), HasSubstr("ffwd block 1 t_i 4")));
  // Says it again where it is missing, and nothing else.
  const std::string copy = Copy("without.actkin");
  const std::string before = Rows(copy, "site_statistics") + Rows(copy, "site_distance");
  SqliteConnection(copy + "/catalog.db", SqliteConnection::Mode::kWrite)
      .Execute(
          "DROP TABLE site_statistics; DROP TABLE site_distance; "
          "DELETE FROM content_checksum WHERE name IN ('site_statistics', 'site_distance')");
  EXPECT_TRUE(Run("info", copy, {})["sites"][0]["statistics"].is_null());
  ASSERT_EQ(RunCommand({"build", Corpus(), "--model", Model(), "--out", copy, "--length", "5", "--t-i", "2-4"}).status,
            0);
  EXPECT_EQ(Rows(copy, "site_statistics") + Rows(copy, "site_distance"), before);
  ExpectSound(copy);
}

TEST_F(FilterCommandTest, ABatchLeavesOutTheOwnStringOfEach) {
  const std::vector<std::string> prompts{"abba ", "dddd", "cab a", "bad"};
  json together = Run("query", Index(), {prompts[0], prompts[1], prompts[2], prompts[3], "--exclude-self", "-k", "3"});
  ASSERT_EQ(together.size(), 4U);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(together[i], Run("query", Index(), {prompts[i], "--exclude-self", "-k", "3"}));
    EXPECT_EQ(together[i]["exclude_self"], true);
    EXPECT_EQ(together[i]["neighbors"].size(), 3U);
  }
}

TEST_F(FilterCommandTest, WhatWasAskedStandsInTheAnswer) {
  const json answer = Run("query", Index(), {"abba ", "--where", "occurrences > 1", "--exclude-self"});
  EXPECT_EQ(answer["where"], "occurrences > 1");
  EXPECT_EQ(answer["exclude_self"], true);
  EXPECT_FALSE(Run("query", Index(), {"abba "}).contains("where"));
  const json prediction = Run("predict", Index(), {"abba ", "--where", "occurrences > 1", "--exclude-self"});
  EXPECT_EQ(prediction["where"], "occurrences > 1");
  EXPECT_EQ(prediction["exclude_self"], true);
  EXPECT_THAT(RunCommand({"query", Index(), "abba ", "--where", "occurrences > 1", "--exclude-self"}).out,
              HasSubstr("where occurrences > 1, without itself"));
  EXPECT_THAT(RunCommand({"query", Index(), "abba ", "--where", "0"}).out, HasSubstr("no rows pass the filter"));
}

// What follows the prompt itself does not count any more.
TEST_F(FilterCommandTest, APredictionIsOfTheNeighborsThatPass) {
  const std::vector<std::string> asked{"abba ", "--scheme", "last_ffwd_only", "-k", "7", "--t-i", "4"};
  const auto predict = [&](const std::vector<std::string>& filter) {
    std::vector<std::string> arguments = asked;
    arguments.insert(arguments.end(), filter.begin(), filter.end());
    return Run("predict", Index(), arguments)["tokens"];
  };
  const auto expected = [&](const std::vector<std::string>& filter) {
    std::map<std::string, double> counts;
    double all = 0;
    std::vector<std::string> arguments{"abba ", "-k", "7", "--t-i", "4"};
    arguments.insert(arguments.end(), filter.begin(), filter.end());
    const json answer = Run("query", Index(), arguments);
    for (const json& row : answer["neighbors"]) {
      for (const auto& [token, count] : row["next_tokens"].items()) {
        counts[token] += count.get<double>();
        all += count.get<double>();
      }
    }
    for (auto& [token, count] : counts) count /= all;
    return counts;
  };
  for (const std::vector<std::string>& filter : std::vector<std::vector<std::string>>{
           {}, {"--exclude-self"}, {"--where", "text GLOB '*b*'"}, {"--exclude-self", "--where", "occurrences = 1"}}) {
    std::map<std::string, double> found;
    for (const json& token : predict(filter)) found[token["token"]] = token["probability"];
    const std::map<std::string, double> wanted = expected(filter);
    ASSERT_EQ(found.size(), wanted.size());
    for (const auto& [token, probability] : wanted) EXPECT_NEAR(found[token], probability, 1e-9) << token;
  }
  EXPECT_NE(predict({"--exclude-self"}), predict({}));
}

TEST_F(FilterCommandTest, WhatCannotBeAnsweredIsOneLine) {
  const auto error = [](const std::string& command, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{command, Index(), "abba "};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult refused = RunCommand(arguments);
    EXPECT_EQ(refused.status, 2);
    EXPECT_EQ(refused.out, "");
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1);
    return refused.err;
  };
  for (const std::string command : {"query", "predict"}) {
    EXPECT_THAT(error(command, {"--where", "ocurrences > 1"}), HasSubstr("where: no such column: ocurrences"));
    EXPECT_THAT(error(command, {"--where", "occurrences >"}), HasSubstr("where: "));
    EXPECT_THAT(error(command, {"--where", "1); DELETE FROM string; SELECT (1"}), HasSubstr("where: "));
    EXPECT_THAT(error(command, {"--where", " "}), HasSubstr("--where is empty"));
    EXPECT_THAT(error(command, {"--where", "occurrences > ?"}), HasSubstr("parameter"));
    EXPECT_THAT(error(command, {"--where", "text = 'abba '", "-k", "2"}), HasSubstr("k 2: 1 of the site's"));
    EXPECT_THAT(error(command, {"--where", "text = 'abba '", "-k", "1", "--exclude-self"}), HasSubstr("k 1: 0 rows"));
  }
  ExpectSound(Index());
}

TEST_F(FilterCommandTest, TheFaceAnswersAsTheCommand) {
  actkin::Index index(Index());
  const NeighborList found = index.Neighbors("abba ", {.k = 4, .where = "occurrences > 1", .exclude_self = true});
  const json expected =
      Run("query", Index(), {"abba ", "-k", "4", "--where", "occurrences > 1", "--exclude-self"})["neighbors"];
  ASSERT_EQ(found.rows.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(found.rows[i].string_id, expected[i]["string_id"]);
    EXPECT_EQ(found.rows[i].distance, expected[i]["distance"]);
  }
  EXPECT_EQ(index.Neighbors("abba ", {.where = "text = 'abba '"}).rows.size(), 1U);
  EXPECT_TRUE(index.Neighbors("abba ", {.where = "text = 'abba '", .exclude_self = true}).rows.empty());
  const json prediction = Run("predict", Index(), {"abba ", "--exclude-self"})["tokens"];
  const Distribution distribution = index.Predict("abba ", {.exclude_self = true});
  ASSERT_GE(distribution.tokens.size(), prediction.size());
  for (std::size_t i = 0; i < prediction.size(); ++i) {
    EXPECT_EQ(distribution.tokens[i].token, prediction[i]["token"]);
    EXPECT_NEAR(distribution.tokens[i].probability, prediction[i]["probability"], 1e-12);
  }
  try {
    index.Neighbors("abba ", {.where = "missing = 1"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("no such column"));
  }
}

}  // namespace
}  // namespace actkin
