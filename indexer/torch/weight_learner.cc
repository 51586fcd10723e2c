#include "indexer/torch/weight_learner.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "indexer/torch/adamw.h"
#include "indexer/torch/torch_error.h"

namespace actkin {
namespace {

// PyTorch's defaults.
constexpr double kBeta2 = 0.999;
constexpr float kWeightDecay = 1e-2F;

at::Tensor OverNumbers(const std::vector<float>& numbers, at::IntArrayRef sizes) {
  return at::from_blob(const_cast<float*>(numbers.data()), sizes, at::kFloat);
}

class TorchWeightLearner : public WeightLearner {
 public:
  TorchWeightLearner(const WeightLearningData& data, const WeightLearnerState& state) : state_(state) {
    const auto prompts = static_cast<std::int64_t>(data.prompts);
    const auto terms = static_cast<std::int64_t>(data.terms);
    const auto vocabulary = static_cast<std::int64_t>(data.vocabulary_size);
    counts_ = OverNumbers(data.counts, {prompts, terms, vocabulary});
    targets_ = OverNumbers(data.targets, {prompts, vocabulary});
    state_.first_moments.resize(data.terms);
    state_.second_moments.resize(data.terms);
  }

  double Step(std::span<const std::uint32_t> prompts, double learning_rate) override {
    return WithOneLineErrors("the learning", [&] {
      at::Tensor weights = Weights().clone().requires_grad_(true);
      const at::Tensor loss = BatchLoss(prompts, weights);
      loss.backward();
      const at::Tensor gradient = weights.grad().contiguous();
      const double value = loss.item<double>();
      if (!std::isfinite(value) || !gradient.isfinite().all().item<bool>()) {
        return std::numeric_limits<double>::quiet_NaN();
      }
      ++state_.steps;
      const auto steps = static_cast<double>(state_.steps);
      UpdateParameters({.learning_rate = static_cast<float>(learning_rate),
                        .weight_decay = kWeightDecay,
                        .first_correction = static_cast<float>(1 / (1 - std::pow(double{kAdamBeta1}, steps))),
                        .second_correction = static_cast<float>(1 / (1 - std::pow(kBeta2, steps))),
                        .second_beta = static_cast<float>(kBeta2)},
                       gradient.data_ptr<float>(), state_.weights.size(), state_.weights.data(),
                       state_.first_moments.data(), state_.second_moments.data());
      return value;
    });
  }

  double Loss(std::span<const std::uint32_t> prompts) override {
    return WithOneLineErrors("the learning", [&] {
      const at::NoGradGuard no_gradients;
      return BatchLoss(prompts, Weights()).item<double>();
    });
  }

  WeightLearnerState State() const override { return state_; }

 private:
  at::Tensor Weights() const { return OverNumbers(state_.weights, {static_cast<std::int64_t>(state_.weights.size())}); }

  at::Tensor BatchLoss(std::span<const std::uint32_t> prompts, const at::Tensor& weights) const {
    const auto size = static_cast<std::int64_t>(prompts.size());
    const at::Tensor chosen = at::empty({size}, at::kLong);
    std::ranges::copy(prompts, chosen.data_ptr<std::int64_t>());
    const at::Tensor counts = counts_.index_select(0, chosen);
    const at::Tensor totals = at::bmm(weights.view({1, 1, -1}).expand({size, 1, -1}), counts).squeeze(1);
    const at::Tensor predicted = totals / totals.sum(1, /*keepdim=*/true);
    return at::norm(predicted - targets_.index_select(0, chosen), 2, 1).sum();
  }

  WeightLearnerState state_;
  at::Tensor counts_;   // prompts x terms x vocabulary
  at::Tensor targets_;  // prompts x vocabulary
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
  return std::make_unique<TorchWeightLearner>(data, state);
}

}  // namespace actkin
