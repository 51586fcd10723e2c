#ifndef ACTKIN_QUERY_EXPERIMENT_EVALUATION_H_
#define ACTKIN_QUERY_EXPERIMENT_EVALUATION_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "query/experiment/experiment.h"
#include "query/experiment/reference_distributions.h"
#include "query/predict/neighbor_pool.h"
#include "query/predict/scheme.h"
#include "query/predict/token_values.h"
#include "schema/site.h"

namespace actkin {

inline constexpr std::size_t kLongestTopList = 10;

// How well predictions agree with the model's own, over some prompts.
struct Agreement {
  std::uint64_t samples = 0;
  // Fractions of the samples, n = 1..10. In order: both lists have n entries, and entry n is equal. In any order: the
  // sets of the first n are equal.
  std::array<double, kLongestTopList> top_n{};
  std::array<double, kLongestTopList> top_n_any_order{};
  double hellinger_mean = 0;
};

// How one prediction agrees with the model's.
struct PromptAgreement {
  std::uint16_t in_order = 0;   // bit n - 1: as Agreement's top_n says
  std::uint16_t any_order = 0;  // likewise top_n_any_order
  double hellinger = 1;
};

// What predictions of one prompt are compared with; what all of them need of it is found once.
class ComparedDistribution {
 public:
  // probabilities: a token each; outlive this object. Need not be divided by their sum.
  explicit ComparedDistribution(std::span<const float> probabilities);

  // predicted: a distribution, or empty, which agrees in nothing and is at distance 1.
  PromptAgreement Compare(std::span<const TokenValue> predicted) const;
  // sqrt(1 - sum of sqrt(p q)), over the whole vocabulary, in 0..1; values below 0 count as 0, and what remains is
  // normalized. 1 where nothing remains of one of them.
  double HellingerDistance(std::span<const TokenValue> predicted) const;

 private:
  std::span<const float> probabilities_;
  double sum_ = 0;
  std::vector<TokenId> top_;
};

// Adds up agreement over prompts.
class AgreementCounter {
 public:
  void Add(const PromptAgreement& agreement);
  Agreement Finish() const;

 private:
  std::uint64_t samples_ = 0;
  std::array<std::uint64_t, kLongestTopList> in_order_{};
  std::array<std::uint64_t, kLongestTopList> any_order_{};
  double hellinger_sum_ = 0;
};

// One line of an evaluation's table.
struct EvaluationRun {
  Scheme scheme;
  PoolRequest request;  // with the bands that hold
};

// Everything that the runs need, of what one search answers the largest alone.
std::vector<NeighborNeed> NeedsOf(const Experiment& experiment, int blocks, std::span<const EvaluationRun> runs);

// The agreement of every run with ReferenceOf(experiment), over the prompts [prompts.begin, prompts.end) of the
// experiment's set. Neighbors are searched and saved first where that is not done. REQUIRES: schemes have the terms of
// `blocks` blocks.
std::vector<Agreement> Evaluate(Experiment& experiment, int blocks, std::span<const EvaluationRun> runs,
                                RowRange prompts);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_EVALUATION_H_
