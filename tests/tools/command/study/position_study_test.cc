// evaluate and tune over positions: what they save, and that a killed one ends the same.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "actkin/index.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class PositionStudyTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(700, "4");
    const CommandResult built =
        RunCommand({"build", Corpus(), "--model", Model(), "--out", Index(), "--length", "5", "--positions", "--window",
                    "6", "--stride", "2", "--streams", "embedding,proj,ffwd"});
    ASSERT_EQ(built.status, 0) << built.err;
  }
};

TEST_F(PositionStudyTest, EvaluateSavesWhatItFinds) {
  const std::string index = Copy("evaluated.actkin");
  const std::vector<std::string> flags{"--positions", "--sample", "40", "--scheme", "last_ffwd_only"};
  const json evaluated = Run("evaluate", index, flags);
  EXPECT_EQ(evaluated["prompt_set"], "positions-40-seed-1337");
  EXPECT_EQ(Query(index, "SELECT rows || ' ' || length || ' ' || prompt_count || ' ' || seed FROM prompt_set"),
            "positions 0 40 1337");
  EXPECT_EQ(Query(index, "SELECT count(DISTINCT position) FROM prompt WHERE string_id IS NULL"), "40");
  EXPECT_EQ(Query(index, "SELECT hellinger_mean FROM evaluation WHERE t_is = '' AND exclude_self = 1"),
            Query(index, fmt::format("SELECT {}", evaluated["runs"][0]["hellinger_mean"].dump())));
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation_top_n"), "10");
  // The same again takes its own place; other rows that count are another run, of the same prompts.
  EXPECT_EQ(Run("evaluate", index, flags), evaluated);
  std::vector<std::string> around = flags;
  around.insert(around.end(), {"--exclude-window", "3"});
  EXPECT_NE(Run("evaluate", index, around)["runs"], evaluated["runs"]);
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation"), "2");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM prompt_set"), "1");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM saved_predictions"), "1");
  ExpectSound(index);
  ExpectTidy(index);
  // By the set's name, and by halves.
  const json by_name =
      Run("evaluate", index, {"--positions", "--prompt-set", "positions-40-seed-1337", "--scheme", "last_ffwd_only"});
  EXPECT_EQ(by_name["runs"], evaluated["runs"]);
  std::vector<double> halves;
  for (const std::string half : {"first", "second"}) {
    std::vector<std::string> of_half = flags;
    of_half.insert(of_half.end(), {"--half", half});
    const json found = Run("evaluate", index, of_half);
    EXPECT_EQ(found["samples"], 20);
    halves.push_back(found["runs"][0]["hellinger_mean"]);
  }
  EXPECT_NEAR((halves[0] + halves[1]) / 2, evaluated["runs"][0]["hellinger_mean"].get<double>(), 1e-9);
}

// Each prediction is the one that the library gives for the position.
TEST_F(PositionStudyTest, EvaluateComparesTheLibrarysPredictions) {
  const std::string copy = Copy("compared.actkin");
  const json evaluated = Run("evaluate", copy, {"--positions", "--sample", "12", "--scheme", "last_ffwd_only"});
  double sum = 0;
  actkin::Index index(copy);
  for (int number = 0; number < 12; ++number) {
    const std::string position = Query(copy, fmt::format("SELECT position FROM prompt WHERE number = {}", number));
    const json predicted = Run("predict", copy, {"--positions", "--position", position, "--scheme", "last_ffwd_only"});
    sum += predicted["hellinger"].get<double>();
  }
  EXPECT_NEAR(sum / 12, evaluated["runs"][0]["hellinger_mean"].get<double>(), 1e-6);
}

TEST_F(PositionStudyTest, KilledAnEvaluationEndsTheSame) {
  ExpectKilledEndsTheSame("evaluate", {"--positions", "--sample", "40", "--scheme", "all"}, 4);
}

TEST_F(PositionStudyTest, WhatTuneFindsIsWhatEvaluateMeasures) {
  const std::vector<std::vector<std::string>> rows{{}, {"--include-self"}, {"--exclude-window", "2"}};
  std::map<std::string, double> means;
  for (const std::vector<std::string>& more : rows) {
    const std::string index = Copy("tuned.actkin");
    std::vector<std::string> flags{"--positions", "--sample", "120", "--streams", "proj,ffwd"};
    flags.insert(flags.end(), more.begin(), more.end());
    const json tuned = Run("tune", index, flags);
    EXPECT_EQ(tuned["rows"], "positions");
    EXPECT_EQ(tuned["exclude_self"], more != rows[1]);
    EXPECT_EQ(tuned["t_i"], nullptr);
    EXPECT_EQ(tuned["held_out"]["samples"], 60);
    for (const auto& [half, name] : std::map<std::string, std::string>{{"first", "training"}, {"second", "held_out"}}) {
      std::vector<std::string> evaluate{"--positions", "--sample", "120",    "--scheme", "tuned",
                                        "--metric",    "cosine",   "--half", half};
      evaluate.insert(evaluate.end(), more.begin(), more.end());
      const json run = Run("evaluate", index, evaluate)["runs"][0];
      EXPECT_NEAR(run["hellinger_mean"], tuned[name]["hellinger_mean"], 1e-9);
      EXPECT_EQ(run["top_n"], tuned[name]["top_n"]);
      EXPECT_EQ(run["top_n_any_order"], tuned[name]["top_n_any_order"]);
    }
    means[more.empty() ? "" : more[0]] = tuned["training"]["hellinger_mean"];
    EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation WHERE scheme = 'tuned' AND exclude_window = 2"),
              more == rows[2] ? "2" : "0");
    ExpectSound(index);
    ExpectTidy(index);
  }
  EXPECT_NE(means[""], means["--include-self"]);
  EXPECT_NE(means[""], means["--exclude-window"]);
}

TEST_F(PositionStudyTest, KilledATuningEndsTheSame) {
  ExpectKilledEndsTheSame("tune", {"--positions", "--sample", "60"}, 6);
}

TEST_F(PositionStudyTest, TheTablesSayWhatCounts) {
  const std::string index = Copy("shown.actkin");
  const CommandResult evaluated = RunCommand({"evaluate", index, "--positions", "--sample", "10"});
  EXPECT_THAT(evaluated.out,
              AllOf(HasSubstr("10 positions of the corpus, seed 1337\n"), HasSubstr("over positions, without itself")));
  const CommandResult tuned =
      RunCommand({"tune", index, "--positions", "--sample", "20", "--exclude-window", "4", "--streams", "proj,ffwd"});
  EXPECT_THAT(tuned.out, AllOf(HasSubstr("20 positions of the corpus, seed 1337, over positions, without itself and 4 "
                                         "tokens around it\n"),
                               HasSubstr("ffwd block 1 (mlp_out)")));
}

TEST_F(PositionStudyTest, WhatMakesNoSenseIsNamed) {
  const std::string index = Copy("refused.actkin");
  ExpectFailure({"tune", index, "--positions", "--t-i", "4"}, 2, "--t-i: is not for rows over positions");
  ExpectFailure({"tune", index, "--positions", "--exclude-window", "-1"}, 2, "--exclude-window -1");
  ExpectFailure({"tune", index, "--include-self"}, 2, "--include-self: goes with --positions");
  ExpectFailure({"tune", index, "--positions", "--streams", "residual"}, 2, "--streams residual: schemes weigh");
  ExpectFailure({"tune", index, "--positions", "--sample", "100000"}, 2, "a sample of 100000 prompts");
  ExpectFailure({"evaluate", index, "--positions", "--merge", "farthest"}, 2, "--merge: is not for rows");
  Run("evaluate", index, {"--positions", "--sample", "10"});
  ExpectFailure({"evaluate", index, "--prompt-set", "positions-10-seed-1337"}, 2, "of positions: ask it with");
  Run("evaluate", index, {"--sample", "10"});
  ExpectFailure({"evaluate", index, "--positions", "--prompt-set", "sample-10-seed-1337"}, 2, "of strings");
}

}  // namespace
}  // namespace actkin
