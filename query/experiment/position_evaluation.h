#ifndef ACTKIN_QUERY_EXPERIMENT_POSITION_EVALUATION_H_
#define ACTKIN_QUERY_EXPERIMENT_POSITION_EVALUATION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "query/experiment/evaluation.h"
#include "query/reader/index_reader.h"
#include "schema/progress.h"

namespace actkin {

// Positions of the corpus as prompts: `count` of those that a site over positions has rows of, drawn as PromptSample
// draws numbers of rows. Throws Error (usage) when there are fewer.
std::vector<Prompt> SamplePositions(IndexReader& reader, const Site& site, std::uint64_t count, std::uint64_t seed);

// The agreement of every run over positions with the model's own distributions at these positions, which it computes
// with the tokens that the prompts have, or where there is no model with what came next there. Every prompt is searched
// by itself, and nothing is saved. Throws Error (usage) when a site is not built.
std::vector<Agreement> EvaluatePositions(IndexReader& reader, std::span<const Prompt> positions,
                                         std::span<const EvaluationRun> runs, int threads, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_POSITION_EVALUATION_H_
