#ifndef ACTKIN_QUERY_EXPERIMENT_REFERENCE_DISTRIBUTIONS_H_
#define ACTKIN_QUERY_EXPERIMENT_REFERENCE_DISTRIBUTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "query/experiment/experiment.h"
#include "query/predict/token_values.h"
#include "storage/formats/saved_neighbors_file.h"

namespace actkin {

// What predictions are compared with: the model's own distributions where there is a model, else what follows the
// prompts in the corpus: of positions what came next there.
enum class Reference : std::uint8_t { kModel, kCorpus };
std::string_view Name(Reference reference);
Reference ReferenceOf(Experiment& experiment);

// The distributions that predictions of an experiment's prompts are compared with, made again a few prompts at a time:
// all of them are never in memory.
class ReferenceDistributions {
 public:
  // Saves what the model's are made of first, where that is not done. `experiment` outlives this object. Throws Error
  // (usage) for kModel when the directory has no model.
  ReferenceDistributions(Experiment& experiment, Reference reference);

  // How many tokens a distribution is over: at least the vocabulary's.
  std::size_t vocabulary_size() const { return vocabulary_size_; }
  // Calls work(worker, prompt, distribution) for every prompt of `prompts`: vocabulary_size() numbers, of the corpus's
  // not divided by their sum. A worker (0..Workers()-1) has its prompts one after the other, on a thread of its own.
  using Work = std::function<void(int worker, std::uint64_t prompt, std::span<const float> distribution)>;
  void ForEach(RowRange prompts, const Work& work) const;
  int Workers(RowRange prompts) const;

 private:
  // out: vocabulary_size() numbers a prompt.
  void Fill(RowRange prompts, std::span<float> out) const;

  const PromptSet& set_;
  const int threads_;
  const NextTokenTable* counts_ = nullptr;  // of strings, where those are compared with
  std::optional<CorpusNextTokens> corpus_;  // of positions, likewise
  std::size_t vocabulary_size_ = 0;
  const PromptForward* forward_ = nullptr;
  std::shared_ptr<const PredictionsFile> model_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_REFERENCE_DISTRIBUTIONS_H_
