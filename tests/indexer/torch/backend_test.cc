// The library as a whole: golden checkpoints, and what it says of models that are none.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "indexer/model/torch_backend.h"
#include "schema/error.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/indexer/torch/made_transformer.h"
#include "tests/shared_data.h"

namespace actkin {
namespace {

StateDict GoldenPt() { return LoadTorchBackend().ReadPt(SharedData("golden/small/model.pt")); }
StateDict GoldenSafetensors() { return SafetensorsFile(SharedData("golden/small/model.safetensors")).Read(); }

// The ten most probable tokens of golden/small/model_top10.json. The corpus is ASCII: its distinct characters, sorted,
// are the vocabulary.
void ExpectGoldenPredictions(const StateDict& state) {
  const std::string corpus = ReadFile(SharedData("golden/small/corpus.txt"));
  const std::set<char> distinct(corpus.begin(), corpus.end());
  const std::string vocabulary(distinct.begin(), distinct.end());
  const std::unique_ptr<Transformer> model = LoadTorchBackend().NewTransformer(state);
  ASSERT_EQ(model->shape().vocabulary_size, static_cast<std::int64_t>(vocabulary.size()));
  const nlohmann::json golden = SharedJson("golden/small/model_top10.json");
  for (const auto& [prompt, expected] : golden.items()) {
    std::vector<TokenId> tokens;
    for (const char c : prompt) tokens.push_back(static_cast<TokenId>(vocabulary.find(c)));
    const auto length = static_cast<std::int64_t>(tokens.size());
    const std::vector<float> logits = model->Forward(tokens, length).logits;
    std::vector<double> probabilities;
    double total = 0;
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
      probabilities.push_back(std::exp(double{logits[(tokens.size() - 1) * vocabulary.size() + i]}));
      total += probabilities.back();
    }
    for (double& probability : probabilities) probability /= total;
    std::vector<double> sorted = probabilities;
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
  ExpectGoldenPredictions(GoldenPt());
}

TEST(BackendTest, TheGoldenSafetensorsPredictsWhatTheStudyPredicts) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  ExpectGoldenPredictions(GoldenSafetensors());
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

TEST(BackendTest, AMissingASurplusAndAMisshapenTensorAreNamed) {
  const StateDict good = MadeTransformer(kOddShape, 1);
  const auto error = [](const StateDict& state) { return ErrorOf([&] { LoadTorchBackend().NewTransformer(state); }); };
  EXPECT_EQ(error(good), "no error");
  StateDict missing = good;
  missing.tensors.erase("blocks.1.sa.heads.1.value.weight");
  EXPECT_THAT(error(missing), OneLineWith("blocks.1.sa.heads.1.value.weight is missing"));
  StateDict surplus = good;
  surplus.tensors["blocks.1.sa.heads.2.value.weight"] = good.tensors.at("blocks.1.sa.heads.1.value.weight");
  EXPECT_THAT(error(surplus), OneLineWith("blocks.1.sa.heads.2.value.weight is not part"));
  StateDict misshapen = good;
  misshapen.tensors["lm_head.bias"].shape = {10};
  EXPECT_THAT(error(misshapen), OneLineWith("lm_head.bias has shape [10], expected [11]"));
}

TEST(BackendTest, ItIsLoadedOnce) { EXPECT_EQ(&LoadTorchBackend(), &LoadTorchBackend()); }

}  // namespace
}  // namespace actkin
