#include "query/experiment/band_tuner.h"

#include <gmock/gmock.h>

#include <algorithm>
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

// Where a prompt's counts of a source and threshold begin.
std::size_t CountsAt(std::size_t source, std::size_t prompt, std::size_t threshold) {
  return ((prompt * kSources + source) * kThresholds + threshold) * kVocabulary;
}

// Prompt after prompt, sources x thresholds x its tokens: counts of all rows let in.
struct MadeCounts {
  std::vector<std::size_t> begins = {0};
  std::vector<float> counts;
  std::vector<float> targets;

  // What each threshold adds.
  TuningData Data() const {
    TuningData data;
    data.prompts = kPrompts;
    data.sources = kSources;
    data.thresholds = kThresholds;
    data.begins = begins;
    data.targets = targets;
    const float* row = counts.data();
    for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
      const std::size_t tokens = data.TokenCount(prompt);
      for (std::size_t i = 0; i < kSources * kThresholds; ++i, row += tokens) {
        for (std::uint32_t place = 0; place < tokens; ++place) {
          const float count = row[place] - (i % kThresholds == 0 ? 0 : (row - tokens)[place]);
          if (count != 0) data.counts.push_back({place, count});
        }
        data.ends.push_back(data.counts.size());
      }
    }
    return data;
  }
};

// Counts that grow from threshold to threshold, at random; the targets are what these sources make of them.
MadeCounts Made(const std::vector<TunedSource>& truth) {
  MadeCounts data;
  data.counts.resize(kSources * kPrompts * kThresholds * kVocabulary);
  std::uint64_t number = 0;
  for (std::size_t row = 0; row < kSources * kPrompts; ++row) {
    std::vector<float> counts(kVocabulary);
    for (std::size_t threshold = 0; threshold < kThresholds; ++threshold) {
      for (float& count : counts) {
        if (MixedBits(++number) % 3 == 0) count += static_cast<float>(MixedBits(number + 77) % (1 + 4 * threshold));
      }
      counts[row % kVocabulary] += 1;
      std::ranges::copy(counts, data.counts.begin() +
                                    static_cast<std::ptrdiff_t>(CountsAt(row / kPrompts, row % kPrompts, threshold)));
    }
  }
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    data.begins.push_back((prompt + 1) * kVocabulary);
    std::vector<double> totals(kVocabulary);
    double sum = 0;
    for (std::size_t source = 0; source < kSources; ++source) {
      const std::size_t at = CountsAt(source, prompt, truth[source].threshold);
      for (std::size_t token = 0; token < kVocabulary; ++token) {
        totals[token] += truth[source].weight * data.counts[at + token];
        sum += truth[source].weight * data.counts[at + token];
      }
    }
    for (const double total : totals) data.targets.push_back(static_cast<float>(total / sum));
  }
  return data;
}

// The same without the tokens that nothing follows a prompt by at any threshold.
MadeCounts Compact(const MadeCounts& data) {
  MadeCounts compact;
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    std::vector<std::size_t> tokens;
    for (std::size_t token = 0; token < kVocabulary; ++token) {
      bool follows = false;
      for (std::size_t source = 0; source < kSources; ++source) {
        follows |= data.counts[CountsAt(source, prompt, kThresholds - 1) + token] > 0;
      }
      if (follows) tokens.push_back(token);
    }
    for (std::size_t source = 0; source < kSources; ++source) {
      for (std::size_t threshold = 0; threshold < kThresholds; ++threshold) {
        for (const std::size_t token : tokens) {
          compact.counts.push_back(data.counts[CountsAt(source, prompt, threshold) + token]);
        }
      }
    }
    for (const std::size_t token : tokens) compact.targets.push_back(data.targets[prompt * kVocabulary + token]);
    compact.begins.push_back(compact.targets.size());
  }
  return compact;
}

TEST(BandTunerTest, FindsTheThresholdsAndWeightsThatMadeTheTargets) {
  const std::vector<TunedSource> truth{{1, 1.0}, {4, 0.25}, {2, 0.5}};
  const TuningData data = Made(truth).Data();
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
  const MadeCounts data = Made({{1, 1.0}, {4, 0.25}, {2, 0.5}});
  const std::vector<TunedSource> sources{{5, 0.1}, {0, 3}, {3, 0}};
  const TuningData tuning = data.Data();
  double sum = 0;
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    std::vector<TokenValue> totals;
    for (TokenId token = 0; token < kVocabulary; ++token) totals.push_back({token, 0});
    for (std::size_t source = 0; source < kSources; ++source) {
      const std::size_t at = CountsAt(source, prompt, sources[source].threshold);
      for (TokenValue& total : totals) total.value += sources[source].weight * data.counts[at + total.token];
    }
    const ComparedDistribution target(std::span(data.targets).subspan(prompt * kVocabulary, kVocabulary));
    sum += target.HellingerDistance(totals);
  }
  EXPECT_NEAR(BandTuner(tuning, 1).HellingerMean(sources), sum / kPrompts, 1e-5);
}

TEST(BandTunerTest, TokensThatNothingFollowsByMakeNoDifference) {
  MadeCounts made = Made({{1, 1.0}, {4, 0.25}, {2, 0.5}});
  // Tokens that stand in the targets alone, and a prompt that nothing is let in for.
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    for (std::size_t row = 0; row < kSources * kThresholds; ++row) {
      float* counts = made.counts.data() + CountsAt(0, prompt, 0) + row * kVocabulary;
      counts[prompt % kVocabulary] = counts[(prompt * 5 + 1) % kVocabulary] = 0;
      if (prompt == 3) std::fill_n(counts, kVocabulary, 0.0F);
    }
  }
  const TuningData data = made.Data();
  const TuningData compact = Compact(made).Data();
  EXPECT_LT(compact.targets.size(), data.targets.size());
  EXPECT_EQ(compact.TokenCount(3), 0U);
  for (const std::vector<TunedSource>& sources :
       {std::vector<TunedSource>{{5, 0.1}, {0, 3}, {3, 0}}, std::vector<TunedSource>{{1, 1}, {1, 1}, {1, 1}}}) {
    EXPECT_NEAR(BandTuner(compact, 1).HellingerMean(sources), BandTuner(data, 1).HellingerMean(sources), 1e-6);
  }
  const auto report = [](std::uint64_t, std::uint64_t, double) {};
  BandTuner tuner(compact, 2);
  BandTuner whole(data, 2);
  EXPECT_NEAR(tuner.HellingerMean(tuner.Search({}, report)), whole.HellingerMean(whole.Search({}, report)), 1e-3);
}

TEST(BandTunerTest, DependsOnTheThreadsInNothing) {
  const TuningData data = Made({{1, 1.0}, {4, 0.25}, {2, 0.5}}).Data();
  const auto report = [](std::uint64_t, std::uint64_t, double) {};
  EXPECT_EQ(BandTuner(data, 1).Search({}, report), BandTuner(data, 3).Search({}, report));
}

TEST(BandTunerTest, ASourceThatSaysNothingGetsNoWeight) {
  MadeCounts made = Made({{1, 1.0}, {4, 0.25}, {2, 0.0}});
  // Nothing is within any threshold of the last source.
  for (std::size_t prompt = 0; prompt < kPrompts; ++prompt) {
    std::fill_n(made.counts.begin() + static_cast<std::ptrdiff_t>(CountsAt(kSources - 1, prompt, 0)),
                kThresholds * kVocabulary, 0.0F);
  }
  const TuningData data = made.Data();
  BandTuner tuner(data, 1);
  const std::vector<TunedSource> found = tuner.Search({}, [](std::uint64_t, std::uint64_t, double) {});
  EXPECT_EQ(found[2].weight, 0);
  EXPECT_LT(tuner.HellingerMean(found), 0.01);
}

TEST(BandTunerTest, PromptsWithoutAnythingAreAtDistanceOne) {
  MadeCounts made = Made({{1, 1.0}, {4, 0.25}, {2, 0.5}});
  std::fill(made.counts.begin(), made.counts.end(), 0.0F);
  const TuningData data = made.Data();
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
