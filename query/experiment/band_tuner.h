#ifndef ACTKIN_QUERY_EXPERIMENT_BAND_TUNER_H_
#define ACTKIN_QUERY_EXPERIMENT_BAND_TUNER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace actkin {

// What a search for bands and weights looks at. A source is one of the places that neighbors come from, such as ffwd of
// one block; its threshold b lets in the rows of bands 0..b.
struct TuningData {
  struct Count {
    std::uint32_t place = 0;  // among the prompt's tokens
    float count = 0;
  };

  std::size_t prompts = 0;
  std::size_t sources = 0;
  std::size_t thresholds = 0;
  // A prompt's tokens are those that follow any row that is let in for it: prompts + 1 numbers, where each prompt's
  // begin among all.
  std::vector<std::size_t> begins = {0};
  // Prompt after prompt, source after source, threshold after threshold: next-token counts of the rows that this
  // threshold lets in and the one before does not, a token once.
  std::vector<Count> counts;
  // prompts x sources x thresholds: where each one's counts end.
  std::vector<std::size_t> ends;
  // Prompt after prompt, for each of its tokens: the model's own probability. That of other tokens makes no difference.
  std::vector<float> targets;

  std::size_t TokenCount(std::size_t prompt) const { return begins[prompt + 1] - begins[prompt]; }
  // What this threshold alone lets in.
  std::span<const Count> CountsOf(std::size_t prompt, std::size_t source, std::size_t threshold) const {
    const std::size_t number = (prompt * sources + source) * thresholds + threshold;
    const std::size_t begin = number > 0 ? ends[number - 1] : 0;
    return std::span(counts).subspan(begin, ends[number] - begin);
  }
};

// How much a source's counts are worth, and which rows it lets in. Weight 0: the source is not used.
struct TunedSource {
  std::size_t threshold = 0;
  double weight = 0;

  friend bool operator==(const TunedSource&, const TunedSource&) = default;
};

// Looks for the thresholds and weights whose predictions (the weighted counts, divided by their sum) have the smallest
// mean Hellinger distance from the targets. Source by source it tries every threshold with several weights, and keeps
// what is best beside the others as they are; then all weights move together by exponentiated gradient descent (Kivinen
// and Warmuth, "Exponentiated Gradient versus Gradient Descent for Linear Predictors"), which keeps them positive; and
// so on until a round gains next to nothing. Never gets worse on the way. Deterministic, whatever the threads.
class BandTuner {
 public:
  // `data` outlives this object. REQUIRES: its sizes are as its comments say, none of the first three 0.
  BandTuner(const TuningData& data, int threads);

  // Starts from `start` (a source each), or where it is empty from the same middling threshold everywhere and equal
  // shares. Told after each step: how many of how many steps at most, and the mean distance.
  using Hear = std::function<void(std::uint64_t step, std::uint64_t steps, double hellinger_mean)>;
  std::vector<TunedSource> Search(std::vector<TunedSource> start, const Hear& report);

  double HellingerMean(std::span<const TunedSource> sources) const;

  static constexpr int kMostRounds = 16;

 private:
  // Of all thresholds up to this one. counts: the prompt's tokens.
  void FillCounts(std::size_t source, std::size_t prompt, std::size_t threshold, std::span<float> counts) const;
  // What one threshold adds to those before it.
  void AddCounts(std::size_t source, std::size_t prompt, std::size_t threshold, std::span<float> counts) const;
  const float* Roots(std::size_t prompt) const { return roots_.data() + data_.begins[prompt]; }
  // The mean, over prompts, of what all counts of a source and threshold add up to.
  double MeanMass(std::size_t source, std::size_t threshold) const {
    return mass_[source * data_.thresholds + threshold];
  }
  std::vector<TunedSource> DefaultStart() const;
  void AddWeighted(std::span<const TunedSource> sources, std::optional<std::size_t> except, std::size_t prompt,
                   std::span<float> totals) const;
  // The mean distance with `source` at every threshold and with every one of some weights, the others as they are.
  struct Candidate {
    TunedSource source;
    double hellinger_mean = 0;
  };
  std::vector<Candidate> TrySource(std::span<const TunedSource> sources, std::size_t source) const;
  // The distance's derivative by the logarithm of each weight; returns the mean distance.
  double Gradient(std::span<const TunedSource> sources, std::vector<double>& gradient) const;
  void DescendWeights(std::vector<TunedSource>& sources) const;

  // Sums of `width` numbers over all prompts, each made by add(prompt, sums): in pieces, in their order.
  std::vector<double> SumOverPrompts(std::size_t width,
                                     const std::function<void(std::size_t prompt, std::span<double> sums)>& add) const;

  const TuningData& data_;
  const int threads_;
  std::vector<float> roots_;  // square roots of the targets
  std::vector<double> mass_;  // sources x thresholds
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_BAND_TUNER_H_
