// The weights of a scheme as PyTorch's own pieces learn them: torch::optim::AdamW and the default generator.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/optim/adamw.h>

#include <cmath>

#include "indexer/model/torch_backend.h"
#include "schema/random.h"
#include "tests/indexer/torch/training/dense_learning_data.h"

namespace actkin {
namespace {

using testing::Each;
using testing::ElementsAreArray;

constexpr std::uint32_t kPrompts = 7;
constexpr std::uint32_t kBlocks = 2;
constexpr std::uint32_t kTerms = 1 + 2 * kBlocks;
constexpr std::uint32_t kVocabulary = 11;

double Uniform(std::uint64_t number) { return static_cast<double>(MixedBits(number) >> 11) * 0x1p-53; }

// Tokens 3 and 7 follow nothing, token 5 not every prompt: their targets are there all the same.
DenseLearningData MadeData() {
  DenseLearningData data{
      .prompts = kPrompts, .terms = kTerms, .vocabulary_size = kVocabulary, .counts = {}, .targets = {}};
  for (std::uint64_t i = 0; i < kPrompts * kTerms * kVocabulary; ++i) {
    const std::uint64_t token = i % kVocabulary;
    const bool follows = token != 3 && token != 7 && (token != 5 || i / kVocabulary / kTerms % 2 == 0);
    data.counts.push_back(follows ? static_cast<float>(std::floor(Uniform(i) * Uniform(i + 5000) * 30)) : 0);
  }
  for (std::uint64_t prompt = 0; prompt < kPrompts; ++prompt) {
    double total = 0;
    std::vector<double> shares;
    for (std::uint64_t token = 0; token < kVocabulary; ++token) {
      shares.push_back(std::exp(4 * Uniform(9000 + prompt * kVocabulary + token)));
      total += shares.back();
    }
    for (const double share : shares) data.targets.push_back(static_cast<float>(share / total));
  }
  return data;
}

// Positive, so that no sum of totals is near zero.
WeightLearnerState MadeState() {
  return {.weights = {0.7F, 1.1F, 0.4F, 1.9F, 0.6F}, .first_moments = {}, .second_moments = {}};
}

TEST(WeightLearnerTest, FirstWeightsAreThoseThatPyTorchDraws) {
  for (const std::int64_t blocks : {1, 6, 20}) {
    at::manual_seed(1337);
    std::vector<float> expected{at::randn({1}).item<float>()};
    for (int stream = 0; stream < 2; ++stream) {
      const at::Tensor drawn = at::randn({blocks, 1});
      for (std::int64_t block = 0; block < blocks; ++block) expected.push_back(drawn[block][0].item<float>());
    }
    EXPECT_THAT(LoadTorchBackend().InitialSchemeWeights(1337, blocks), ElementsAreArray(expected));
  }
}

TEST(WeightLearnerTest, LossIsTheSumOfTheNormsOfTheDifferences) {
  const DenseLearningData data = MadeData();
  const WeightLearningData sparse = data.Sparse();
  const WeightLearnerState state = MadeState();
  const std::vector<std::uint32_t> batch{3, 0, 3};
  double expected = 0;
  for (const std::uint32_t prompt : batch) {
    std::vector<double> totals(kVocabulary);
    double sum = 0;
    for (std::size_t token = 0; token < kVocabulary; ++token) {
      for (std::size_t term = 0; term < kTerms; ++term) {
        totals[token] += double{state.weights[term]} * data.Count(prompt, term, token);
      }
      sum += totals[token];
    }
    double squares = 0;
    for (std::size_t token = 0; token < kVocabulary; ++token) {
      squares += std::pow(totals[token] / sum - data.targets[prompt * kVocabulary + token], 2);
    }
    expected += std::sqrt(squares);
  }
  const auto learner = LoadTorchBackend().NewWeightLearner(sparse, state);
  EXPECT_NEAR(learner->Loss(batch), expected, 1e-6);
  EXPECT_NEAR(learner->Step(batch, 0), expected, 1e-6);
}

TEST(WeightLearnerTest, UpdatesAreThoseOfPyTorchsAdamW) {
  const DenseLearningData data = MadeData();
  const WeightLearningData sparse = data.Sparse();
  const WeightLearnerState state = MadeState();
  const auto learner = LoadTorchBackend().NewWeightLearner(sparse, state);

  const auto tensor = [](std::span<const float> numbers, at::IntArrayRef sizes) {
    return at::from_blob(const_cast<float*>(numbers.data()), sizes).clone();
  };
  const std::span<const float> weights(state.weights);
  at::Tensor embedding = tensor(weights.first(1), {1}).requires_grad_(true);
  at::Tensor proj = tensor(weights.subspan(1, kBlocks), {kBlocks, 1}).requires_grad_(true);
  at::Tensor ffwd = tensor(weights.subspan(1 + kBlocks), {kBlocks, 1}).requires_grad_(true);
  torch::optim::AdamW optimizer({embedding, proj, ffwd}, torch::optim::AdamWOptions(1e-2));
  const at::Tensor counts = tensor(data.counts, {kPrompts, kTerms, kVocabulary});
  const at::Tensor targets = tensor(data.targets, {kPrompts, kVocabulary});

  for (std::uint32_t step = 0; step < 300; ++step) {
    const std::vector<std::uint32_t> batch{step % kPrompts, (step * 3 + 1) % kPrompts, step % 2};
    optimizer.zero_grad();
    at::Tensor loss = at::zeros({});
    for (const std::uint32_t prompt : batch) {
      const at::Tensor own = counts[prompt];
      const at::Tensor totals = embedding[0] * own[0] + (proj * own.slice(0, 1, 1 + kBlocks)).sum(0) +
                                (ffwd * own.slice(0, 1 + kBlocks)).sum(0);
      loss = loss + (totals / totals.sum() - targets[prompt]).norm();
    }
    loss.backward();
    EXPECT_NEAR(learner->Step(batch, 1e-2), loss.item<double>(), 1e-4) << step;
    optimizer.step();
  }
  const std::vector<float> learned = learner->State().weights;
  EXPECT_NEAR(learned[0], embedding[0].item<float>(), 1e-3);
  for (std::int64_t block = 0; block < kBlocks; ++block) {
    EXPECT_NEAR(learned[static_cast<std::size_t>(1 + block)], proj[block][0].item<float>(), 1e-3);
    EXPECT_NEAR(learned[static_cast<std::size_t>(1 + kBlocks + block)], ffwd[block][0].item<float>(), 1e-3);
  }
  EXPECT_GT(std::abs(learned[0] - state.weights[0]), 0.1);  // it has moved at all
}

TEST(WeightLearnerTest, AStateContinuesToTheLastBit) {
  const DenseLearningData data = MadeData();
  const WeightLearningData sparse = data.Sparse();
  const auto whole = LoadTorchBackend().NewWeightLearner(sparse, MadeState());
  auto part = LoadTorchBackend().NewWeightLearner(sparse, MadeState());
  for (std::uint32_t step = 0; step < 20; ++step) {
    const std::vector<std::uint32_t> batch{step % kPrompts, 2};
    if (step % 6 == 0) part = LoadTorchBackend().NewWeightLearner(sparse, part->State());
    EXPECT_EQ(whole->Step(batch, 3e-3), part->Step(batch, 3e-3));
  }
  EXPECT_EQ(whole->State().steps, 20U);
  EXPECT_THAT(part->State().weights, ElementsAreArray(whole->State().weights));
  EXPECT_THAT(part->State().second_moments, ElementsAreArray(whole->State().second_moments));
}

TEST(WeightLearnerTest, WhereWhatIsPredictedIsTheTargetNothingMoves) {
  DenseLearningData data{.prompts = 1, .terms = 3, .vocabulary_size = 2, .counts = {1, 0, 0, 0, 0, 1}, .targets = {}};
  data.targets = {0.5F, 0.5F};
  const WeightLearningData sparse = data.Sparse();
  const auto learner =
      LoadTorchBackend().NewWeightLearner(sparse, {.weights = {2, 1, 2}, .first_moments = {}, .second_moments = {}});
  EXPECT_EQ(learner->Step(std::vector<std::uint32_t>{0}, 1e-2), 0);
  EXPECT_THAT(learner->State().first_moments, Each(0.0F));
}

TEST(WeightLearnerTest, ALossThatIsNoNumberUpdatesNothing) {
  DenseLearningData data = MadeData();
  std::fill_n(data.counts.begin(), kTerms * kVocabulary, 0.0F);  // prompt 0: nothing to divide by
  const WeightLearningData sparse = data.Sparse();
  const auto learner = LoadTorchBackend().NewWeightLearner(sparse, MadeState());
  EXPECT_TRUE(std::isnan(learner->Step(std::vector<std::uint32_t>{1, 0}, 1e-2)));
  EXPECT_EQ(learner->State().steps, 0U);
  EXPECT_THAT(learner->State().weights, ElementsAreArray(MadeState().weights));
  EXPECT_THAT(learner->State().first_moments, Each(0.0F));
  EXPECT_FALSE(std::isnan(learner->Step(std::vector<std::uint32_t>{1, 2}, 1e-2)));
}

}  // namespace
}  // namespace actkin
