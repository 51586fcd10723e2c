// learn and tune: schemes from the model's own predictions.
#include <gmock/gmock.h>

#include <map>

#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/golden_index.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;

class LearnTuneTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(900, "3,4");
    bare_ = *folder_ / "bare.actkin";
    ASSERT_EQ(RunCommand({"build", Corpus(), "--out", bare_, "--length", "5"}).status, 0);
  }

  static void ExpectSoundAndTidy(const std::string& index) {
    ExpectSound(index);
    ExpectTidy(index);
  }

  static inline std::string bare_;  // without a model
};

TEST_F(LearnTuneTest, LearnsOverASampleAndSavesAScheme) {
  const std::string index = Copy("sample.actkin");
  const json learned =
      Run("learn", index, {"--sample", "80", "--steps", "1200", "--lr", "1e-2", "--seed", "7", "--batch", "20"});
  EXPECT_EQ(learned["finished"], true);
  EXPECT_EQ(learned["steps"], 1200);
  ASSERT_EQ(learned["losses"].size(), 4U);  // at 0, 500, 1000 and the end
  EXPECT_EQ(learned["losses"][0]["step"], 0);
  EXPECT_LT(learned["losses"][3]["loss"], learned["losses"][0]["loss"]);
  EXPECT_TRUE(learned["losses"][3].contains("held_out_loss"));
  EXPECT_EQ(learned["first_weights"].size(), 5U);
  EXPECT_EQ(json::parse(Query(index, "SELECT definition FROM scheme WHERE name = 'learned'")), learned["scheme"]);
  // It predicts under its name, and is worth what it was learned for: less far off than the study's own weights.
  EXPECT_EQ(Run("predict", index, {"--scheme", "learned", "--", "abbac"})["scheme"], "learned");
  const json runs =
      Run("evaluate", index,
          {"--sample", "80", "--scheme", "learned", "--scheme", "progressive_ffwd_weight", "--half", "second"})["runs"];
  EXPECT_LT(runs[0]["hellinger_mean"], runs[1]["hellinger_mean"]);
  ExpectSoundAndTidy(index);
}

TEST_F(LearnTuneTest, LearnsFromOnePrompt) {
  const std::string index = Copy("prompt.actkin");
  const json learned = Run("learn", index, {"--prompt", "abbac", "--steps", "3000", "--name", "one", "--lr", "1e-2"});
  const json& losses = learned["losses"];
  EXPECT_FALSE(losses.back().contains("held_out_loss"));
  EXPECT_LT(losses.back()["loss"], 0.7 * losses.front()["loss"].get<double>());
  const json prediction = Run("predict", index, {"--scheme", "one", "--", "abbac"});
  const json fixed = Run("predict", index, {"--", "abbac"});
  EXPECT_LT(prediction["hellinger"], fixed["hellinger"]);
  ExpectSoundAndTidy(index);
}

TEST_F(LearnTuneTest, KilledALearningEndsTheSame) {
  ExpectKilledEndsTheSame("learn", {"--sample", "60", "--steps", "900", "--batch", "10"}, 17);
}

TEST_F(LearnTuneTest, WhatCannotBeLearnedIsNamed) {
  const std::string index = Copy("refused.actkin");
  ExpectFailure({"learn", index, "--prompt", "abbac", "--sample", "20"}, 2, "--prompt, --sample and --prompts");
  ExpectFailure({"learn", index, "--prompt", "abbaz"}, 2, "\"abbaz\"");
  ExpectFailure({"learn", index, "--sample", "20", "--name", "prompt_only"}, 2, "--name \"prompt_only\"");
  ExpectFailure({"learn", index, "--sample", "20", "--train-fraction", "0"}, 2, "--train-fraction 0");
  ExpectFailure({"learn", index, "--sample", "20", "--lr", "0"}, 2, "--lr 0");
  ExpectFailure({"learn", index, "--sample", "20", "--steps", "0"}, 2, "--steps");
  ExpectFailure({"learn", index, "--sample", "20", "--t-i", "1"}, 2, "t_i 1");
  ExpectFailure({"learn", index, "--sample", "100000"}, 2, "100000");
  ExpectFailure({"learn", bare_, "--sample", "20"}, 2, "no site is built");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM scheme"), "0");
}

TEST_F(LearnTuneTest, WhatTuneFindsIsWhatEvaluateMeasures) {
  const std::string index = Copy("tuned.actkin");
  const json tuned = Run("tune", index, {"--sample", "120", "--streams", "embedding,proj,ffwd", "--t-i", "3,4"});
  EXPECT_EQ(tuned["scheme"]["metric"], "cosine");
  EXPECT_EQ(tuned["training"]["samples"], 60);
  EXPECT_EQ(tuned["held_out"]["samples"], 60);
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation WHERE scheme = 'tuned'"), "2");
  for (const auto& [half, name] : std::map<std::string, std::string>{{"first", "training"}, {"second", "held_out"}}) {
    const json runs =
        Run("evaluate", index,
            {"--sample", "120", "--scheme", "tuned", "--metric", "cosine", "--t-i", "3,4", "--half", half})["runs"];
    EXPECT_NEAR(runs[0]["hellinger_mean"], tuned[name]["hellinger_mean"], 1e-9);
    EXPECT_EQ(runs[0]["top_n"], tuned[name]["top_n"]);
    EXPECT_EQ(runs[0]["top_n_any_order"], tuned[name]["top_n_any_order"]);
  }
  // Of one prompt, too.
  EXPECT_EQ(Run("predict", index, {"--scheme", "tuned", "--metric", "cosine", "--t-i", "3,4", "--", "abbac"})["scheme"],
            "tuned");
  ExpectSoundAndTidy(index);
}

TEST_F(LearnTuneTest, KilledATuningEndsTheSame) { ExpectKilledEndsTheSame("tune", {"--sample", "60"}, 5); }

TEST_F(LearnTuneTest, TunesAGoldenModelFarBelowFixedWeights) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  const std::string index = *folder_ / "small.actkin";
  CopyGoldenIndex(index);
  const json tuned = Run("tune", index, {"--sample", "400", "--t-i", "9"});
  const json fixed = Run("evaluate", index, {"--sample", "400", "--half", "second", "--t-i", "9"})["runs"][0];
  EXPECT_LT(tuned["held_out"]["hellinger_mean"], 0.8 * fixed["hellinger_mean"].get<double>());
  EXPECT_NEAR(tuned["held_out"]["hellinger_mean"].get<double>(), tuned["training"]["hellinger_mean"].get<double>(),
              0.03);
}

TEST_F(LearnTuneTest, WhatCannotBeTunedIsNamed) {
  const std::string index = Copy("refused.actkin");
  ExpectFailure({"tune", index, "--sample", "20", "--streams", "ffwd,lm_head"}, 2, "lm_head");
  ExpectFailure({"tune", index, "--sample", "20", "--streams", ""}, 2, "--streams");
  ExpectFailure({"tune", index, "--sample", "20", "--t-i", "1"}, 2, "t_i 1");
  ExpectFailure({"tune", index, "--sample", "20", "--train-fraction", "1.5"}, 2, "--train-fraction 1.5");
  ExpectFailure({"tune", index, "--sample", "20", "--name", "last_ffwd_only"}, 2, "last_ffwd_only");
  ExpectFailure({"tune", bare_, "--sample", "20"}, 2, "no site is built");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM scheme"), "0");
}

}  // namespace
}  // namespace actkin
