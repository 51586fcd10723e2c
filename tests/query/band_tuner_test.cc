#include "query/experiment/band_tuner.h"

#include <gmock/gmock.h>

#include <cmath>

#include "query/experiment/evaluation.h"
#include "query/experiment/tune.h"
#include "schema/random.h"

namespace actkin {
namespace {

constexpr std::size_t kPrompts = 150;
constexpr std::size_t kSources = 3;
constexpr std::size_t kThresholds = 6;
constexpr std::size_t kVocabulary = 13;

// Counts that grow from threshold to threshold, at random; the targets are what these sources make of them.
TuningData MadeData(const std::vector<TunedSource>& truth) {
  TuningData data{kPrompts, kSources, kThresholds, kVocabulary, {}, {}};
  std::uint64_t number = 0;
  for (std::size_t row = 0; row < kSources * kPrompts; ++row) {
    std::vector<float> counts(kVocabulary);
    for (std::size_t threshold = 0; threshold < kThresholds; ++threshold) {
      for (float& count : counts) {
        if (MixedBits(++number) % 3 == 0) count += static_cast<float>(MixedBits(number + 77) % (1 + 4 * threshold));
      }
      counts[row % kVocabulary] += 1;
      data.counts.insert(data.counts.end(), counts.begin(), counts.end());
    }
  }
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    std::vector<double> totals(kVocabulary);
    double sum = 0;
    for (std::size_t source = 0; source < kSources; ++source) {
      const std::size_t at = ((source * kPrompts + prompt) * kThresholds + truth[source].threshold) * kVocabulary;
      for (std::size_t token = 0; token < kVocabulary; ++token) {
        totals[token] += truth[source].weight * data.counts[at + token];
        sum += truth[source].weight * data.counts[at + token];
      }
    }
    for (const double total : totals) data.targets.push_back(static_cast<float>(total / sum));
  }
  return data;
}

TEST(BandTunerTest, FindsTheThresholdsAndWeightsThatMadeTheTargets) {
  const std::vector<TunedSource> truth{{1, 1.0}, {4, 0.25}, {2, 0.5}};
  const TuningData data = MadeData(truth);
  BandTuner tuner(data, 2);
  EXPECT_NEAR(tuner.HellingerMean(truth), 0, 1e-3);
  std::vector<double> heard;
  const std::vector<TunedSource> found = tuner.Search({}, [&](std::uint64_t step, std::uint64_t steps, double mean) {
    EXPECT_LE(step, steps);
    heard.push_back(mean);
  });
  EXPECT_TRUE(std::is_sorted(heard.rbegin(), heard.rend())) << "it never gets worse";
  EXPECT_LT(tuner.HellingerMean(found), 0.01);
  for (std::size_t source = 0; source < kSources; ++source) {
    EXPECT_EQ(found[source].threshold, truth[source].threshold);
    EXPECT_NEAR(found[source].weight / found[0].weight, truth[source].weight, 0.05);
  }
}

TEST(BandTunerTest, TheMeanIsThatOfTheHellingerDistances) {
  const TuningData data = MadeData({{1, 1.0}, {4, 0.25}, {2, 0.5}});
  const std::vector<TunedSource> sources{{5, 0.1}, {0, 3}, {3, 0}};
  double sum = 0;
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    std::vector<double> totals(kVocabulary);
    for (std::size_t source = 0; source < kSources; ++source) {
      const std::size_t at = ((source * kPrompts + prompt) * kThresholds + sources[source].threshold) * kVocabulary;
      for (std::size_t token = 0; token < kVocabulary; ++token) {
        totals[token] += sources[source].weight * data.counts[at + token];
      }
    }
    sum += HellingerDistance(totals, std::span(data.targets).subspan(prompt * kVocabulary, kVocabulary));
  }
  EXPECT_NEAR(BandTuner(data, 1).HellingerMean(sources), sum / kPrompts, 1e-5);
}

TEST(BandTunerTest, DependsOnTheThreadsInNothing) {
  const TuningData data = MadeData({{1, 1.0}, {4, 0.25}, {2, 0.5}});
  const auto report = [](std::uint64_t, std::uint64_t, double) {};
  EXPECT_EQ(BandTuner(data, 1).Search({}, report), BandTuner(data, 3).Search({}, report));
}

TEST(BandTunerTest, ASourceThatSaysNothingGetsNoWeight) {
  TuningData data = MadeData({{1, 1.0}, {4, 0.25}, {2, 0.0}});
  // Nothing is within any threshold of the last source.
  std::fill(data.counts.end() - static_cast<std::ptrdiff_t>(kPrompts * kThresholds * kVocabulary), data.counts.end(),
            0.0F);
  BandTuner tuner(data, 1);
  const std::vector<TunedSource> found = tuner.Search({}, [](std::uint64_t, std::uint64_t, double) {});
  EXPECT_EQ(found[2].weight, 0);
  EXPECT_LT(tuner.HellingerMean(found), 0.01);
}

TEST(BandTunerTest, PromptsWithoutAnythingAreAtDistanceOne) {
  TuningData data = MadeData({{1, 1.0}, {4, 0.25}, {2, 0.5}});
  std::fill(data.counts.begin(), data.counts.end(), 0.0F);
  BandTuner tuner(data, 1);
  EXPECT_EQ(tuner.HellingerMean(tuner.Search({}, [](std::uint64_t, std::uint64_t, double) {})), 1);
}

TEST(BandTunerTest, ThresholdsAreCosinesOfEvenAngles) {
  const std::vector<double> thresholds = TuningThresholds();
  ASSERT_EQ(thresholds.size(), 45U);
  EXPECT_EQ(thresholds[0], 0.9994);
  EXPECT_EQ(thresholds[14], 0.866);
  EXPECT_EQ(thresholds[44], 0);
  EXPECT_TRUE(std::is_sorted(thresholds.rbegin(), thresholds.rend()));
}

}  // namespace
}  // namespace actkin
