// --where and --exclude-self of query and predict, and the same through actkin/index.h.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "actkin/index.h"
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
