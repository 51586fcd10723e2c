// What a command reads: "-" is standard input; prompts that cannot be asked are refused, or marked, all together.
#include <gmock/gmock.h>

#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class InputTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(500, "4"); }

  static void ExpectLine(const CommandResult& refused, const testing::Matcher<std::string>& line) {
    EXPECT_EQ(refused.status, 2);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, line);
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  }
};

TEST_F(InputTest, ADashIsStandardInput) {
  const std::string corpus = ReadFile(Corpus());
  const std::string index = *folder_ / "piped.actkin";
  const CommandResult built = RunCommandOn(
      corpus, {"build", "-", "--model", Model(), "--vocabulary-from", "-", "--out", index, "--length", "5"});
  EXPECT_EQ(built.status, 0) << built.err;
  EXPECT_EQ(Rows(index, "string"), Rows(Index(), "string"));
  EXPECT_EQ(Query(index, "SELECT name FROM corpus"), "standard input");
  EXPECT_THAT(RunCommandOn(corpus + "abba", {"build", "-", "--out", index, "--length", "5"}).err,
              HasSubstr("another corpus"));
  EXPECT_THAT(RunCommandOn("", {"build", "-", "--out", *folder_ / "empty.actkin"}).err,
              HasSubstr("standard input: the corpus is empty"));

  const json expected = Run("query", Index(), {"abba ", "ddd d"});
  EXPECT_EQ(json::parse(RunCommandOn("abba \nddd d\n", Arguments("query", Index(), {"--prompts", "-"})).out), expected);
  EXPECT_EQ(json::parse(RunCommandOn(R"(["abba ", "ddd d"])", Arguments("query", Index(), {"--prompts", "-"})).out),
            expected);

  const std::string copy = Copy("dash.actkin");
  const std::string scheme = R"({"name": "piped", "ffwd": {"1": 1}})";
  const CommandResult predicted = RunCommandOn(scheme, {"predict", copy, "abba ", "--scheme", "-"});
  EXPECT_EQ(predicted.status, 0) << predicted.err;
  EXPECT_THAT(predicted.out, HasSubstr("piped"));
  const std::vector<std::string> streamed{"evaluate", copy, "--sample", "10", "--t-i", "3", "--json"};
  std::vector<std::string> by_name = streamed;
  by_name.insert(by_name.end(), {"--stream-sites", Corpus()});
  std::vector<std::string> by_dash = streamed;
  by_dash.insert(by_dash.end(), {"--stream-sites", "-", "--stream-disk", "0"});
  const json by_pipe = json::parse(RunCommandOn(corpus, by_dash).out);
  EXPECT_EQ(by_pipe, RunForJson(by_name));
}

TEST_F(InputTest, TrainReadsStandardInput) {
  const auto train = [&](const std::string& corpus, const std::string& out) {
    return RunCommandOn(ReadFile(Corpus()), {"train", corpus, "--out", *folder_ / out, "--steps", "2", "--blocks", "1",
                                             "--heads", "1", "--embed", "8", "--threads", "1"});
  };
  ASSERT_EQ(train("-", "piped.safetensors").status, 0);
  ASSERT_EQ(train(Corpus(), "named.safetensors").status, 0);
  EXPECT_EQ(ReadFile(*folder_ / "piped.safetensors"), ReadFile(*folder_ / "named.safetensors"));
}

TEST_F(InputTest, ADashIsStandardOutputOfAnExport) {
  const std::string folder = *folder_ / "exports";
  Run("export", Index(), {"--layout", "npy", folder, "--stream", "ffwd", "--block", "1"});
  const CommandResult npy =
      RunCommand({"export", Index(), "--layout", "npy", "-", "--stream", "ffwd", "--block", "-1"});
  EXPECT_EQ(npy.out, ReadFile(std::filesystem::path(folder) / "ffwd-b1-t4.npy")) << npy.err;
  const auto refused = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"export", Index(), "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunCommand(arguments);
  };
  ExpectLine(refused({"--layout", "npy", "--stream", "ffwd"}), HasSubstr("takes one file, these are 2"));
  ExpectLine(refused({"--layout", "npy", "--stream", "ffwd", "--block", "1", "--json"}), HasSubstr("--json"));
  ExpectLine(refused({"--layout", "similar-strings"}), HasSubstr("a folder of files"));
}

TEST_F(InputTest, BrokenJsonIsNotTakenForLines) {
  const std::string file = folder_->Write("broken.json", "[\"abba \",\n \"ddd\",]\n");
  ExpectLine(RunCommand({"query", Index(), "--prompts", file}), AllOf(HasSubstr(file), HasSubstr("line 2, column 8")));
  folder_->Write("broken.json", " \n[\"abba \"");
  ExpectLine(RunCommand({"query", Index(), "--prompts", file}), HasSubstr("line 2, column"));
  folder_->Write("broken.json", "[\"abba \", 7]");
  ExpectLine(RunCommand({"evaluate", Index(), "--prompts", file}),
             HasSubstr("expected strings, or arrays of token ids, found 7"));
  folder_->Write("broken.json", R"({"prompts": ["abba "]})");
  ExpectLine(RunCommand({"query", Index(), "--prompts", file}), HasSubstr("expected a JSON array of strings"));
  ExpectLine(RunCommandOn("[", {"query", Index(), "--prompts", "-"}), HasSubstr("standard input: begins with ["));
}

TEST_F(InputTest, ABatchIsRefusedOrMarkedAsAWhole) {
  ExpectLine(RunCommand({"query", Index(), "abba ", "Queen", "ddd d", "King"}),
             AllOf(HasSubstr("prompt \"Queen\""), HasSubstr("2 of 4 prompts"), HasSubstr("--unknown skip")));
  ExpectLine(RunCommand({"query", Index(), "abba ", "Queen", "--unknown", "sometimes"}), HasSubstr("error or skip"));
  const json marked = Run("query", Index(), {"abba ", "Queen", "ddd d", "", "abbaabbaab", "--unknown", "skip"});
  ASSERT_EQ(marked.size(), 5U);
  EXPECT_EQ(marked[0], Run("query", Index(), {"abba "}));
  EXPECT_EQ(marked[1]["prompt"], "Queen");
  EXPECT_THAT(marked[1]["error"].get<std::string>(), HasSubstr("vocabulary"));
  EXPECT_FALSE(marked[1].contains("neighbors"));
  EXPECT_EQ(marked[2], Run("query", Index(), {"ddd d"}));
  EXPECT_EQ(marked[3]["prompt"], "");
  EXPECT_THAT(marked[4]["error"].get<std::string>(), HasSubstr("at most 8"));
  EXPECT_THAT(RunCommand({"query", Index(), "abba ", "Queen", "--unknown", "skip"}).out,
              AllOf(HasSubstr("\nprompt \"Queen\": character"), HasSubstr("\"abba \"  ffwd")));
}

TEST_F(InputTest, AnEvaluationLeavesOutWhatItSaysItDoes) {
  const std::string index = Copy("unknown.actkin");
  const std::string all = folder_->Write("all.txt", "abba \nQueen\nddd d\n");
  const std::string known = folder_->Write("known.txt", "abba \nddd d\n");
  ExpectLine(RunCommand({"evaluate", index, "--prompts", all}),
             AllOf(HasSubstr("all.txt: prompt \"Queen\""), HasSubstr("1 of 3 prompts")));
  EXPECT_EQ(Query(index, "SELECT count(*) FROM prompt_set"), "0");
  const json skipped = Run("evaluate", index, {"--prompts", all, "--unknown", "skip"});
  EXPECT_EQ(skipped["runs"], Run("evaluate", index, {"--prompts", known})["runs"]);
  ASSERT_EQ(skipped["skipped"].size(), 1U);
  EXPECT_EQ(skipped["skipped"][0]["prompt"], "Queen");
  const CommandResult table = RunCommand({"evaluate", index, "--prompts", all, "--unknown", "skip"});
  EXPECT_THAT(table.out, HasSubstr("left out: prompt \"Queen\""));
  EXPECT_THAT(table.err, HasSubstr("1 of 3 prompts left out"));
}

}  // namespace
}  // namespace actkin
