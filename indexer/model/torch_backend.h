#ifndef ACTKIN_INDEXER_MODEL_TORCH_BACKEND_H_
#define ACTKIN_INDEXER_MODEL_TORCH_BACKEND_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "indexer/model/source_tensors.h"
#include "schema/model_layout.h"
#include "schema/site.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// Everything that training changes: with it a run continues as if it had never stopped.
struct TrainingState {
  std::uint64_t steps = 0;   // updates made so far
  StateDict parameters;      // ExpectedTensors, no metadata
  StateDict first_moments;   // of AdamW, the same names and shapes; no tensors stand for zeros
  StateDict second_moments;  // likewise
};

struct TrainerOptions {
  int threads = 1;         // the batch is divided among so many replicas of the model
  double dropout = 0;      // 0 <= dropout < 1; of attention weights and of what a block adds to the residual
  std::uint64_t seed = 0;  // of the dropout
};

// A model being trained, with AdamW and gradient clipping. One thread at a time; it works in threads of its own. What
// it computes depends on its options, its state and the sequences alone, to the last bit.
class Trainer {
 public:
  virtual ~Trainer() = default;

  // One update by the gradient of the mean cross-entropy over the batch; returns that mean, in nats. sequences:
  // (context + 1) tokens each, row-major; the token after each of the first `context` is to be predicted.
  // REQUIRES: tokens are below the vocabulary size. When the loss or the gradient is not finite nothing is updated, and
  // NaN is returned.
  virtual double Step(std::span<const TokenId> sequences, double learning_rate) = 0;

  // The mean cross-entropy, in nats, without dropout. Changes nothing.
  virtual double Loss(std::span<const TokenId> sequences) = 0;

  virtual TrainingState State() const = 0;

  // Seconds that the matrix products of a Step over `sequence_count` sequences take on their own, attention's excluded,
  // on the same threads: the limit that BLAS sets. Takes about half a second.
  virtual double MatrixProductSeconds(std::size_t sequence_count) = 0;
};

// What the weights of a scheme are learned from. Terms: the embedding, proj of every block, ffwd of every block. A
// prompt's tokens are those that follow neighbors of any of its terms; whatever is predicted, the others have nothing,
// and their targets add the same to every loss.
struct WeightLearningData {
  struct Count {
    std::uint32_t place = 0;  // among the prompt's tokens
    float count = 0;          // summed over the term's neighbors
  };

  std::uint64_t terms = 0;                         // 1 + 2 * blocks
  std::vector<std::uint64_t> target_begins = {0};  // prompts + 1: where each prompt's targets begin
  std::vector<float> targets;                      // prompt after prompt: the model's probabilities of its tokens
  std::vector<double> squares_elsewhere;           // prompts: the sum of the squares of the probabilities of the others
  std::vector<std::uint64_t> count_begins = {0};   // prompts * terms + 1: where each term's counts begin
  std::vector<Count> counts;                       // prompt after prompt, term after term

  std::uint64_t prompts() const { return squares_elsewhere.size(); }
};

// All that learning changes: with it a run continues as if it had never stopped. Moments are AdamW's.
struct WeightLearnerState {
  std::uint64_t steps = 0;           // updates made so far
  std::vector<float> weights;        // a term each
  std::vector<float> first_moments;  // likewise; empty stands for zeros
  std::vector<float> second_moments;
};

// Weights being learned by AdamW with PyTorch's defaults (betas 0.9 and 0.999, eps 1e-8, weight decay 1e-2). A prompt's
// loss is the Euclidean norm, not squared, of its weighted counts, divided by their sum, minus its target; a batch's
// the sum over its prompts. Weights and moments are float32, sums in double precision; one thread. What it computes
// depends on the data, the state and the batches alone.
class WeightLearner {
 public:
  virtual ~WeightLearner() = default;

  // One update by the gradient of the batch's loss; returns that loss, from before the update. A prompt may stand in a
  // batch more than once. When the loss or the gradient is not finite nothing is updated, and NaN is returned.
  // REQUIRES: prompts are below the data's number of prompts.
  virtual double Step(std::span<const std::uint32_t> prompts, double learning_rate) = 0;

  // The batch's loss. Changes nothing.
  virtual double Loss(std::span<const std::uint32_t> prompts) = 0;

  virtual WeightLearnerState State() const = 0;
};

// What torch.save wrote.
struct PtCheckpoint {
  std::map<std::string, LoadedTensor> tensors;          // names of a nested state dict after its key and a dot
  std::map<std::string, std::int64_t> model_arguments;  // of nanoGPT: the whole numbers and truth values
};

// Everything that needs LibTorch, behind one interface, in a shared library of its own that is loaded on demand:
// loading it takes about a second, and asking and building from .safetensors never need it.
class TorchBackend {
 public:
  virtual ~TorchBackend() = default;

  // Reads what torch.save(model.state_dict()) wrote, alone or beside what training scripts save: all tensors, float64
  // as float32, except those whose name is_ignored. Throws Error naming `path`. Only tensors, strings, numbers and
  // dictionaries are understood; nothing in the file is executed.
  virtual PtCheckpoint ReadPt(const std::filesystem::path& path,
                              const std::function<bool(const std::string&)>& is_ignored) const = 0;
  // The token texts of nanoGPT's meta.pkl, by id. Likewise.
  virtual std::vector<std::string> ReadVocabularyPickle(const std::filesystem::path& path) const = 0;

  // REQUIRES: the state's parameters pass InferModelShape, and its moments have the same names and shapes.
  virtual std::unique_ptr<Trainer> NewTrainer(const TrainerOptions& options, const TrainingState& state) const = 0;

  // The weights that PyTorch draws after torch.manual_seed(seed): randn(1) for the embedding, then randn(blocks, 1) for
  // proj, then the same for ffwd.
  virtual std::vector<float> InitialSchemeWeights(std::uint64_t seed, std::int64_t blocks) const = 0;

  // `data` outlives the learner. REQUIRES: its sizes are as its comments say, and the state's vectors have a number for
  // every term.
  virtual std::unique_ptr<WeightLearner> NewWeightLearner(const WeightLearningData& data,
                                                          const WeightLearnerState& state) const = 0;
};

// Loads the library at the first call. Throws Error naming the library when it cannot be loaded. Also sets LibTorch and
// BLAS to one thread each: parallel work is by replicas, so that results do not depend on the number of threads.
const TorchBackend& LoadTorchBackend();

}  // namespace actkin

// What the library exports. Returns an object that lives as long as the process.
extern "C" const actkin::TorchBackend* actkin_torch_backend();

#endif  // ACTKIN_INDEXER_MODEL_TORCH_BACKEND_H_
