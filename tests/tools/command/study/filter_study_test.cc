// evaluate and tune among some rows alone: what they find, what they save of it, and that a killed one ends the same.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "storage/catalog/sqlite.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

using Flags = std::vector<std::string>;

Flags Joined(Flags flags, const Flags& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

class FilterStudyTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(500, "2-4");
    const CommandResult built = RunCommand({"build", Corpus(), "--model", Model(), "--out", Index(), "--length", "5",
                                            "--positions", "--streams", "embedding,proj,ffwd"});
    ASSERT_EQ(built.status, 0) << built.err;
  }

  // Half of the rows of each site are longer.
  static std::string MedianLength(const std::string& site) {
    return Query(Index(), "SELECT median_length FROM site_statistics JOIN site USING (site_id) WHERE " + site);
  }
  static double Hellinger(const json& evaluated) { return evaluated["runs"][0]["hellinger_mean"]; }

  // Evaluated with these flags, killed here and there, it ends as it does undisturbed.
  static void ExpectTheSameAfterKills(const std::string& command, const Flags& flags, int step) {
    const std::string undisturbed = Copy("undisturbed.actkin");
    const json expected = Run(command, undisturbed, flags);
    const std::map<std::string, std::string> files = Experiments(undisturbed);
    int kills = 0;
    for (int number = 1; number < 400; number += step) {
      const std::string index = Copy("killed.actkin");
      const CommandResult stopped =
          RunCommand(Arguments(command, index, flags), {fmt::format("ACTKIN_STOP_BEFORE={}", number)});
      if (stopped.status == 0) break;
      ASSERT_EQ(stopped.status, 128 + 9) << stopped.err;
      ++kills;
      EXPECT_EQ(Run(command, index, flags), expected) << "killed before " << number;
      EXPECT_TRUE(Experiments(index) == files) << "killed before " << number;
      ExpectSound(index);
      ExpectTidy(index);
    }
    EXPECT_GT(kills, 3);
  }
};

// Prompt by prompt: each is asked alone.
TEST_F(FilterStudyTest, EvaluateComparesWhatPredictSaysOfThoseThatPass) {
  const std::string index = Copy("compared.actkin");
  const std::string median = MedianLength("stream = 'ffwd' AND block = 1 AND t_i = 4");
  const std::vector<Flags> filters{{"--where", "occurrences > 1"},
                                   {"--where", "text GLOB '*b*'", "--exclude-self"},
                                   {"--max-length", median, "--scheme", "last_ffwd_only"},
                                   {"--exclude-self", "-k", "3", "--t-i", "3,4", "--merge", "farthest"},
                                   {"--where", "occurrences = 1", "--metric", "cosine", "--center", "-k", "4"},
                                   {"--where", "occurrences > 1", "--within", ":2.5", "--scheme", "last_ffwd_only"},
                                   {"--exclude-self", "--within", ":2.5", "--scheme", "inverse_distance"}};
  for (const Flags& filter : filters) {
    for (const std::string prompt : {"abba ", "d cab"}) {
      const json predicted = Run("predict", index, Joined(filter, {"--", prompt}));
      const std::string file = folder_->Write("prompt.json", json::array({prompt}).dump());
      EXPECT_NEAR(Hellinger(Run("evaluate", index, Joined({"--prompts", file}, filter))), predicted["hellinger"], 1e-6)
          << prompt << " " << json(filter);
    }
  }
  ExpectSound(index);
  ExpectTidy(index);
}

TEST_F(FilterStudyTest, OfPositionsLikewise) {
  const std::string index = Copy("positions.actkin");
  const std::string median = MedianLength("stream = 'ffwd' AND block = 1 AND t_i < 0");
  const std::vector<Flags> filters{{"--where", "text IN ('a', 'b')"},
                                   {"--where", "position > 200 AND next_token_id IS NOT NULL", "--include-self"},
                                   {"--max-length", median, "--scheme", "last_ffwd_only", "-k", "4"}};
  std::vector<double> means;
  for (const Flags& filter : filters) {
    const json evaluated = Run("evaluate", index, Joined({"--positions", "--sample", "6"}, filter));
    EXPECT_EQ(evaluated["runs"][0]["rows"], "positions");
    double sum = 0;
    for (int number = 0; number < 6; ++number) {
      const std::string position = Query(index, fmt::format("SELECT position FROM prompt WHERE number = {}", number));
      sum += Run("predict", index, Joined({"--positions", "--position", position}, filter))["hellinger"].get<double>();
    }
    EXPECT_NEAR(sum / 6, Hellinger(evaluated), 1e-6) << json(filter);
    means.push_back(Hellinger(evaluated));
  }
  EXPECT_NE(means[0], means[1]);
  EXPECT_EQ(Query(index, "SELECT group_concat(condition, ';') FROM (SELECT condition FROM evaluation ORDER BY 1)"),
            ";position > 200 AND next_token_id IS NOT NULL;text IN ('a', 'b')");
}

// Runs among some rows and among all, and what is saved of them, stay apart.
TEST_F(FilterStudyTest, WhatIsSavedOfSomeRowsAnswersForThemAlone) {
  const Flags sample{"--sample", "30", "--scheme", "last_ffwd_only", "-k", "5"};
  const std::vector<Flags> runs{{},
                                {"--where", "occurrences > 1"},
                                {"--exclude-self"},
                                {"--max-length", MedianLength("stream = 'ffwd' AND block = 1 AND t_i = 4")},
                                {"--where", "occurrences > 1", "--exclude-self"}};
  // Of which what is saved has the beginning.
  const Flags fewer{"--sample", "30", "--scheme", "last_ffwd_only", "-k", "2"};
  const std::string index = Copy("together.actkin");
  std::vector<std::pair<json, json>> alone;
  for (const Flags& run : runs) {
    const json expected = Run("evaluate", Copy("alone.actkin"), Joined(sample, run));
    alone.emplace_back(expected, Run("evaluate", Copy("alone.actkin"), Joined(fewer, run)));
  }
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      EXPECT_EQ(Run("evaluate", index, Joined(sample, runs[i])), alone[i].first) << json(runs[i]);
      EXPECT_EQ(Run("evaluate", index, Joined(fewer, runs[i])), alone[i].second) << json(runs[i]);
    }
    EXPECT_EQ(Query(index, "SELECT count(*) FROM saved_neighbors"), "5");
    EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation"), "10");
  }
  EXPECT_EQ(Query(index, "SELECT count(*) FROM saved_neighbors WHERE condition = 'occurrences > 1' AND exclude_self"),
            "1");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation WHERE condition = 'occurrences > 1' AND exclude_self = 1"),
            "2");
  // The same rows in other words.
  Run("evaluate", index, Joined(sample, {"--where", "NOT occurrences <= 1"}));
  EXPECT_EQ(Query(index, "SELECT count(*) FROM saved_neighbors"), "5");
  // Without the rows of the sites: predict and SQL take the neighbors among all rows.
  const std::string bare = Copy("saved.actkin");
  const json among_all = Run("predict", bare, {"--scheme", "last_ffwd_only", "-k", "5", "--", "abba "});
  Run("evaluate", bare, Joined(sample, {"--exclude-self"}));
  EXPECT_EQ(Run("predict", bare, {"--scheme", "last_ffwd_only", "-k", "5", "--", "abba "}), among_all);
  ExpectSound(index);
}

// A condition may read what its user changes.
TEST_F(FilterStudyTest, AConditionThatHoldsForOtherRowsIsSearchedAgain) {
  const std::string index = Copy("changing.actkin");
  const auto change = [&](const std::string& sql) {
    SqliteConnection(index + "/catalog.db", SqliteConnection::Mode::kWrite).Execute(sql);
  };
  const Flags flags{"--sample", "20", "--where", "string_id IN (SELECT id FROM mine)"};
  const auto expected = [](const std::string& condition) {
    return Hellinger(Run("evaluate", Copy("unchanging.actkin"), {"--sample", "20", "--where", condition}));
  };
  change("CREATE TABLE mine AS SELECT string_id AS id FROM string WHERE occurrences > 1");
  EXPECT_EQ(Hellinger(Run("evaluate", index, flags)), expected("occurrences > 1"));
  change("DELETE FROM mine WHERE id % 2");
  EXPECT_EQ(Hellinger(Run("evaluate", index, flags)), expected("occurrences > 1 AND string_id % 2 = 0"));
  EXPECT_NE(expected("occurrences > 1 AND string_id % 2 = 0"), expected("occurrences > 1"));
}

TEST_F(FilterStudyTest, WhatTuneFindsIsWhatEvaluateMeasures) {
  const std::string median = MedianLength("stream = 'ffwd' AND block = 1 AND t_i = 4");
  std::map<double, std::string> means;
  for (const Flags& filter : std::vector<Flags>{{"--where", "occurrences > 1"},
                                                {"--exclude-self"},
                                                {"--where", "text GLOB '*b*'", "--exclude-self", "--t-i", "3,4"},
                                                {"--max-length", median},
                                                {"--positions", "--where", "text IN ('a', 'b')"},
                                                {"--positions", "--include-self", "--where", "position % 3 = 0"}}) {
    const std::string index = Copy("tuned.actkin");
    const json tuned = Run("tune", index, Joined({"--sample", "60"}, filter));
    for (const auto& [half, name] : std::map<std::string, std::string>{{"first", "training"}, {"second", "held_out"}}) {
      const json run =
          Run("evaluate", index,
              Joined({"--sample", "60", "--scheme", "tuned", "--metric", "cosine", "--half", half}, filter))["runs"][0];
      EXPECT_NEAR(run["hellinger_mean"], tuned[name]["hellinger_mean"], 1e-9) << json(filter);
      EXPECT_EQ(run["top_n"], tuned[name]["top_n"]);
    }
    EXPECT_EQ(tuned.value("where", ""), filter[0] == "--where" ? filter[1] : tuned.value("where", ""));
    EXPECT_TRUE(means.emplace(tuned["training"]["hellinger_mean"], json(filter).dump()).second) << json(filter);
    ExpectSound(index);
    ExpectTidy(index);
  }
}

TEST_F(FilterStudyTest, KilledAnEvaluationEndsTheSame) {
  ExpectTheSameAfterKills(
      "evaluate", {"--sample", "40", "--t-i", "3,4", "-k", "4", "--where", "occurrences > 1", "--exclude-self"}, 41);
  ExpectTheSameAfterKills("evaluate", {"--positions", "--sample", "40", "--where", "text <> 'b'"}, 7);
}

TEST_F(FilterStudyTest, KilledATuningEndsTheSame) {
  ExpectTheSameAfterKills("tune", {"--sample", "60", "--where", "occurrences > 1", "--exclude-self"}, 9);
}

// Killed with one filter, another run does not take what that left.
TEST_F(FilterStudyTest, AnotherFilterDoesNotGoOnWithWhatOneLeft) {
  const Flags one{"--sample", "40", "-k", "4", "--where", "occurrences > 1"};
  const Flags other{"--sample", "40", "-k", "4", "--where", "occurrences = 1"};
  const json expected = Run("evaluate", Copy("undisturbed.actkin"), other);
  for (const int number : {5, 12, 20}) {
    const std::string index = Copy("killed.actkin");
    ASSERT_EQ(RunCommand(Arguments("evaluate", index, one), {fmt::format("ACTKIN_STOP_BEFORE={}", number)}).status,
              128 + 9);
    EXPECT_EQ(Run("evaluate", index, other), expected);
  }
}

TEST_F(FilterStudyTest, SitesThatAreStreamedAreSearchedAmongTheSameRows) {
  const std::string bare = *folder_ / "bare.actkin";
  ASSERT_EQ(RunCommand({"build", Corpus(), "--model", Model(), "--out", bare, "--length", "5", "--streams", "embedding",
                        "--t-i", "4"})
                .status,
            0);
  for (const std::string& index : {bare, Index()}) {
    SqliteConnection(index + "/catalog.db", SqliteConnection::Mode::kWrite)
        .Execute("CREATE TABLE mine AS SELECT string_id AS id FROM string WHERE occurrences > 1");
  }
  const std::string median = MedianLength("stream = 'ffwd' AND block = 1 AND t_i = 3");
  for (const Flags& filter : std::vector<Flags>{{"--where", "string_id IN (SELECT id FROM mine)", "--exclude-self"},
                                                {"--max-length", median, "--scheme", "last_ffwd_only"}}) {
    const Flags flags = Joined({"--sample", "30", "--t-i", "2,3"}, filter);
    const json streamed = Run("evaluate", bare, Joined(flags, {"--stream-sites", Corpus()}));
    EXPECT_NEAR(Hellinger(streamed), Hellinger(Run("evaluate", Copy("built.actkin"), flags)), 1e-6);
    ExpectSound(bare);
    ExpectTidy(bare);
  }
  SqliteConnection(Index() + "/catalog.db", SqliteConnection::Mode::kWrite).Execute("DROP TABLE mine");
}

TEST_F(FilterStudyTest, TheTablesSayWhichRowsCount) {
  const std::string index = Copy("shown.actkin");
  EXPECT_THAT(RunCommand({"evaluate", index, "--sample", "10", "--where", "occurrences > 1", "--exclude-self"}).out,
              HasSubstr("t_i 4, where occurrences > 1, without itself"));
  EXPECT_THAT(
      RunCommand({"evaluate", index, "--positions", "--sample", "10", "--max-length", "100", "--where", "text = 'a'"})
          .out,
      HasSubstr("over positions, where text = 'a', rows up to 100 long, without itself"));
  EXPECT_THAT(RunCommand({"tune", index, "--sample", "10", "--where", "occurrences > 1"}).out,
              HasSubstr("10 prompts of sample-10-seed-1337, t_i 4, where occurrences > 1\n"));
  EXPECT_THAT(RunCommand({"tune", index, "--positions", "--sample", "10", "--where", "text = 'a'"}).out,
              HasSubstr("over positions, where text = 'a', without itself\n"));
  const json run =
      Run("evaluate", index, {"--sample", "10", "--where", "occurrences > 1", "--max-length", "100"})["runs"][0];
  EXPECT_EQ(run["where"], "occurrences > 1");
  EXPECT_EQ(run["max_length"], 100);
  EXPECT_FALSE(run.contains("exclude_self"));
}

TEST_F(FilterStudyTest, WhatCannotBeAnsweredIsOneLineAndLeavesNothing) {
  const std::string index = Copy("refused.actkin");
  for (const std::string command : {"evaluate", "tune"}) {
    const auto refused = [&](const Flags& flags, const std::string& part) {
      ExpectFailure(Joined({command, index, "--sample", "10"}, flags), 2, part);
    };
    const std::string site = command == "evaluate" ? "embedding" : "ffwd block 0 t_i 4";
    refused({"--where", "0"}, "no row of " + site);
    refused({"--where", "occurrences > 1e9"}, "passes the filter: where occurrences > 1e9");
    refused({"--max-length", "0"}, "passes the filter: rows up to 0 long");
    refused({"--where", "occurrences > 1", "--max-length", "0"}, ": where occurrences > 1, rows up to 0 long");
    refused({"--positions", "--where", "position < 0"}, "passes the filter: where position < 0");
    refused({"--positions", "--max-length", "0"}, "passes the filter: rows up to 0 long");
    refused({"--where", "ocurrences > 1"}, "no such column: ocurrences");
    refused({"--positions", "--where", "occurrences > 1"}, "no such column: occurrences");
    refused({"--where", " "}, "--where is empty");
    refused({"--max-length", "-1"}, "--max-length -1: expected a length");
    refused({"--exclude-window", "3"}, "--exclude-window: goes with --positions");
    refused({"--positions", "--include-self", "--exclude-self"}, "--include-self and --exclude-self: give one of them");
  }
  ExpectFailure({"evaluate", index, "--sample", "10", "-k", "2", "--where", "text = 'abba '"}, 2,
                "k 2: 1 of the rows of ");
  ExpectFailure({"evaluate", index, "--sample", "10", "--scheme", "prompt_only", "--where", "1"}, 2,
                "--where: none of the schemes has neighbors");
  EXPECT_TRUE(Experiments(index).empty());
  ExpectTidy(index);
  // Where k was not asked for, all rows that there are do; asked for after that, it is an error all the same.
  const Flags few{"--sample", "10", "--where", "text = 'abba '"};
  EXPECT_EQ(Run("evaluate", index, few)["samples"], 10);
  ExpectFailure(Joined({"evaluate", index, "-k", "10"}, few), 2, "k 10: 1 of the rows of ");
}

}  // namespace
}  // namespace actkin
