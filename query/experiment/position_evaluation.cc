#include "query/experiment/position_evaluation.h"

#include <algorithm>
#include <string>

#include "query/predict/prediction.h"
#include "query/reader/prompt_sample.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Runs that ask the same neighbors, which are found once for all of them.
struct Group {
  PoolRequest request;
  std::vector<Scheme> schemes;
  std::vector<std::size_t> runs;
};

std::vector<Group> GroupRuns(std::span<const EvaluationRun> runs) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto group = std::ranges::find(groups, runs[i].request, &Group::request);
    if (group == groups.end()) group = groups.insert(group, {runs[i].request, {}, {}});
    group->schemes.push_back(runs[i].scheme);
    group->runs.push_back(i);
  }
  return groups;
}

// What came next at a position.
std::vector<float> NextTokenAt(IndexReader& reader, std::uint64_t position) {
  std::vector<float> distribution(reader.vocabulary().size());
  for (const NextToken& next : reader.NextTokensAt(position)) distribution[next.token_id] = 1;
  return distribution;
}

}  // namespace

std::vector<Prompt> SamplePositions(IndexReader& reader, const Site& site, std::uint64_t count, std::uint64_t seed) {
  if (count == 0) FailUsage("a sample of 0 prompts: expected at least 1");
  const std::shared_ptr<const RowMap> map = reader.OpenRowMap(site);
  if (count > map->row_count()) {
    FailUsage("a sample of {} prompts: {} has {} rows", count, Describe(site), map->row_count());
  }
  std::vector<Prompt> prompts;
  for (const std::uint32_t row : PromptSample(map->row_count(), count, seed)) {
    prompts.push_back(reader.PromptAt(static_cast<std::int64_t>(map->Number(row))));
  }
  return prompts;
}

std::vector<Agreement> EvaluatePositions(IndexReader& reader, std::span<const Prompt> positions,
                                         std::span<const EvaluationRun> runs, int threads, ProgressListener& progress) {
  const std::vector<Group> groups = GroupRuns(runs);
  const bool model = reader.catalog().Model().has_value();
  std::vector<AgreementCounter> counters(runs.size());
  progress.Begin("evaluate", positions.size(), "prompts");
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const Prompt& prompt = positions[i];
    const std::vector<float> own =
        model ? reader.Forward().NextTokenProbabilities(prompt.tokens) : NextTokenAt(reader, prompt.position.value());
    const ComparedDistribution compared(own);
    for (const Group& group : groups) {
      const std::vector<Prediction> predictions = Predict(reader, prompt, group.schemes, group.request, "", threads);
      for (std::size_t p = 0; p < predictions.size(); ++p) {
        counters[group.runs[p]].Add(compared.Compare(predictions[p].probabilities));
      }
    }
    progress.Advance(i + 1, 0);
  }
  progress.End();
  std::vector<Agreement> agreements;
  for (const AgreementCounter& counter : counters) agreements.push_back(counter.Finish());
  return agreements;
}

}  // namespace actkin
