#ifndef ACTKIN_TOOLS_COMMAND_FLAGS_LEARNING_DATA_H_
#define ACTKIN_TOOLS_COMMAND_FLAGS_LEARNING_DATA_H_

#include <span>

#include "indexer/model/torch_backend.h"
#include "query/experiment/experiment.h"
#include "query/predict/neighbor_pool.h"
#include "query/predict/token_totals.h"

namespace actkin {

// What learning takes of one prompt. distribution: the model's own, a number for each token at least that the totals
// have.
WeightLearningData LearningDataOf(const TokenTotals& totals, std::span<const float> distribution);

// The same of all prompts of the experiment's set, for neighbors that the request describes and that are found first
// where that is not done. Throws Error (usage) when a site is needed that is not built, or there is no model.
WeightLearningData SampleLearningData(Experiment& experiment, const PoolRequest& request, int blocks);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_FLAGS_LEARNING_DATA_H_
