// golden/small: the study's merged neighbors, predictions and evaluation, reproduced through the command.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/shared_data.h"
#include "tests/tools/command/golden_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;

const std::vector<std::string> kSchemes{"progressive_ffwd_weight", "inverse_distance", "last_ffwd_only",
                                        "last_ffwd_only_inverse_distance"};

using GoldenStudyTest = GoldenIndexTest<testing::Test>;

// Distances rank by rank; strings up to ties.
void CompareMerged(const json& golden, const json& neighbors, const std::string& where) {
  const json& texts = golden["strings"];
  const json& distances = golden["distances"];
  ASSERT_EQ(neighbors.size(), texts.size()) << where;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    const double distance = StudyDistance(neighbors[rank]);
    EXPECT_TRUE(Close(distance, distances[rank]))
        << where << " rank " << rank << ": " << distance << " " << distances[rank];
    if (neighbors[rank]["text"] == texts[rank]) continue;
    bool tie = false;
    for (std::size_t other = 0; other < texts.size(); ++other) {
      // One that is as far as the string expected here, or, at the end, as far as the last.
      tie |= Close(distance, distances[other]) &&
             (neighbors[rank]["text"] == texts[other] || other + 1 == texts.size() || other == rank);
    }
    EXPECT_TRUE(tie) << where << " rank " << rank << ": " << neighbors[rank]["text"] << " instead of " << texts[rank];
  }
}

// Ten tokens: probabilities rank by rank; tokens up to ties.
void ComparePrediction(const json& golden, const json& tokens, const std::string& where) {
  std::map<std::string, double> found;
  for (const json& token : tokens) found[token["token"]] = token["probability"];
  std::size_t expected = 0;
  for (const json& entry : golden) expected += entry[1].get<double>() > 0 ? 1 : 0;
  ASSERT_EQ(tokens.size(), expected) << where;
  const double last = golden[expected - 1][1];
  for (std::size_t rank = 0; rank < expected; ++rank) {
    const double probability = golden[rank][1];
    EXPECT_NEAR(tokens[rank]["probability"].get<double>(), probability, 1e-4) << where << " rank " << rank;
    const auto token = found.find(golden[rank][0]);
    // One that is as probable as the last may have been left out for another.
    if (token == found.end()) {
      EXPECT_NEAR(probability, last, 1e-4) << where << " " << golden[rank][0];
    } else {
      EXPECT_NEAR(token->second, probability, 1e-4) << where << " " << golden[rank][0];
    }
  }
}

TEST_F(GoldenStudyTest, Aggregates) {
  int predictions = 0;
  for (const std::string metric : {"l2", "cosine"}) {
    const std::string study_metric = metric == "l2" ? "euclidean" : "cosine";
    const json aggregates = SharedJson(fmt::format("golden/small/aggregates_{}.json", study_metric));
    for (const auto& [key, prompts] : aggregates.items()) {
      // "t_is=7,8,9;largest=false". The largest are the farthest under l2, the nearest under cosine.
      const std::string t_is = key.substr(5, key.find(';') - 5);
      const bool largest = key.ends_with("true");
      const std::string merge = largest == (metric == "l2") ? "farthest" : "nearest";
      for (const auto& [prompt, golden] : prompts.items()) {
        const std::vector<std::string> flags{"--json", "--metric", metric, "--t-i", t_is, "--merge", merge};
        const auto run = [&](const std::string& subcommand, const std::vector<std::string>& more) {
          std::vector<std::string> arguments{subcommand, index_, prompt};
          arguments.insert(arguments.end(), flags.begin(), flags.end());
          arguments.insert(arguments.end(), more.begin(), more.end());
          return RunForJson(arguments);
        };
        const json similar = run("similar", {});
        ASSERT_EQ(similar["blocks"].size(), 3U);
        for (const std::string stream : {"proj", "ffwd"}) {
          ASSERT_EQ(golden[stream].size(), 3U);
          for (std::size_t block = 0; block < 3; ++block) {
            CompareMerged(golden[stream][block], similar["blocks"][block][stream],
                          fmt::format("{} {} {} {} block {}", metric, key, prompt, stream, block));
          }
        }
        const json predicted = run("predict", {"--scheme", "all"});
        std::set<std::string> compared;
        for (const json& prediction : predicted) {
          const std::string scheme = prediction["scheme"];
          if (!golden["next_token"].contains(scheme)) continue;
          const json& expected = golden["next_token"][scheme];
          ComparePrediction(expected, prediction["tokens"], fmt::format("{} {} {} {}", metric, key, prompt, scheme));
          compared.insert(scheme);
          ++predictions;
        }
        EXPECT_THAT(compared, testing::IsSupersetOf(kSchemes));
      }
    }
  }
  EXPECT_GE(predictions, 2 * 6 * 4 * 4);
}

TEST_F(GoldenStudyTest, ContributorsStandOnceWhereTheyAppearFirst) {
  const json similar = RunForJson({"similar", index_, "First Citi", "--t-i", "7,8,9", "--json"});
  std::vector<std::pair<std::uint64_t, std::string>> expected;
  std::set<std::uint64_t> seen;
  const auto add = [&](const json& neighbors, const std::string& where) {
    for (const json& neighbor : neighbors) {
      if (seen.insert(neighbor["string_id"].get<std::uint64_t>()).second) {
        expected.emplace_back(neighbor["string_id"], where);
      }
    }
  };
  add(similar["embedding"], "embedding 0");
  for (const json& block : similar["blocks"]) {
    for (const std::string stream : {"proj", "ffwd"}) {
      add(block[stream], fmt::format("{} {}", stream, block["block"].get<int>()));
    }
  }
  std::vector<std::pair<std::uint64_t, std::string>> found;
  for (const json& contributor : similar["contributors"]) {
    found.emplace_back(contributor["string_id"],
                       fmt::format("{} {}", contributor["stream"].get<std::string>(), contributor["block"].get<int>()));
    double sum = contributor["next_tokens"].empty() ? 1 : 0;
    for (const json& token : contributor["next_tokens"]) sum += token["probability"].get<double>();
    EXPECT_NEAR(sum, 1, 1e-9);
  }
  EXPECT_EQ(found, expected);
}

TEST_F(GoldenStudyTest, LengthsStandBesideEachOther) {
  const json similar = RunForJson({"similar", index_, "First Citi", "--lengths", "4,5,9", "-k", "3", "--json"});
  ASSERT_EQ(similar["lengths"].size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const int t_i = similar["lengths"][i]["t_i"][0];
    EXPECT_EQ(t_i, std::vector<int>({3, 4, 8})[i]);
    for (int block = 0; block < 3; ++block) {
      const json alone = RunForJson({"query", index_, "First Citi", "--stream", "ffwd", "--block",
                                     std::to_string(block), "--t-i", std::to_string(t_i), "-k", "3", "--json"});
      for (std::size_t rank = 0; rank < 3; ++rank) {
        EXPECT_EQ(similar["lengths"][i]["blocks"][static_cast<std::size_t>(block)]["ffwd"][rank]["text"],
                  alone["neighbors"][rank]["text"]);
      }
    }
  }
}

TEST_F(GoldenStudyTest, Evaluation) {
  const json golden = SharedJson("golden/small/evaluation_200.json");
  const json found = RunForJson({"evaluate", index_, "--sample", "200", "--scheme", "all", "--t-i", "9", "--t-i",
                                 "7,8,9", "--t-i", "3-9", "--merge", "nearest,farthest", "--json"});
  EXPECT_EQ(found["samples"], golden["samples"]);
  int compared = 0;
  for (const json& expected : golden["runs"]) {
    const auto run = std::ranges::find_if(found["runs"], [&](const json& other) {
      return other["scheme"] == expected["scheme"] && other["t_i"] == expected["t_i"] &&
             other["merge"] == expected["merge"];
    });
    const std::string where =
        fmt::format("{} {} {}", expected["scheme"].dump(), expected["t_i"].dump(), expected["merge"].dump());
    ASSERT_NE(run, found["runs"].end()) << where;
    EXPECT_EQ((*run)["k"], expected["k"]);
    EXPECT_EQ((*run)["metric"], expected["metric"]);
    for (const char* list : {"top_n", "top_n_any_order"}) {
      ASSERT_EQ((*run)[list].size(), 10U);
      for (std::size_t n = 0; n < 10; ++n) {
        EXPECT_NEAR((*run)[list][n].get<double>(), expected[list][n].get<double>(), 0.02) << where << " " << list << n;
      }
    }
    EXPECT_NEAR((*run)["hellinger_mean"].get<double>(), expected["hellinger_mean"].get<double>(), 0.005) << where;
    ++compared;
  }
  EXPECT_GE(compared, 10);
  // The prompts are those of the golden sample, in order.
  const json prompts =
      RunForJson({"evaluate", index_, "--prompts", folder_->Write("prompts.json", golden["prompts"].dump()), "--scheme",
                  "prompt_only", "--t-i", "9", "--json"});
  EXPECT_EQ(prompts["runs"][0]["hellinger_mean"], (*std::ranges::find_if(found["runs"], [](const json& run) {
              return run["scheme"] == "prompt_only";
            }))["hellinger_mean"]);
}

// A prediction is what evaluate makes of the same neighbors.
TEST_F(GoldenStudyTest, EvaluateAgreesWithPredict) {
  const std::vector<std::string> prompts{"First Citi", "Shyamalan ", "more in jo"};
  const std::string file = folder_->Write("three.json", json(prompts).dump());
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"--metric", "cosine", "--within", "0.5:", "--scheme", "last_ffwd_only"},
           {"--metric", "l2", "--within", ":0.4,:0.3,:0.2", "-k", "7", "--scheme", "inverse_distance"},
           {"--metric", "cosine", "--within", "0.1:0.6", "-k", "7", "--t-i", "5-9", "--scheme", "inverse_distance"},
           {"--metric", "l2", "-k", "3", "--t-i", "8,9", "--merge", "farthest"}}) {
    std::vector<std::string> evaluate{"evaluate", index_, "--prompts", file, "--json"};
    evaluate.insert(evaluate.end(), flags.begin(), flags.end());
    double sum = 0;
    for (const std::string& prompt : prompts) {
      std::vector<std::string> predict{"predict", index_, prompt, "--json"};
      predict.insert(predict.end(), flags.begin(), flags.end());
      sum += RunForJson(predict)["hellinger"].get<double>();
    }
    // Twice: from a search, and from what it saved.
    for (int i = 0; i < 2; ++i) {
      EXPECT_NEAR(RunForJson(evaluate)["runs"][0]["hellinger_mean"].get<double>(), sum / 3, 1e-9) << json(flags).dump();
    }
  }
}

}  // namespace
}  // namespace actkin
