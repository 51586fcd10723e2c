// The one object that the library exports.
#include <ATen/Parallel.h>

#include <memory>

#include "indexer/model/torch_backend.h"
#include "indexer/torch/pickle/pt_reader.h"
#include "indexer/torch/torch_error.h"
#include "indexer/torch/training/trainer.h"
#include "indexer/torch/training/weight_learner.h"

// Of OpenBLAS, which is LibTorch's BLAS on Debian.
extern "C" void openblas_set_num_threads(int threads);

namespace actkin {
namespace {

class Backend : public TorchBackend {
 public:
  // Parallel work is by replicas of a model, in threads of the trainer's: a second layer of threads would compete with
  // them.
  Backend() {
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
    openblas_set_num_threads(1);
  }

  PtCheckpoint ReadPt(const std::filesystem::path& path,
                      const std::function<bool(const std::string&)>& is_ignored) const override {
    return ReadPtFile(path, is_ignored);
  }
  std::vector<std::string> ReadVocabularyPickle(const std::filesystem::path& path) const override {
    return ReadVocabularyPickleFile(path);
  }
  std::unique_ptr<Trainer> NewTrainer(const TrainerOptions& options, const TrainingState& state) const override {
    return WithOneLineErrors("the training", [&] { return MakeTrainer(options, state); });
  }
  std::vector<float> InitialSchemeWeights(std::uint64_t seed, std::int64_t blocks) const override {
    return WithOneLineErrors("the learning", [&] { return DrawSchemeWeights(seed, blocks); });
  }
  std::unique_ptr<WeightLearner> NewWeightLearner(const WeightLearningData& data,
                                                  const WeightLearnerState& state) const override {
    return WithOneLineErrors("the learning", [&] { return MakeWeightLearner(data, state); });
  }
};

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) const actkin::TorchBackend* actkin_torch_backend() {
  static const actkin::Backend backend;
  return &backend;
}
