#include "indexer/train/train.h"

#include <gmock/gmock.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <vector>

#include "indexer/model/checkpoint.h"
#include "schema/vocabulary.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAre;

class Silent : public ProgressListener {
 public:
  void Begin(const std::string&, std::uint64_t, const std::string&) override {}
  void Advance(std::uint64_t, std::uint64_t) override {}
  void End() override {}
  void Note(const std::string& line) override { notes.push_back(line); }

  std::vector<std::string> notes;
};

// Changes every parameter by what depends on all that a step is given and on all that the state holds, so that a run
// that is not continued exactly ends differently.
class MadeTrainer : public Trainer {
 public:
  explicit MadeTrainer(TrainingState state) : state_(std::move(state)) {
    if (state_.first_moments.tensors.empty()) {
      state_.first_moments = state_.second_moments = state_.parameters;
    }
  }

  double Step(std::span<const TokenId> sequences, double learning_rate) override {
    if (loss_is_nan_from != 0 && state_.steps + 1 >= loss_is_nan_from) return std::numeric_limits<double>::quiet_NaN();
    float sum = 0;
    for (std::size_t i = 0; i < sequences.size(); ++i) sum += static_cast<float>((i + 1) * sequences[i]);
    seen.insert(seen.end(), sequences.begin(), sequences.end());
    for (auto& [name, tensor] : state_.parameters.tensors) {
      Tensor& first = state_.first_moments.tensors.at(name);
      Tensor& second = state_.second_moments.tensors.at(name);
      for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        first.values[i] = 0.9F * first.values[i] + 1e-3F * sum;
        second.values[i] = 0.5F * second.values[i] + first.values[i];
        tensor.values[i] += static_cast<float>(learning_rate) * second.values[i];
      }
    }
    ++state_.steps;
    rates.push_back(learning_rate);
    return sum;
  }
  double Loss(std::span<const TokenId> sequences) override {
    validated.assign(sequences.begin(), sequences.end());
    return state_.parameters.tensors.at("ln_f.bias").values[0];
  }
  TrainingState State() const override { return state_; }
  double MatrixProductSeconds(std::size_t) override { return 1; }

  static inline std::uint64_t loss_is_nan_from = 0;
  static inline std::vector<TokenId> seen;       // of all steps of all trainers
  static inline std::vector<TokenId> validated;  // of the last Loss
  static inline std::vector<double> rates;

 private:
  TrainingState state_;
};

class TrainTest : public testing::Test {
 protected:
  TrainTest() {
    MadeTrainer::loss_is_nan_from = 0;
    MadeTrainer::seen.clear();
    MadeTrainer::rates.clear();
    std::string text;
    for (int i = 0; i < 180; ++i) text += "abcde"[(i * i + i / 5) % 5];
    for (int i = 0; i < 20; ++i) text += "xyz"[i % 3];
    options_.corpus = folder_.Write("corpus.txt", text);
    options_.out = folder_ / "model.safetensors";
    options_.plan.blocks = 1;
    options_.plan.heads = 2;
    options_.plan.embed = 4;
    options_.plan.context = 8;
    options_.plan.steps = 7;
    options_.plan.batch = 3;
    options_.save_every = 2;
  }

  TrainSummary Run() { return Run(options_); }
  TrainSummary Run(const TrainOptions& options) {
    return Train(
        options, [](const TrainerOptions&, const TrainingState& state) { return std::make_unique<MadeTrainer>(state); },
        progress_);
  }
  std::string RunError() {
    return ErrorOf([this] { Run(); });
  }
  std::filesystem::path TrainingPath() const { return TrainingFilePath(options_.out); }

  TemporaryFolder folder_;
  TrainOptions options_;
  Silent progress_;
};

TEST(LearningRateTest, RisesThenFallsToZero) {
  EXPECT_EQ(LearningRate(2, 0), 0);
  EXPECT_DOUBLE_EQ(LearningRate(2, kWarmUp / 2), 1);
  EXPECT_DOUBLE_EQ(LearningRate(2, kWarmUp), 2);
  EXPECT_NEAR(LearningRate(2, (1 + kWarmUp) / 2), 1, 1e-12);
  EXPECT_NEAR(LearningRate(2, 1), 0, 1e-12);
  EXPECT_NEAR(LearningRate(2, 1.5), 0, 1e-12);
}

TEST(InitialParametersTest, HaveTheLayoutsTensorsAndDependOnTheSeedAlone) {
  const ModelShape shape{
      .vocabulary_size = 50, .context = 8, .embed = 64, .blocks = 2, .heads = 2, .head_size = 32, .hidden = 256};
  const StateDict state = InitialParameters(shape, 1);
  EXPECT_EQ(InferModelShape(state.Shapes(), "the model"), shape);
  EXPECT_EQ(SerializeSafetensors(state), SerializeSafetensors(InitialParameters(shape, 1)));
  EXPECT_NE(SerializeSafetensors(state), SerializeSafetensors(InitialParameters(shape, 2)));
  EXPECT_THAT(state.tensors.at("ln_f.weight").values, testing::Each(1.0F));
  EXPECT_THAT(state.tensors.at("lm_head.bias").values, testing::Each(0.0F));
  const auto deviation = [&state](const std::string& name) {
    double squares = 0;
    for (const float value : state.tensors.at(name).values) squares += static_cast<double>(value) * value;
    return std::sqrt(squares / static_cast<double>(state.tensors.at(name).values.size()));
  };
  EXPECT_NEAR(deviation("blocks.1.ffwd.net.0.weight"), 0.05, 0.0025);
  EXPECT_NEAR(deviation("blocks.1.ffwd.net.2.weight"), 0.025, 0.00125);
}

TEST_F(TrainTest, WritesACheckpointThatBuildTakes) {
  const TrainSummary summary = Run();
  EXPECT_TRUE(summary.finished);
  EXPECT_EQ(summary.steps, 7U);
  const Checkpoint checkpoint = ReadCheckpoint(options_.out);
  EXPECT_EQ(
      checkpoint.model->description().shape,
      (ModelShape{
          .vocabulary_size = 8, .context = 8, .embed = 4, .blocks = 1, .heads = 2, .head_size = 2, .hidden = 16}));
  ASSERT_TRUE(checkpoint.vocabulary);
  EXPECT_EQ(*checkpoint.vocabulary, Vocabulary::OfText(U"abcdexyz"));
  EXPECT_FALSE(std::filesystem::exists(TrainingPath()));
}

TEST_F(TrainTest, KeepsTheLastTenthForValidation) {
  Run();
  EXPECT_THAT(MadeTrainer::seen, testing::Each(testing::Lt(5U)));       // a to e
  EXPECT_THAT(MadeTrainer::validated, testing::Each(testing::Ge(5U)));  // x to z
  EXPECT_EQ(MadeTrainer::validated.size(), 2U * 9U);                    // two sequences of 9 tokens fit 20
}

TEST_F(TrainTest, EveryStepOfAShortTrainingHasALearningRate) {
  options_.plan.steps = 2;
  Run();
  EXPECT_THAT(MadeTrainer::rates, ElementsAre(testing::Gt(0), testing::Gt(0)));
}

TEST_F(TrainTest, MinutesEndTheTraining) {
  options_.plan.steps.reset();
  options_.plan.minutes = 0.05 / 60;
  options_.save_every.reset();
  const TrainSummary summary = Run();
  EXPECT_TRUE(summary.finished);
  EXPECT_EQ(MadeTrainer::rates.size(), summary.steps);
  EXPECT_LT(MadeTrainer::rates.back(), 0.1 * options_.plan.learning_rate);
}

TEST_F(TrainTest, KilledAtAnyMomentTheSameCommandEndsInTheSameFile) {
  Run();
  const std::string undisturbed = ReadFile(options_.out);
  // Three checkpoints of two files, and the final model; each file takes a write, two flushes and a rename.
  constexpr int kEvents = 7 * 4;
  for (int event = 1; event <= kEvents; ++event) {
    std::filesystem::remove(options_.out);
    std::filesystem::remove(TrainingPath());
    const auto run = [&] {
      ::setenv("ACTKIN_STOP_BEFORE", std::to_string(event).c_str(), 1);
      Run();
    };
    EXPECT_EXIT(run(), testing::KilledBySignal(SIGKILL), "") << "before event " << event;
    EXPECT_TRUE(Run().finished);
    EXPECT_EQ(ReadFile(options_.out), undisturbed) << "killed before event " << event;
    EXPECT_FALSE(std::filesystem::exists(TrainingPath()));
  }
}

TEST_F(TrainTest, StoppedItSavesAndContinues) {
  Run();
  const std::string undisturbed = ReadFile(options_.out);
  std::filesystem::remove(options_.out);
  options_.save_every.reset();
  const std::atomic<bool> stop{true};
  options_.stop = &stop;
  EXPECT_FALSE(Run().finished);
  EXPECT_EQ(ReadCheckpoint(options_.out).model->description().shape.embed, 4);  // a whole model already
  const TrainSummary second = Run();
  EXPECT_FALSE(second.finished);
  EXPECT_EQ(second.steps, 2U);
  EXPECT_THAT(progress_.notes, testing::Contains(OneLineWith("continues after step 1")));
  options_.stop = nullptr;
  options_.must_resume = true;
  EXPECT_TRUE(Run().finished);
  EXPECT_EQ(ReadFile(options_.out), undisturbed);
}

TEST_F(TrainTest, FinishedItDoesNothing) {
  Run();
  const std::string before = ReadFile(options_.out);
  MadeTrainer::seen.clear();
  const TrainSummary summary = Run();
  EXPECT_TRUE(summary.was_there);
  EXPECT_EQ(summary.steps, 7U);
  EXPECT_TRUE(MadeTrainer::seen.empty());
  EXPECT_EQ(ReadFile(options_.out), before);
}

TEST_F(TrainTest, LeavesAnotherModelAlone) {
  Run();
  options_.plan.seed = 5;
  EXPECT_THAT(RunError(), OneLineWith("model.safetensors", "is another model"));
}

TEST_F(TrainTest, AnUnfinishedTrainingOfOtherFlagsIsNamed) {
  const std::atomic<bool> stop{true};
  options_.stop = &stop;
  Run();
  TrainOptions other = options_;
  other.plan.batch = 4;
  EXPECT_THAT(ErrorOf([&] { Run(other); }),
              OneLineWith("model.safetensors.training", "with `batch` 3, here it is `batch` 4"));
  other = options_;
  other.plan.steps.reset();
  other.plan.minutes = 1;
  EXPECT_THAT(ErrorOf([&] { Run(other); }), OneLineWith("with no `minutes`, here it is `minutes` 1"));
  other = options_;
  other.corpus = folder_.Write("other.txt", ReadFile(options_.corpus) + "a");
  EXPECT_THAT(ErrorOf([&] { Run(other); }), OneLineWith("with another text"));
  // Removed as the line says, it begins anew.
  std::filesystem::remove(TrainingPath());
  other = options_;
  other.plan.batch = 4;
  other.stop = nullptr;
  EXPECT_TRUE(Run(other).finished);
}

TEST_F(TrainTest, ADamagedTrainingFileIsOneLine) {
  const std::atomic<bool> stop{true};
  options_.stop = &stop;
  Run();
  const std::string whole = ReadFile(TrainingPath());
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{5}, std::size_t{200}, whole.size() - 1}) {
    folder_.Write("model.safetensors.training", whole.substr(0, bytes));
    EXPECT_THAT(RunError(), OneLineWith("model.safetensors.training")) << bytes;
  }
  std::string other_steps = whole;
  const std::size_t at = other_steps.find("\\\"steps\\\":1");
  ASSERT_NE(at, std::string::npos);
  other_steps[at + 10] = '9';
  folder_.Write("model.safetensors.training", other_steps);
  EXPECT_THAT(RunError(), OneLineWith("model.safetensors.training", "9 of 7 steps"));
  // A model in its place.
  std::filesystem::copy_file(options_.out, TrainingPath(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(RunError(), OneLineWith("model.safetensors.training"));
}

TEST_F(TrainTest, ALossThatIsNoNumberEndsItAndKeepsTheCheckpoint) {
  MadeTrainer::loss_is_nan_from = 4;
  EXPECT_THAT(RunError(), OneLineWith("step 4", "smaller `lr`", "remove", "model.safetensors.training"));
  EXPECT_TRUE(std::filesystem::exists(TrainingPath()));
}

TEST_F(TrainTest, WhatMakesNoSenseIsOneLine) {
  const TrainOptions good = options_;
  options_.plan.heads = 3;
  EXPECT_THAT(RunError(), OneLineWith("`embed` 4", "`heads` 3"));
  options_ = good;
  options_.plan.steps = 0;
  EXPECT_THAT(RunError(), OneLineWith("`steps` 0"));
  options_ = good;
  options_.plan.steps.reset();
  options_.plan.minutes = -1;
  EXPECT_THAT(RunError(), OneLineWith("`minutes` -1"));
  options_ = good;
  options_.plan.learning_rate = 0;
  EXPECT_THAT(RunError(), OneLineWith("`lr` 0"));
  options_ = good;
  options_.plan.dropout = 1;
  EXPECT_THAT(RunError(), OneLineWith("`dropout` 1"));
  options_ = good;
  options_.plan.context = 20;
  EXPECT_THAT(RunError(), OneLineWith("corpus.txt", "200 characters", "`context` 20", "210"));
  options_ = good;
  options_.out = folder_ / "model.pt";
  EXPECT_THAT(RunError(), OneLineWith("model.pt", ".safetensors"));
  options_ = good;
  options_.out = folder_ / "absent" / "model.safetensors";
  EXPECT_THAT(RunError(), OneLineWith("absent", "does not exist"));
  options_ = good;
  std::filesystem::create_directory(folder_ / "folder.safetensors");
  options_.out = folder_ / "folder.safetensors";
  EXPECT_THAT(RunError(), OneLineWith("folder.safetensors", "is a folder"));
  options_ = good;
  options_.must_resume = true;
  EXPECT_THAT(RunError(), OneLineWith("model.safetensors", "no unfinished training"));
  options_ = good;
  options_.corpus = folder_ / "nothing.txt";
  EXPECT_THAT(RunError(), OneLineWith("nothing.txt"));
  EXPECT_FALSE(std::filesystem::exists(good.out));
}

}  // namespace
}  // namespace actkin
