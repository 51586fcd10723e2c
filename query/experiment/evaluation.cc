#include "query/experiment/evaluation.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "query/predict/token_totals.h"

namespace actkin {
namespace {

constexpr std::uint64_t kChunk = 1024;  // prompts between two signs of progress

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
      groups.push_back({{}, std::vector<bool>(Terms(blocks).size())});
      group = groups.end() - 1;
    }
    group->runs.push_back(i);
    for (std::size_t term = 0; term < group->wanted.size(); ++term) {
      if (runs[i].scheme.Uses(term)) group->wanted[term] = true;
    }
  }
  return groups;
}

// What follows the prompt itself in the corpus.
std::vector<TokenValue> OwnDistribution(const NextTokenTable& counts, const Prompt& prompt) {
  std::vector<TokenValue> own;
  if (!prompt.string_id) return own;
  for (const NextTokenTable::Entry& entry : counts.Of(*prompt.string_id)) {
    own.push_back({entry.token, static_cast<double>(entry.count)});
  }
  return Normalize(std::move(own));
}

}  // namespace

ComparedDistribution::ComparedDistribution(std::span<const float> probabilities)
    : probabilities_(probabilities), top_(TopTokens(probabilities, kLongestTopList)) {
  for (const float probability : probabilities) sum_ += std::max(static_cast<double>(probability), 0.0);
}

double ComparedDistribution::HellingerDistance(std::span<const TokenValue> predicted) const {
  double sum = 0;
  double affinity = 0;
  for (const auto& [token, value] : predicted) {
    const double a = std::max(value, 0.0);
    const double b = std::max(static_cast<double>(probabilities_[token]), 0.0);
    sum += a;
    affinity += std::sqrt(a * b);
  }
  if (!(sum > 0) || !(sum_ > 0)) return 1;
  return std::sqrt(std::max(0.0, 1 - affinity / std::sqrt(sum * sum_)));
}

PromptAgreement ComparedDistribution::Compare(std::span<const TokenValue> predicted) const {
  PromptAgreement agreement;
  agreement.hellinger = HellingerDistance(predicted);
  const std::vector<TokenId> ours = TopTokens(predicted, kLongestTopList);
  const std::size_t entries = std::min(ours.size(), top_.size());
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
    const auto bit = static_cast<std::uint16_t>(1U << n);
    if (ours[n] == top_[n]) {
      agreement.in_order |= bit;
    } else {
      meet(ours[n]);
      meet(top_[n]);
    }
    if (unmatched.empty()) agreement.any_order |= bit;
  }
  return agreement;
}

void AgreementCounter::Add(const PromptAgreement& agreement) {
  ++samples_;
  hellinger_sum_ += agreement.hellinger;
  for (std::size_t n = 0; n < kLongestTopList; ++n) {
    in_order_[n] += agreement.in_order >> n & 1U;
    any_order_[n] += agreement.any_order >> n & 1U;
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
  const ReferenceDistributions reference(experiment, ReferenceOf(experiment));
  for (const NeighborNeed& need : NeedsOf(experiment, blocks, runs)) experiment.Find(need);
  const NextTokenTable& counts = experiment.Counts();
  const std::vector<Group> groups = GroupRuns(blocks, runs);
  std::vector<NeighborTotals> totals;
  for (const Group& group : groups) {
    const EvaluationRun& first = runs[group.runs.front()];
    totals.push_back(experiment.Totals(first.request, first.scheme.kernel, blocks,
                                       [&](std::size_t term) { return group.wanted[term]; }));
  }
  // The prompts' own counts are the same whatever the neighbors.
  const bool prompt_only =
      std::ranges::any_of(runs, [](const EvaluationRun& run) { return run.scheme.kind == Scheme::Kind::kPromptOnly; });

  std::vector<NeighborTotals::Room> rooms(static_cast<std::size_t>(reference.Workers(prompts)),
                                          NeighborTotals::Room{TokenAccumulator(counts.vocabulary_size()), {}});
  std::vector<AgreementCounter> counters(runs.size());
  experiment.progress().Begin("evaluate", prompts.size(), "prompts");
  for (std::uint64_t begin = prompts.begin; begin < prompts.end; begin += kChunk) {
    const RowRange chunk{begin, std::min(begin + kChunk, prompts.end)};
    std::vector<PromptAgreement> found(chunk.size() * runs.size());
    reference.ForEach(chunk, [&](int worker, std::uint64_t prompt, std::span<const float> distribution) {
      NeighborTotals::Room& room = rooms[static_cast<std::size_t>(worker)];
      const ComparedDistribution compared(distribution);
      PromptAgreement* agreements = found.data() + (prompt - begin) * runs.size();
      for (std::size_t i = 0; i < groups.size(); ++i) {
        const TokenTotals of_group = totals[i].Of(prompt, room);
        for (const std::size_t run : groups[i].runs) {
          agreements[run] = compared.Compare(WeighTotals(runs[run].scheme.weights, of_group, room.sums));
        }
      }
      if (!prompt_only) return;
      const PromptAgreement own = compared.Compare(OwnDistribution(counts, experiment.set().prompts[prompt]));
      for (std::size_t run = 0; run < runs.size(); ++run) {
        if (runs[run].scheme.kind == Scheme::Kind::kPromptOnly) agreements[run] = own;
      }
    });
    // In the order of the prompts, so that sums do not depend on the threads.
    for (std::size_t i = 0; i < found.size(); ++i) counters[i % runs.size()].Add(found[i]);
    experiment.progress().Advance(chunk.end - prompts.begin, 0);
  }
  experiment.progress().End();
  std::vector<Agreement> agreements;
  for (const AgreementCounter& counter : counters) agreements.push_back(counter.Finish());
  return agreements;
}

}  // namespace actkin
