#include "indexer/train/learn.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "schema/random.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/indexer/torch/training/dense_learning_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAreArray;

constexpr std::uint32_t kTerms = 5;
constexpr std::uint32_t kVocabulary = 9;

class Silent : public ProgressListener {
 public:
  void Begin(const std::string& /*step*/, std::uint64_t /*total*/, const std::string& /*unit*/) override {}
  void Advance(std::uint64_t done, std::uint64_t /*already*/) override {
    if (done == stop_at) stop = true;
  }
  void End() override {}
  void Note(const std::string& line) override { notes.push_back(line); }

  std::uint64_t stop_at = 0;
  std::atomic<bool> stop = false;
  std::vector<std::string> notes;
};

// Prompts whose targets are what these weights make of their counts.
WeightLearningData MadeData(const std::vector<double>& weights, std::uint32_t prompts) {
  DenseLearningData data{
      .prompts = prompts, .terms = kTerms, .vocabulary_size = kVocabulary, .counts = {}, .targets = {}};
  std::uint64_t number = 0;
  for (std::uint32_t prompt = 0; prompt < prompts; ++prompt) {
    std::vector<double> totals(kVocabulary);
    double sum = 0;
    for (std::uint32_t term = 0; term < kTerms; ++term) {
      for (std::uint32_t token = 0; token < kVocabulary; ++token) {
        const auto count = static_cast<double>(MixedBits(++number) % 20);
        data.counts.push_back(static_cast<float>(count));
        totals[token] += weights[term] * count;
        sum += weights[term] * count;
      }
    }
    for (const double total : totals) data.targets.push_back(static_cast<float>(total / sum));
  }
  return data.Sparse();
}

class LearnTest : public testing::Test {
 protected:
  LearnTest() {
    options_.plan = {.data = "made",
                     .training_prompts = 40,
                     .steps = 1500,
                     .batch = 10,
                     .learning_rate = 1e-2,
                     .seed = 3,
                     .report_every = 500,
                     .report_batches = 20};
    options_.checkpoint = folder_ / "learning.json";
    options_.stop = &progress_.stop;
  }

  LearnSummary Learn() {
    return LearnWeights(
        data_, options_, LoadTorchBackend(), [this](const LearnReport& report) { heard_.push_back(report); },
        progress_);
  }

  // As a caller that has saved the weights.
  LearnSummary LearnAnew() {
    std::filesystem::remove(options_.checkpoint);
    return Learn();
  }

  TemporaryFolder folder_;
  WeightLearningData data_ = MadeData({1, 2, 0.5, 3, 1}, 60);
  LearnOptions options_;
  Silent progress_;
  std::vector<LearnReport> heard_;
};

TEST_F(LearnTest, FindsTheWeightsThatMadeTheTargets) {
  const LearnSummary summary = Learn();
  EXPECT_TRUE(summary.finished);
  ASSERT_EQ(summary.reports.size(), 4U);
  EXPECT_EQ(summary.reports[0].steps, 0U);
  EXPECT_EQ(summary.reports[3].steps, 1500U);
  // The sum over a batch of ten.
  EXPECT_LT(summary.reports[3].training_loss, 0.1 * summary.reports[0].training_loss);
  EXPECT_LT(*summary.reports[3].held_out_loss, 0.1 * *summary.reports[0].held_out_loss);
  // Only their ratios matter.
  EXPECT_NEAR(summary.weights[1] / summary.weights[0], 2, 0.1);
  EXPECT_NEAR(summary.weights[3] / summary.weights[0], 3, 0.1);
}

TEST_F(LearnTest, KilledBeforeItsWeightsAreSavedItDoesNotLearnAgain) {
  const LearnSummary killed = Learn();
  heard_.clear();
  const LearnSummary again = Learn();
  EXPECT_TRUE(again.finished);
  EXPECT_THAT(progress_.notes.back(), testing::HasSubstr("after step 1500"));
  EXPECT_THAT(heard_, testing::IsEmpty());
  EXPECT_THAT(again.weights, ElementsAreArray(killed.weights));
  EXPECT_EQ(again.reports.size(), killed.reports.size());
}

TEST_F(LearnTest, StoppedAnywhereItEndsTheSame) {
  const LearnSummary whole = Learn();
  for (const std::uint64_t stop_at : {1, 499, 500, 1000, 1499}) {
    progress_.stop_at = stop_at;
    const LearnSummary stopped = LearnAnew();
    EXPECT_FALSE(stopped.finished);
    EXPECT_EQ(stopped.steps, stop_at);
    progress_.stop = false;
    progress_.stop_at = 0;
    const LearnSummary continued = Learn();
    EXPECT_TRUE(continued.finished);
    EXPECT_THAT(progress_.notes.back(), testing::HasSubstr(fmt::format("after step {}", stop_at)));
    EXPECT_THAT(continued.weights, ElementsAreArray(whole.weights));
    ASSERT_EQ(continued.reports.size(), whole.reports.size());
    for (std::size_t i = 0; i < whole.reports.size(); ++i) {
      EXPECT_EQ(continued.reports[i].steps, whole.reports[i].steps);
      EXPECT_EQ(continued.reports[i].training_loss, whole.reports[i].training_loss);
      EXPECT_EQ(continued.reports[i].held_out_loss, whole.reports[i].held_out_loss);
    }
  }
}

TEST_F(LearnTest, OnePromptHoldsNothingOut) {
  data_ = MadeData({1, 2, 0.5, 3, 1}, 1);
  options_.plan.training_prompts = options_.plan.batch = options_.plan.report_batches = 1;
  const LearnSummary summary = Learn();
  EXPECT_FALSE(summary.reports.back().held_out_loss);
  EXPECT_LT(summary.reports.back().training_loss, 0.02);
  EXPECT_EQ(heard_.size(), summary.reports.size());
}

TEST_F(LearnTest, TheSeedDecidesWeightsAndBatches) {
  options_.plan.steps = 100;
  const LearnSummary one = Learn();
  const LearnSummary again = LearnAnew();
  options_.plan.seed = 4;
  const LearnSummary other = LearnAnew();
  EXPECT_THAT(again.weights, ElementsAreArray(one.weights));
  EXPECT_NE(other.first_weights, one.first_weights);
}

TEST_F(LearnTest, ADamagedCheckpointIsNamed) {
  progress_.stop_at = 10;
  Learn();
  progress_.stop = false;
  progress_.stop_at = 0;
  const std::string whole = ReadFile(options_.checkpoint);
  const auto with = [&](const std::string& bytes) {
    folder_.Write("learning.json", bytes);
    return ErrorOf([&] { Learn(); });
  };
  EXPECT_THAT(with(""), OneLineWith("learning.json", "cannot be read"));
  EXPECT_THAT(with(whole.substr(0, whole.size() / 2)), OneLineWith("learning.json", "cannot be read"));
  nlohmann::json object = nlohmann::json::parse(whole);
  object["weights"].push_back(1);
  EXPECT_THAT(with(object.dump()), OneLineWith("learning.json", "damaged (weights)"));
  object = nlohmann::json::parse(whole);
  object["steps"] = 5000;
  EXPECT_THAT(with(object.dump()), OneLineWith("learning.json", "damaged (steps)"));
  object = nlohmann::json::parse(whole);
  object["plan"]["batch"] = 7;
  EXPECT_THAT(with(object.dump()), OneLineWith("learning.json", "another learning"));
}

TEST_F(LearnTest, ALossThatIsNoNumberIsSaid) {
  for (WeightLearningData::Count& count : data_.counts) count.count = 0;
  EXPECT_THAT(ErrorOf([&] { Learn(); }), OneLineWith("step 1:", "`lr` than 0.01"));
}

}  // namespace
}  // namespace actkin
