// The library as a whole: golden checkpoints.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "indexer/model/checkpoint.h"
#include "indexer/model/torch_backend.h"
#include "storage/machine/file.h"
#include "tests/indexer/torch/loaded_floats.h"
#include "tests/models/interpreters.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

bool IsMask(const std::string& name) { return name.ends_with(".tril"); }

StateDict GoldenPt() {
  return LoadedFloats(LoadTorchBackend().ReadPt(SharedData("golden/small/model.pt"), IsMask).tensors);
}
StateDict GoldenSafetensors() { return SafetensorsFile(SharedData("golden/small/model.safetensors")).Read(); }

// The ten most probable tokens of golden/small/model_top10.json. The corpus is ASCII: its distinct characters, sorted,
// are the vocabulary.
void ExpectGoldenPredictions(const std::string& checkpoint) {
  const std::string corpus = ReadFile(SharedData("golden/small/corpus.txt"));
  const std::set<char> distinct(corpus.begin(), corpus.end());
  const std::string vocabulary(distinct.begin(), distinct.end());
  const TemporaryFolder folder;
  WriteModelFile(folder / "model", *ReadCheckpoint(SharedData(checkpoint)).model);
  const nlohmann::json golden = SharedJson("golden/small/model_top10.json");
  for (const auto& [prompt, expected] : golden.items()) {
    std::vector<TokenId> tokens;
    for (const char c : prompt) tokens.push_back(static_cast<TokenId>(vocabulary.find(c)));
    const std::vector<float> probabilities = RunPrompt(folder / "model", tokens).probabilities;
    ASSERT_EQ(probabilities.size(), vocabulary.size());
    std::vector<float> sorted = probabilities;
    std::ranges::sort(sorted, std::greater<>());
    ASSERT_EQ(expected.size(), 10);
    for (std::size_t rank = 0; rank < expected.size(); ++rank) {
      const auto token = vocabulary.find(expected[rank][0].get<std::string>());
      ASSERT_NE(token, std::string::npos);
      EXPECT_NEAR(probabilities[token], expected[rank][1].get<double>(), 1e-4) << prompt << " rank " << rank;
      EXPECT_NEAR(sorted[rank], expected[rank][1].get<double>(), 1e-4) << prompt << " rank " << rank;
    }
  }
}

TEST(BackendTest, TheGoldenPtPredictsWhatTheStudyPredicts) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  ExpectGoldenPredictions("golden/small/model.pt");
}

TEST(BackendTest, TheGoldenSafetensorsPredictsWhatTheStudyPredicts) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  ExpectGoldenPredictions("golden/small/model.safetensors");
}

TEST(BackendTest, BothGoldenFilesHoldTheSameTensors) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  const StateDict pt = GoldenPt();
  const StateDict safetensors = GoldenSafetensors();
  EXPECT_EQ(pt.Shapes(), safetensors.Shapes());
  for (const auto& [name, tensor] : safetensors.tensors) {
    ASSERT_TRUE(pt.tensors.contains(name)) << name;
    EXPECT_EQ(pt.tensors.at(name).values, tensor.values) << name;
  }
  for (const auto& [name, tensor] : pt.tensors) EXPECT_FALSE(name.ends_with(".tril")) << name;
}

TEST(BackendTest, ItIsLoadedOnce) { EXPECT_EQ(&LoadTorchBackend(), &LoadTorchBackend()); }

}  // namespace
}  // namespace actkin
