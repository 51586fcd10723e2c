#include "indexer/torch/training/weight_learner.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "indexer/torch/training/adamw.h"

namespace actkin {
namespace {

// PyTorch's defaults.
constexpr double kBeta2 = 0.999;
constexpr float kLearnedWeightDecay = 1e-2F;

class SparseWeightLearner : public WeightLearner {
 public:
  SparseWeightLearner(const WeightLearningData& data, const WeightLearnerState& state) : data_(data), state_(state) {
    state_.first_moments.resize(data.terms);
    state_.second_moments.resize(data.terms);
  }

  double Step(std::span<const std::uint32_t> prompts, double learning_rate) override {
    std::vector<double> gradient(data_.terms);
    double loss = 0;
    for (const std::uint32_t prompt : prompts) loss += PromptLoss(prompt, gradient);
    const std::vector<float> narrow(gradient.begin(), gradient.end());
    if (!std::isfinite(loss) || !std::ranges::all_of(narrow, [](float number) { return std::isfinite(number); })) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    ++state_.steps;
    const auto steps = static_cast<double>(state_.steps);
    UpdateParameters({.learning_rate = static_cast<float>(learning_rate),
                      .weight_decay = kLearnedWeightDecay,
                      .first_correction = static_cast<float>(1 / (1 - std::pow(double{kAdamBeta1}, steps))),
                      .second_correction = static_cast<float>(1 / (1 - std::pow(kBeta2, steps))),
                      .second_beta = static_cast<float>(kBeta2)},
                     narrow.data(), state_.weights.size(), state_.weights.data(), state_.first_moments.data(),
                     state_.second_moments.data());
    return loss;
  }

  double Loss(std::span<const std::uint32_t> prompts) override {
    double loss = 0;
    for (const std::uint32_t prompt : prompts) loss += PromptLoss(prompt, {});
    return loss;
  }

  WeightLearnerState State() const override { return state_; }

 private:
  std::span<const WeightLearningData::Count> Counts(std::uint32_t prompt, std::size_t term) const {
    const std::uint64_t at = prompt * data_.terms + term;
    return std::span(data_.counts).subspan(data_.count_begins[at], data_.count_begins[at + 1] - data_.count_begins[at]);
  }

  // Adds the loss's derivatives by the weights to `gradient`, a term each, unless that is empty.
  //
  // With totals T_v, their sum Z, p = T / Z and d = p - target, the loss is L = |d|, targets elsewhere included, and by
  // a term's count c_v of token v it changes by (d_v - sum of d p) / (L Z).
  double PromptLoss(std::uint32_t prompt, std::span<double> gradient) {
    const std::uint64_t begin = data_.target_begins[prompt];
    const std::span<const float> targets =
        std::span(data_.targets).subspan(begin, data_.target_begins[prompt + 1] - begin);
    differences_.assign(targets.size(), 0);
    double sum = 0;
    for (std::size_t term = 0; term < data_.terms; ++term) {
      const double weight = state_.weights[term];
      for (const auto& [place, count] : Counts(prompt, term)) {
        differences_[place] += weight * count;
        sum += weight * count;
      }
    }
    double squares = data_.squares_elsewhere[prompt];
    double mean = 0;  // of the differences, by what is predicted
    for (std::size_t place = 0; place < targets.size(); ++place) {
      const double predicted = differences_[place] / sum;
      const double difference = predicted - targets[place];
      differences_[place] = difference;
      squares += difference * difference;
      mean += difference * predicted;
    }
    const double loss = targets.empty() ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(squares);
    // At a loss of zero there is no slope to go down.
    if (gradient.empty() || loss == 0) return loss;
    for (std::size_t term = 0; term < data_.terms; ++term) {
      for (const auto& [place, count] : Counts(prompt, term)) {
        gradient[term] += count * (differences_[place] - mean) / (loss * sum);
      }
    }
    return loss;
  }

  const WeightLearningData& data_;
  WeightLearnerState state_;
  std::vector<double> differences_;  // of the prompt at hand, a token each; first its totals
};

}  // namespace

std::vector<float> DrawSchemeWeights(std::uint64_t seed, std::int64_t blocks) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  std::vector<float> weights;
  for (const std::vector<std::int64_t>& sizes : {std::vector<std::int64_t>{1}, {blocks, 1}, {blocks, 1}}) {
    const at::Tensor drawn = at::randn(sizes, generator, at::kFloat).contiguous();
    weights.insert(weights.end(), drawn.data_ptr<float>(), drawn.data_ptr<float>() + drawn.numel());
  }
  return weights;
}

std::unique_ptr<WeightLearner> MakeWeightLearner(const WeightLearningData& data, const WeightLearnerState& state) {
  return std::make_unique<SparseWeightLearner>(data, state);
}

}  // namespace actkin
