#include "tools/command/flags/learning_data.h"

#include <algorithm>

#include "query/experiment/reference_distributions.h"

namespace actkin {
namespace {

constexpr std::uint64_t kChunk = 1024;  // prompts whose parts wait to be put in order

template <typename Number>
void AppendEnds(const std::vector<std::uint64_t>& more, std::vector<Number>& to) {
  const Number begin = to.back();
  for (std::size_t i = 1; i < more.size(); ++i) to.push_back(begin + more[i]);
}

template <typename Item>
void AppendAll(const std::vector<Item>& more, std::vector<Item>& to) {
  to.insert(to.end(), more.begin(), more.end());
}

void Append(const WeightLearningData& part, WeightLearningData& data) {
  data.terms = part.terms;
  AppendEnds(part.target_begins, data.target_begins);
  AppendAll(part.targets, data.targets);
  AppendAll(part.squares_elsewhere, data.squares_elsewhere);
  AppendEnds(part.count_begins, data.count_begins);
  AppendAll(part.counts, data.counts);
}

}  // namespace

WeightLearningData LearningDataOf(const TokenTotals& totals, std::span<const float> distribution) {
  std::vector<TokenId> tokens;
  for (const TokenValue& total : totals.values()) tokens.push_back(total.token);
  std::ranges::sort(tokens);
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());

  WeightLearningData data;
  data.terms = totals.terms();
  for (std::size_t term = 0; term < totals.terms(); ++term) {
    for (const TokenValue& total : totals.Of(term)) {
      const auto place = std::ranges::lower_bound(tokens, total.token) - tokens.begin();
      data.counts.push_back({static_cast<std::uint32_t>(place), static_cast<float>(total.value)});
    }
    data.count_begins.push_back(data.counts.size());
  }
  double elsewhere = 0;
  auto next = tokens.begin();
  for (std::size_t token = 0; token < distribution.size(); ++token) {
    if (next != tokens.end() && *next == token) {
      data.targets.push_back(distribution[token]);
      ++next;
    } else {
      elsewhere += static_cast<double>(distribution[token]) * distribution[token];
    }
  }
  data.target_begins.push_back(data.targets.size());
  data.squares_elsewhere.push_back(elsewhere);
  return data;
}

WeightLearningData SampleLearningData(Experiment& experiment, const PoolRequest& request, int blocks) {
  const auto all = [](std::size_t) { return true; };
  const std::uint64_t prompts = experiment.set().prompts.size();
  experiment.Require(experiment.NeedsOf(request, blocks, all));
  const NeighborTotals totals = experiment.Totals(request, Kernel::kNone, blocks, all);
  const ReferenceDistributions reference(experiment, Reference::kModel);
  std::vector<NeighborTotals::Room> rooms(
      static_cast<std::size_t>(reference.Workers({0, prompts})),
      NeighborTotals::Room{TokenAccumulator(experiment.Counts().vocabulary_size()), {}});
  WeightLearningData data;
  for (std::uint64_t begin = 0; begin < prompts; begin += kChunk) {
    const RowRange chunk{begin, std::min(begin + kChunk, prompts)};
    std::vector<WeightLearningData> parts(chunk.size());
    reference.ForEach(chunk, [&](int worker, std::uint64_t prompt, std::span<const float> distribution) {
      NeighborTotals::Room& room = rooms[static_cast<std::size_t>(worker)];
      parts[prompt - begin] = LearningDataOf(totals.Of(prompt, room), distribution);
    });
    for (const WeightLearningData& part : parts) Append(part, data);
  }
  return data;
}

}  // namespace actkin
