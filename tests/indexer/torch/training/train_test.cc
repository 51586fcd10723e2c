// Training as LibTorch computes it, held against the reference forward pass.
#include "indexer/train/train.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "indexer/model/checkpoint.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/indexer/forward/made_transformer.h"
#include "tests/models/interpreters.h"
#include "tests/silent_progress.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::size_t kRow = 10;  // tokens of a sequence: kOddShape's context and one

std::vector<TokenId> MadeSequences(std::size_t count, unsigned seed) {
  std::vector<TokenId> tokens;
  unsigned state = seed;
  for (std::size_t i = 0; i < count * kRow; ++i) {
    state = state * 1664525U + 1013904223U;
    tokens.push_back((state >> 16) % static_cast<unsigned>(kOddShape.vocabulary_size));
  }
  return tokens;
}

std::unique_ptr<Trainer> MadeTrainer(const TrainerOptions& options = {}, unsigned seed = 3) {
  TrainingState state;
  state.parameters = MadeTransformer(kOddShape, seed);
  return LoadTorchBackend().NewTrainer(options, state);
}

// All of a state, as bytes.
std::string Bytes(const TrainingState& state) {
  return std::to_string(state.steps) + SerializeSafetensors(state.parameters) +
         SerializeSafetensors(state.first_moments) + SerializeSafetensors(state.second_moments);
}

double LargestDifference(const StateDict& left, const StateDict& right) {
  double largest = 0;
  for (const auto& [name, tensor] : left.tensors) {
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      largest = std::max(largest, std::abs(double{tensor.values[i]} - right.tensors.at(name).values[i]));
    }
  }
  return largest;
}

TEST(TrainerTest, LossIsTheCrossEntropyOfTheReferencesLogits) {
  const std::vector<TokenId> sequences = MadeSequences(5, 1);
  const TemporaryFolder folder;
  const auto trained = folder.Write("trained.safetensors", SerializeSafetensors(MadeTransformer(kOddShape, 3)));
  WriteModelFile(folder / "model", *ReadCheckpoint(trained).model);
  double sum = 0;
  const auto vocabulary = static_cast<std::size_t>(kOddShape.vocabulary_size);
  for (std::size_t row = 0; row < 5; ++row) {
    const std::span<const TokenId> sequence = std::span(sequences).subspan(row * kRow, kRow);
    const std::vector<float> logits = RunPrompt(folder / "model", sequence.first(kRow - 1)).logits;
    for (std::size_t t = 0; t + 1 < kRow; ++t) {
      double total = 0;
      for (std::size_t v = 0; v < vocabulary; ++v) total += std::exp(double{logits[t * vocabulary + v]});
      sum += std::log(total) - logits[t * vocabulary + sequence[t + 1]];
    }
  }
  EXPECT_NEAR(MadeTrainer()->Loss(sequences), sum / (5 * (kRow - 1)), 1e-5);
}

// After one step the first moment is a tenth of the clipped gradient. A move along a tensor's gradient must change the
// loss by the move times the gradient's length.
TEST(TrainerTest, TheGradientOfEveryTensorIsTheLossesSlope) {
  const std::vector<TokenId> sequences = MadeSequences(6, 1);
  const std::unique_ptr<Trainer> trainer = MadeTrainer({.threads = 2});
  trainer->Step(sequences, 0);
  const TrainingState after = trainer->State();
  const StateDict parameters = MadeTransformer(kOddShape, 3);
  EXPECT_EQ(SerializeSafetensors(after.parameters), SerializeSafetensors(parameters));  // learning rate 0

  std::vector<double> clipping;
  for (const auto& [name, moment] : after.first_moments.tensors) {
    double squares = 0;
    for (const float value : moment.values) squares += 100.0 * value * value;
    const double length = std::sqrt(squares);
    ASSERT_GT(length, 0) << name;
    const auto loss_at = [&](double distance) {
      TrainingState moved;
      moved.parameters = parameters;
      std::vector<float>& values = moved.parameters.tensors.at(name).values;
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] += static_cast<float>(distance * 10 * moment.values[i] / length);
      }
      return LoadTorchBackend().NewTrainer({}, moved)->Loss(sequences);
    };
    constexpr double kMove = 1e-2;
    const double slope = (loss_at(kMove) - loss_at(-kMove)) / (2 * kMove);
    clipping.push_back(length / slope);
    // A head's share of the slope may be too small for float32 to show to more digits.
    EXPECT_NEAR(length, slope * clipping.front(), 0.02 * length + 1e-3 * clipping.front()) << name;
  }
  EXPECT_LE(clipping.front(), 1.01);
}

TEST(TrainerTest, ThreadsChangeTheRoundingOnly) {
  const std::vector<TokenId> sequences = MadeSequences(7, 1);
  std::vector<TrainingState> states;
  for (const int threads : {1, 2, 3, 2, 16}) {
    const std::unique_ptr<Trainer> trainer = MadeTrainer({.threads = threads});
    for (int step = 0; step < 3; ++step) trainer->Step(sequences, 1e-3);
    states.push_back(trainer->State());
  }
  for (const TrainingState& state : states) EXPECT_LT(LargestDifference(states[0].parameters, state.parameters), 1e-4);
  EXPECT_EQ(Bytes(states[1]), Bytes(states[3]));
}

TEST(TrainerTest, AStateContinuesAsIfItHadNeverStopped) {
  const TrainerOptions options{.threads = 2, .dropout = 0.3, .seed = 4};
  const std::unique_ptr<Trainer> undisturbed = MadeTrainer(options);
  std::unique_ptr<Trainer> stopped = MadeTrainer(options);
  for (unsigned step = 0; step < 6; ++step) {
    const std::vector<TokenId> sequences = MadeSequences(4, step);
    const double loss = undisturbed->Step(sequences, 1e-2);
    stopped = LoadTorchBackend().NewTrainer(options, stopped->State());
    EXPECT_EQ(stopped->Step(sequences, 1e-2), loss);
  }
  EXPECT_EQ(Bytes(stopped->State()), Bytes(undisturbed->State()));
}

TEST(TrainerTest, DropoutDependsOnItsSeedAndLeavesTheLossAlone) {
  const std::vector<TokenId> sequences = MadeSequences(8, 1);
  const double plain = MadeTrainer()->Step(sequences, 0);
  const double first = MadeTrainer({.dropout = 0.2, .seed = 1})->Step(sequences, 0);
  EXPECT_EQ(first, MadeTrainer({.dropout = 0.2, .seed = 1})->Step(sequences, 0));
  EXPECT_NE(first, MadeTrainer({.dropout = 0.2, .seed = 2})->Step(sequences, 0));
  EXPECT_NE(first, plain);
  EXPECT_NEAR(MadeTrainer({.dropout = 0.2})->Loss(sequences), plain, 1e-6);
}

TEST(TrainerTest, ALossThatIsNotFiniteChangesNothing) {
  TrainingState state;
  state.parameters = MadeTransformer(kOddShape, 3);
  for (float& value : state.parameters.tensors.at("lm_head.weight").values) value *= 1e38F;
  const std::unique_ptr<Trainer> trainer = LoadTorchBackend().NewTrainer({}, state);
  const std::string before = Bytes(trainer->State());
  EXPECT_TRUE(std::isnan(trainer->Step(MadeSequences(3, 1), 1e-3)));
  EXPECT_EQ(Bytes(trainer->State()), before);
}

class TrainedModelTest : public testing::Test {
 protected:
  TrainedModelTest() {
    std::string text;
    while (text.size() < 2000) text += "round and round it goes; ";
    options_.corpus = folder_.Write("corpus.txt", text);
    options_.out = folder_ / "model.safetensors";
    options_.plan.blocks = 2;
    options_.plan.heads = 2;
    options_.plan.embed = 16;
    options_.plan.context = 12;
    options_.plan.batch = 8;
    options_.plan.steps = 150;
    options_.plan.learning_rate = 1e-2;
    options_.plan.threads = 2;
  }

  TemporaryFolder folder_;
  TrainOptions options_;
  SilentProgress progress_;
};

TEST_F(TrainedModelTest, LearnsATextByHeart) {
  const TrainSummary summary = Train(options_, progress_);
  EXPECT_LT(summary.validation_loss, 0.5);
  const Checkpoint checkpoint = ReadCheckpoint(options_.out);
  const std::vector<TokenId> prompt = checkpoint.vocabulary->Encode("and round i", "the prompt");
  WriteModelFile(folder_ / "kept.safetensors", *checkpoint.model);
  const std::vector<float> probabilities = RunPrompt(folder_ / "kept.safetensors", prompt).probabilities;
  const auto best = static_cast<TokenId>(std::ranges::max_element(probabilities) - probabilities.begin());
  EXPECT_EQ(checkpoint.vocabulary->Text(best), "t");
}

TEST_F(TrainedModelTest, ResumedEqualsUndisturbedToTheLastByte) {
  options_.plan.steps = 30;
  options_.plan.dropout = 0.1;
  Train(options_, progress_);
  const std::string undisturbed = ReadFile(options_.out);
  std::filesystem::remove(options_.out);
  const std::atomic<bool> stop{true};
  TrainOptions stopping = options_;
  stopping.stop = &stop;
  for (int run = 0; run < 5; ++run) EXPECT_FALSE(Train(stopping, progress_).finished);
  EXPECT_TRUE(Train(options_, progress_).finished);
  EXPECT_EQ(ReadFile(options_.out), undisturbed);
}

}  // namespace
}  // namespace actkin
