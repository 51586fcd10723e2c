#include "query/experiment/evaluation.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "query/predict/token_totals.h"

namespace actkin {
namespace {

// Of totals that are in memory at once.
constexpr std::uint64_t kChunkBytes = std::uint64_t{128} << 20;

// Runs whose schemes weigh the same totals.
struct Group {
  std::vector<std::size_t> runs;
  std::vector<bool> wanted;  // terms
};

std::vector<Group> GroupRuns(int blocks, std::span<const EvaluationRun> runs) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].scheme.kind == Scheme::Kind::kPromptOnly) continue;
    auto group = std::ranges::find_if(groups, [&](const Group& other) {
      const EvaluationRun& first = runs[other.runs.front()];
      return first.scheme.kernel == runs[i].scheme.kernel && first.request == runs[i].request;
    });
    if (group == groups.end()) {
      groups.push_back({{}, std::vector<bool>(TermCount(blocks))});
      group = groups.end() - 1;
    }
    group->runs.push_back(i);
    for (std::size_t term = 0; term < group->wanted.size(); ++term) {
      if (runs[i].scheme.Uses(term)) group->wanted[term] = true;
    }
  }
  return groups;
}

// The distributions that predictions are compared with.
class ReferenceDistributions {
 public:
  explicit ReferenceDistributions(Experiment& experiment) : experiment_(experiment) {
    if (ReferenceOf(experiment) == Reference::kModel) model_ = experiment.Predictions();
  }

  // Valid until the next call.
  std::span<const float> Of(std::uint64_t prompt) {
    if (model_) return model_->Of(prompt);
    const std::vector<double> own = OwnCounts(experiment_, prompt);
    corpus_.assign(own.begin(), own.end());
    return corpus_;
  }

  // The prompt's own next-token counts.
  static std::vector<double> OwnCounts(Experiment& experiment, std::uint64_t prompt) {
    std::vector<double> totals(experiment.Counts().vocabulary_size());
    const std::optional<StringId>& string_id = experiment.set().prompts[prompt].string_id;
    if (string_id) experiment.Counts().Add(*string_id, 1, totals);
    return totals;
  }

 private:
  Experiment& experiment_;
  std::shared_ptr<const PredictionsFile> model_;
  std::vector<float> corpus_;
};

}  // namespace

std::string_view Name(Reference reference) { return reference == Reference::kModel ? "model" : "corpus"; }

Reference ReferenceOf(Experiment& experiment) {
  const bool model = experiment.HasPredictions() || experiment.reader().catalog().Model();
  return model ? Reference::kModel : Reference::kCorpus;
}

double HellingerDistance(std::span<const double> p, std::span<const float> q) {
  double p_sum = 0;
  double q_sum = 0;
  double affinity = 0;
  for (std::size_t token = 0; token < p.size(); ++token) {
    const double a = std::max(p[token], 0.0);
    const double b = std::max(static_cast<double>(q[token]), 0.0);
    p_sum += a;
    q_sum += b;
    affinity += std::sqrt(a * b);
  }
  if (!(p_sum > 0) || !(q_sum > 0)) return 1;
  return std::sqrt(std::max(0.0, 1 - affinity / std::sqrt(p_sum * q_sum)));
}

void AgreementCounter::Add(std::span<const double> predicted, std::span<const float> model) {
  ++samples_;
  hellinger_sum_ += HellingerDistance(predicted, model);
  const std::vector<TokenId> ours = TopTokens(predicted, kLongestTopList);
  const std::vector<TokenId> theirs = TopTokens(model, kLongestTopList);
  const std::size_t entries = std::min(ours.size(), theirs.size());
  // Tokens that stand in one of the two lists only, so far.
  std::vector<TokenId> unmatched;
  const auto meet = [&](TokenId token) {
    const auto other = std::ranges::find(unmatched, token);
    if (other == unmatched.end()) {
      unmatched.push_back(token);
    } else {
      unmatched.erase(other);
    }
  };
  for (std::size_t n = 0; n < entries; ++n) {
    if (ours[n] == theirs[n]) {
      ++in_order_[n];
    } else {
      meet(ours[n]);
      meet(theirs[n]);
    }
    if (unmatched.empty()) ++any_order_[n];
  }
}

Agreement AgreementCounter::Finish() const {
  Agreement agreement;
  agreement.samples = samples_;
  if (samples_ == 0) return agreement;
  const auto samples = static_cast<double>(samples_);
  for (std::size_t n = 0; n < kLongestTopList; ++n) {
    agreement.top_n[n] = static_cast<double>(in_order_[n]) / samples;
    agreement.top_n_any_order[n] = static_cast<double>(any_order_[n]) / samples;
  }
  agreement.hellinger_mean = hellinger_sum_ / samples;
  return agreement;
}

std::vector<NeighborNeed> NeedsOf(const Experiment& experiment, int blocks, std::span<const EvaluationRun> runs) {
  std::vector<NeighborNeed> needs;
  for (const EvaluationRun& run : runs) {
    std::ranges::move(experiment.NeedsOf(run.request, blocks, [&](std::size_t term) { return run.scheme.Uses(term); }),
                      std::back_inserter(needs));
  }
  return CombineNeeds(std::move(needs));
}

std::vector<Agreement> Evaluate(Experiment& experiment, int blocks, std::span<const EvaluationRun> runs,
                                RowRange prompts) {
  ReferenceDistributions reference(experiment);
  for (const NeighborNeed& need : NeedsOf(experiment, blocks, runs)) experiment.Find(need);
  const std::vector<Group> groups = GroupRuns(blocks, runs);
  const std::uint64_t bytes = TermCount(blocks) * experiment.reader().vocabulary().size() * sizeof(double);
  const std::uint64_t chunk = std::max<std::uint64_t>(kChunkBytes / bytes, 1);
  std::vector<AgreementCounter> counters(runs.size());
  experiment.progress().Begin("evaluate", prompts.size() * std::max<std::size_t>(groups.size(), 1), "prompts");
  std::uint64_t done = 0;
  for (const Group& group : groups) {
    const EvaluationRun& first = runs[group.runs.front()];
    for (std::uint64_t begin = prompts.begin; begin < prompts.end; begin += chunk) {
      const RowRange range{begin, std::min(begin + chunk, prompts.end)};
      const TokenTotals totals = experiment.Totals(
          first.request, first.scheme.kernel, blocks, [&](std::size_t term) { return group.wanted[term]; }, range);
      for (const std::size_t run : group.runs) {
        for (std::uint64_t prompt = range.begin; prompt < range.end; ++prompt) {
          counters[run].Add(WeighTotals(runs[run].scheme.weights, totals.Of(prompt - range.begin)),
                            reference.Of(prompt));
        }
      }
      done += range.size();
      experiment.progress().Advance(done, 0);
    }
  }
  // The prompts' own counts are the same whatever the neighbors.
  AgreementCounter prompt_only;
  bool counted = false;
  for (std::size_t run = 0; run < runs.size(); ++run) {
    if (runs[run].scheme.kind != Scheme::Kind::kPromptOnly) continue;
    for (std::uint64_t prompt = prompts.begin; !counted && prompt < prompts.end; ++prompt) {
      prompt_only.Add(Normalize(ReferenceDistributions::OwnCounts(experiment, prompt)), reference.Of(prompt));
    }
    counted = true;
    counters[run] = prompt_only;
  }
  experiment.progress().End();
  std::vector<Agreement> agreements;
  for (const AgreementCounter& counter : counters) agreements.push_back(counter.Finish());
  return agreements;
}

}  // namespace actkin
