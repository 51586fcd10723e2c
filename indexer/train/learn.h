#ifndef ACTKIN_INDEXER_TRAIN_LEARN_H_
#define ACTKIN_INDEXER_TRAIN_LEARN_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "indexer/model/torch_backend.h"
#include "schema/progress.h"

namespace actkin {

// All that decides which weights are learned. Two runs with equal plans are one learning.
struct LearnPlan {
  // Names what the data was made from (corpus, model, prompts, sites, metric, k).
  std::string data;
  std::uint64_t training_prompts = 0;  // the first of the data's; the others are held out
  std::uint64_t steps = 10'000;
  std::uint64_t batch = 100;  // prompts of a step, drawn with replacement
  double learning_rate = 3e-4;
  std::uint64_t seed = 1337;           // of the first weights and of the batches
  std::uint64_t report_every = 500;    // steps
  std::uint64_t report_batches = 200;  // whose mean loss a report gives

  friend bool operator==(const LearnPlan&, const LearnPlan&) = default;
};

// Losses (WeightLearner) of batches of the plan's size, a mean over them.
struct LearnReport {
  std::uint64_t steps = 0;
  double training_loss = 0;
  std::optional<double> held_out_loss;  // none where no prompt is held out
};

struct LearnOptions {
  LearnPlan plan;
  // Where a killed run finds how far it came, and one that was not: the caller removes it once the weights are saved.
  // Its folder exists.
  std::filesystem::path checkpoint;
  double checkpoint_seconds = 2;  // how much work a killed run may lose
  // When it becomes true, a checkpoint is written after the step at hand, and LearnWeights returns. May be null.
  const std::atomic<bool>* stop = nullptr;
};

struct LearnSummary {
  bool finished = false;  // false: `stop` came first
  std::uint64_t steps = 0;
  std::vector<float> first_weights;  // a term each: the embedding, proj of every block, ffwd of every block
  std::vector<float> weights;        // likewise
  std::vector<LearnReport> reports;  // of all runs together, before the first step and after the last among them
};

// Learns the weights of a scheme from the first prompts of `data`. The result depends on the plan and the data alone,
// to the last bit, however often it was interrupted. `hear` is told each report of this run. Throws Error when the loss
// is no longer a number, or the checkpoint is damaged or of another plan.
LearnSummary LearnWeights(const WeightLearningData& data, const LearnOptions& options, const TorchBackend& backend,
                          const std::function<void(const LearnReport&)>& hear, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TRAIN_LEARN_H_
