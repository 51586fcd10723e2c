#ifndef ACTKIN_INDEXER_TORCH_TRAINING_TRAINER_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_TRAINER_H_

#include <memory>

#include "indexer/model/torch_backend.h"

namespace actkin {

// REQUIRES: what TorchBackend::NewTrainer does.
std::unique_ptr<Trainer> MakeTrainer(const TrainerOptions& options, const TrainingState& state);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_TRAINER_H_
