#ifndef ACTKIN_INDEXER_TRAIN_TRAIN_H_
#define ACTKIN_INDEXER_TRAIN_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "indexer/model/torch_backend.h"
#include "indexer/train/training_file.h"
#include "schema/progress.h"

namespace actkin {

struct TrainOptions {
  std::filesystem::path corpus;
  std::filesystem::path out;  // NAME.safetensors
  TrainingPlan plan;          // the sizes that the corpus gives (its checksum, the vocabulary) are filled in by Train
  bool must_resume = false;   // fail where there is nothing to resume
  // Checkpoints are written as time passes; with this, after every so many steps as well.
  std::optional<std::uint64_t> save_every;
  // Also measure what the matrix products alone would allow.
  bool measure_limit = false;
  // When it becomes true, a checkpoint is written after the step at hand, and Train returns. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct TrainSummary {
  bool finished = false;   // false: `stop` came first
  bool was_there = false;  // the file was finished before: nothing was done
  std::uint64_t parameters = 0;
  std::uint64_t steps = 0;       // of all runs together
  double loss = 0;               // mean cross-entropy of the last steps, nats a token
  double validation_loss = 0;    // over the validation part, nats a token
  double tokens_per_second = 0;  // of this run: training alone, without validation and checkpoints; 0 where it was none
  double seconds = 0;            // of training, all runs together
  std::optional<double> limit_tokens_per_second;  // see TrainOptions::measure_limit
};

// Trains a model on a text: the first nine tenths of it, by position; the rest measures the validation loss. Writes
// checkpoints to `out`, each a whole model with its vocabulary, and beside it `out`.training, with which the same
// command continues after a kill at any moment; that file is gone when the training is finished. With a budget of steps
// the result depends on the plan alone, to the last bit, however often it was interrupted. Throws Error, also where
// another process trains into `out`.
TrainSummary Train(const TrainOptions& options, ProgressListener& progress);

// The same with trainers from `make`, which is called at most once.
using TrainerMaker = std::function<std::unique_ptr<Trainer>(const TrainerOptions&, const TrainingState&)>;
TrainSummary Train(const TrainOptions& options, const TrainerMaker& make, ProgressListener& progress);

// The learning rate when `done` (0..1) of the budget is used up: linear from 0 over the first kWarmUp of it, then half
// a cosine down to 0.
inline constexpr double kWarmUp = 0.03;
double LearningRate(double peak, double done);

// Random weights: normal with deviation 0.4 / sqrt(embed), which is the usual 0.02 at 384 dimensions, less by
// sqrt(2 * blocks) where a layer adds to the residual (Radford et al., "Language models are unsupervised multitask
// learners", section 2.3); biases 0, norms 1.
StateDict InitialParameters(const ModelShape& shape, std::uint64_t seed);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TRAIN_TRAIN_H_
