// A flag means one thing in every command, and a scheme brings what the flags leave open.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class FlagsTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(500, "2-4"); }

  static json Ask(const std::vector<std::string>& more) { return Run("query", Index(), more); }
  // Of an answer or several: "ffwd 1 4".
  static std::vector<std::string> Sites(const json& answers) {
    std::vector<std::string> sites;
    for (const json& answer : answers.is_array() ? answers : json{answers}) {
      sites.push_back(fmt::format("{} {} {}", answer["stream"].get<std::string>(), answer["block"].get<int>(),
                                  answer["t_i"].get<int>()));
    }
    return sites;
  }
};

TEST_F(FlagsTest, BlocksAndPositionsAreListsThatMayCountFromTheEnd) {
  using testing::ElementsAre;
  EXPECT_THAT(Sites(Ask({"abba "})), ElementsAre("ffwd 1 4"));
  EXPECT_THAT(Sites(Ask({"abba ", "--block", "-1", "--t-i", "-1"})), ElementsAre("ffwd 1 4"));
  EXPECT_THAT(Sites(Ask({"abba ", "--block", "-2", "--t-i", "3"})), ElementsAre("ffwd 0 3"));
  EXPECT_THAT(Sites(Ask({"abba ", "--block", "0-1", "--t-i", "2,4"})),
              ElementsAre("ffwd 0 2", "ffwd 0 4", "ffwd 1 2", "ffwd 1 4"));
  EXPECT_THAT(Sites(Ask({"abba ", "ddd", "--stream", "proj,ffwd", "--block", "1"})),
              ElementsAre("proj 1 4", "ffwd 1 4", "proj 1 4", "ffwd 1 4"));
  // One that is asked with others is answered as alone.
  EXPECT_EQ(Ask({"abba ", "--block", "0,1"})[1], Ask({"abba ", "--block", "1"}));

  const CommandResult tables = RunCommand({"query", Index(), "abba ", "--block", "0,1", "-k", "2"});
  EXPECT_THAT(tables.out, AllOf(HasSubstr("ffwd block 0 t_i 4"), HasSubstr("ffwd block 1 t_i 4")));
  ExpectFailure({"query", Index(), "abba ", "--block", "x"}, 2, "--block \"x\"");
  ExpectFailure({"query", Index(), "abba ", "--block", "-3"}, 2, "block -3: counts from the end of 2 blocks");
}

TEST_F(FlagsTest, OtherCommandsReadTheSameLists) {
  const std::string index = Copy("lists.actkin");
  const auto added = Run("index", index, {"--add", "HNSW4", "--block", "-1", "--t-i", "-1"})["added"];
  EXPECT_THAT(Sites(added), testing::ElementsAre("proj 1 4", "ffwd 1 4"));
  const json measured = Run("recall", index, {"--index", "HNSW4", "--block", "-1", "--sample", "3"});
  EXPECT_THAT(Sites(measured["sites"]), testing::ElementsAre("ffwd 1 4"));
  const json exported =
      Run("export", index, {"--layout", "npy", *folder_ / "npy", "--block", "-2,-1", "--t-i", "4", "--stream", "ffwd"});
  EXPECT_THAT(Sites(exported), testing::ElementsAre("ffwd 0 4", "ffwd 1 4"));
  const std::string built = *folder_ / "last_block.actkin";
  ASSERT_EQ(RunCommand({"build", Corpus(), "--model", Model(), "--out", built, "--length", "5", "--blocks", "-1",
                        "--streams", "ffwd"})
                .status,
            0);
  EXPECT_EQ(Query(built, "SELECT group_concat(block) FROM site WHERE stream = 'ffwd'"), "1");
}

TEST_F(FlagsTest, AMissingSiteIsNamedWithTheCommandThatBuildsIt) {
  const std::string index = *folder_ / "two words' own.actkin";
  ASSERT_EQ(RunCommand({"build", Corpus(), "--model", Model(), "--out", index, "--length", "5", "--blocks", "0",
                        "--t-i", "2,4"})
                .status,
            0);
  ASSERT_EQ(RunCommand({"build", Corpus(), "--out", index, "--blocks", "1", "--t-i", "4"}).status, 0);
  // The position alone names the default block, not the last block that has it.
  const CommandResult missing = RunCommand({"query", index, "abba ", "--t-i", "2"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.err, HasSubstr("no site ffwd block 1 t_i 2"));
  const auto run_what_it_says = [](const CommandResult& refused) {
    const std::string line = refused.err.substr(refused.err.find("actkin build"));
    EXPECT_EQ(std::system(fmt::format("{}{} >/dev/null 2>&1", ACTKIN_COMMAND, line.substr(6, line.size() - 7)).c_str()),
              0)
        << refused.err;
  };
  run_what_it_says(missing);
  EXPECT_EQ(RunCommand({"query", index, "abba ", "--t-i", "2"}).status, 0);

  // All that a command needs at once.
  const CommandResult many = RunCommand({"predict", index, "abba ", "--t-i", "1,3"});
  EXPECT_THAT(many.err, HasSubstr("no site proj block 0 t_i 1 (attn_out), nor 7 more"));
  run_what_it_says(many);
  EXPECT_EQ(RunCommand({"predict", index, "abba ", "--t-i", "1,3"}).status, 0);
  const CommandResult filtered = RunCommand({"index", index, "--add", "HNSW4", "--t-i", "0"});
  EXPECT_THAT(filtered.err, HasSubstr("t_i 0: no such site is built"));
  run_what_it_says(filtered);
  EXPECT_EQ(RunCommand({"index", index, "--add", "HNSW4", "--t-i", "0"}).status, 0);
  // Nothing builds what cannot be.
  const CommandResult never = RunCommand({"query", index, "abba ", "--t-i", "5"});
  EXPECT_THAT(never.err, AllOf(HasSubstr("t_i goes from 0 to 4"), testing::Not(HasSubstr("actkin build"))));
}

TEST_F(FlagsTest, ASchemeBringsItsMetricBandsAndK) {
  const std::string index = Copy("schemes.actkin");
  const std::string file = folder_->Write(
      "mine.json", R"({"ffwd": {"1": 1}, "metric": "cosine", "k": 3, "within": {"ffwd": {"1": "0.1:"}}})");
  const json brought = RunForJson({"predict", index, "abba ", "--scheme", file, "--json"});
  EXPECT_EQ(brought["metric"], "cosine");
  EXPECT_EQ(brought["k"], 3);
  // As when the flags say it.
  folder_->Write("bare.json", R"({"ffwd": {"1": 1}})");
  EXPECT_EQ(RunForJson({"predict", index, "abba ", "--scheme", *folder_ / "bare.json", "--metric", "cosine", "-k", "3",
                        "--within", "0.1:", "--json"})["tokens"],
            brought["tokens"]);
  // Saved, under its name, beside others, and in the other commands.
  EXPECT_EQ(RunForJson({"predict", index, "abba ", "--scheme", "mine", "--json"}), brought);
  const json all = RunForJson({"predict", index, "abba ", "--scheme", "all", "--json"});
  EXPECT_EQ(all.back()["scheme"], "mine");
  EXPECT_EQ(all.back()["tokens"], brought["tokens"]);
  EXPECT_EQ(all.front()["metric"], "l2");
  const json run = Run("evaluate", index, {"--sample", "20", "--scheme", "mine"})["runs"][0];
  EXPECT_EQ(run["metric"], "cosine");
  EXPECT_EQ(run["k"], 3);
  const json similar = Run("similar", index, {"abba ", "--scheme", "mine"});
  EXPECT_EQ(similar["metric"], "cosine");
  EXPECT_EQ(similar["k"], 3);
  EXPECT_LE(similar["blocks"][1]["ffwd"].size(), 3U);
  EXPECT_GT(similar["blocks"][1]["ffwd"].size(), 0U);
  EXPECT_EQ(similar["blocks"][0]["ffwd"].size(), 0U) << "it weighs none of these";
  // The flags come first.
  EXPECT_EQ(Run("predict", index, {"abba ", "--scheme", "mine", "-k", "2"})["k"], 2);
  EXPECT_EQ(Run("predict", index, {"abba ", "--scheme", "mine", "--within", "0.5:"})["k"], nullptr);
  ExpectFailure({"predict", index, "abba ", "--scheme", "mine", "--metric", "l2"}, 2,
                "its bands are in cosine: ask for that metric, or for none");
  ExpectFailure({"predict", index, "abba ", "--scheme", "other"}, 2, "mine, or a file NAME.json");
  folder_->Write("bad.json", R"({"ffwd": {"1": 1}, "k": 0})");
  ExpectFailure({"predict", index, "abba ", "--scheme", *folder_ / "bad.json"}, 2, "how many neighbors, at least 1");
  ExpectSound(index);
}

TEST_F(FlagsTest, WhatLearnAndTuneSaveIsAskedAsItWasFound) {
  const std::string index = Copy("found.actkin");
  Run("learn", index, {"--sample", "30", "--steps", "3", "-k", "4", "--metric", "cosine"});
  const json learned = Run("predict", index, {"abba ", "--scheme", "learned"});
  EXPECT_EQ(learned["metric"], "cosine");
  EXPECT_EQ(learned["k"], 4);
  Run("tune", index, {"--sample", "30"});
  const json tuned = Run("predict", index, {"abba ", "--scheme", "tuned"});
  EXPECT_EQ(tuned["metric"], "cosine");
  EXPECT_EQ(tuned["k"], nullptr);
  EXPECT_EQ(tuned, Run("predict", index, {"abba ", "--scheme", "tuned", "--metric", "cosine"}));
}

TEST_F(FlagsTest, APromptOfAnotherLengthIsComparedAndSaidSo) {
  const CommandResult shorter = RunCommand({"query", Index(), "abb", "cab", "--t-i", "4", "--json"});
  EXPECT_EQ(shorter.status, 0);
  EXPECT_THAT(shorter.err, AllOf(HasSubstr("prompt \"abb\" has 3 tokens"), HasSubstr("1 more of 2"),
                                 HasSubstr("with strings of 5")));
  EXPECT_EQ(std::ranges::count(shorter.err, '\n'), 1);
  EXPECT_EQ(RunCommand({"query", Index(), "abb", "--t-i", "2,4"}).err, "");
  EXPECT_EQ(RunCommand({"query", Index(), "abb", "--stream", "embedding"}).err, "");
  EXPECT_THAT(RunCommand({"predict", Index(), "abb"}).err, HasSubstr("with strings of 5"));
  EXPECT_THAT(RunCommand({"similar", Index(), "abbaab", "--t-i", "2-4"}).err, HasSubstr("with strings of 3-5"));
}

}  // namespace
}  // namespace actkin
