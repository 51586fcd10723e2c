// golden/small: what the study's own Python code answers, reproduced through the command.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "storage/machine/file.h"
#include "tests/shared_data.h"
#include "tests/tools/command/golden_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;

class GoldenSmallTest : public GoldenIndexTest<testing::TestWithParam<std::string>> {
 protected:
  static json Query(const std::vector<std::string>& prompts, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"query", index_, "--json"};
    arguments.insert(arguments.end(), prompts.begin(), prompts.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunForJson(arguments);
  }
};

// The neighbors of every prompt in one of the study's files.
void CompareFile(const json& golden, const json& answers, const std::string& where) {
  for (const auto& [prompt, column] : golden["strings"].items()) {
    const std::size_t c = column;
    const auto answer = std::ranges::find_if(answers, [&](const json& a) { return a["prompt"] == prompt; });
    ASSERT_NE(answer, answers.end());
    const json& texts = golden["sim_strings"][c];
    const json& distances = golden["distances"];
    ASSERT_EQ((*answer)["neighbors"].size(), texts.size());
    for (std::size_t rank = 0; rank < texts.size(); ++rank) {
      const json& neighbor = (*answer)["neighbors"][rank];
      const double expected = distances[rank][c];
      const double distance = StudyDistance(neighbor);
      EXPECT_TRUE(Close(distance, expected))
          << where << " " << prompt << " rank " << rank << ": " << distance << " " << expected;
      // Strings agree up to ties: another string here must be as far as some golden one of another rank, or tie with
      // the last, beyond which the golden list ends.
      if (neighbor["text"] == texts[rank]) continue;
      bool tie = Close(distance, distances[texts.size() - 1][c]);
      for (std::size_t other = 0; other < texts.size(); ++other) {
        tie |= neighbor["text"] == texts[other] && Close(distance, distances[other][c]);
      }
      EXPECT_TRUE(tie) << where << " " << prompt << " rank " << rank << ": " << neighbor["text"] << " instead of "
                       << texts[rank];
    }
  }
}

TEST_P(GoldenSmallTest, SimilarStrings) {
  const std::string study_metric = GetParam() == "l2" ? "euclidean" : "cosine";
  const std::string folder = "golden/small/similar_strings_" + study_metric + "/";
  std::vector<std::string> prompts;
  const json batches = SharedJson(folder + "string_to_batch_map.json");
  for (const auto& [prompt, batch] : batches.items()) prompts.push_back(prompt);
  ASSERT_EQ(prompts.size(), 4U);
  CompareFile(SharedJson(folder + "embs_sim_strings-000.json"),
              Query(prompts, {"--stream", "embedding", "--metric", GetParam()}), "embedding");
  int files = 0;
  for (const std::string stream : {"proj", "ffwd"}) {
    for (int block = 0; block < 3; ++block) {
      for (int t_i = 3; t_i <= 9; ++t_i) {
        const std::string file = fmt::format("{}{}_out_sim_strings-000-{:02}-{:03}.json", folder, stream, block, t_i);
        CompareFile(SharedJson(file),
                    Query(prompts, {"--stream", stream, "--block", std::to_string(block), "--t-i", std::to_string(t_i),
                                    "--metric", GetParam()}),
                    file);
        ++files;
      }
    }
  }
  EXPECT_EQ(files, 42);
}

INSTANTIATE_TEST_SUITE_P(Metrics, GoldenSmallTest, testing::Values("l2", "cosine"));

using GoldenSmallIndexTest = GoldenSmallTest;

TEST_P(GoldenSmallIndexTest, LengthFiveAnswersLikeLengthTenAtPositionFour) {
  const std::string shorter = *folder_ / "five.actkin";
  ASSERT_EQ(RunCommand({"build", SharedData("golden/small/corpus.txt"), "--model",
                        SharedData("golden/small/model.safetensors"), "--out", shorter, "--length", "5"})
                .status,
            0);
  for (const std::string prompt : {"First Citi", "Shyamalan ", "more"}) {
    const std::vector<std::string> rest{"--json", "--stream", "proj", "--block", "1", "--t-i", "4"};
    std::vector<std::string> five{"query", shorter, prompt};
    five.insert(five.end(), rest.begin(), rest.end());
    const json a = RunForJson(five);
    const json b = Query({prompt}, {"--stream", "proj", "--block", "1", "--t-i", "4"});
    ASSERT_EQ(a["neighbors"].size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(a["neighbors"][i]["text"], b["neighbors"][i]["text"]);
      EXPECT_TRUE(Close(a["neighbors"][i]["distance"], b["neighbors"][i]["distance"]));
      EXPECT_EQ(a["neighbors"][i]["next_tokens"], b["neighbors"][i]["next_tokens"]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Once, GoldenSmallIndexTest, testing::Values("l2"));

}  // namespace
}  // namespace actkin
