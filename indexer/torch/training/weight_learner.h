#ifndef ACTKIN_INDEXER_TORCH_TRAINING_WEIGHT_LEARNER_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_WEIGHT_LEARNER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "indexer/model/torch_backend.h"

namespace actkin {

// What TorchBackend::InitialSchemeWeights and NewWeightLearner say.
std::vector<float> DrawSchemeWeights(std::uint64_t seed, std::int64_t blocks);
std::unique_ptr<WeightLearner> MakeWeightLearner(const WeightLearningData& data, const WeightLearnerState& state);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_WEIGHT_LEARNER_H_
