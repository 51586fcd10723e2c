#ifndef ACTKIN_INDEXER_TRAIN_TRAINING_FILE_H_
#define ACTKIN_INDEXER_TRAIN_TRAINING_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "indexer/model/torch_backend.h"
#include "schema/model_layout.h"
#include "schema/vocabulary.h"

namespace actkin {

// All that decides what a training makes. Two runs with equal plans are one training.
struct TrainingPlan {
  std::string corpus_sha256;
  std::int64_t vocabulary_size = 0;
  std::int64_t blocks = 4;
  std::int64_t heads = 4;
  std::int64_t embed = 128;
  std::int64_t context = 32;
  // One of the two: the learning rate's schedule follows it.
  std::optional<std::uint64_t> steps;
  std::optional<double> minutes;  // of training, without validation and checkpoints
  std::int64_t batch = 16;        // sequences of context tokens
  double learning_rate = 3e-3;
  double dropout = 0;
  std::uint64_t seed = 1337;
  int threads = 1;

  ModelShape Shape() const;
  friend bool operator==(const TrainingPlan&, const TrainingPlan&) = default;
};

// The file that a training continues from. It holds the parameters too, so that it is complete whatever became of the
// model file beside it.
struct TrainingFile {
  TrainingPlan plan;
  double loss = 0;     // running mean, nats a token
  double seconds = 0;  // of training so far
  TrainingState state;
};

// OUT.training
std::filesystem::path TrainingFilePath(const std::filesystem::path& out);
// OUT.lock: who trains it.
std::filesystem::path TrainingLockPath(const std::filesystem::path& out);
// The file that is no longer needed, and what a killed run left of a newer one.
void RemoveTrainingFile(const std::filesystem::path& out);

// Written so that a reader finds either the file before or this one, whole.
void WriteTrainingFile(const std::filesystem::path& path, const TrainingFile& file);
// Throws Error naming `path` when it is no training's, or is not one of `plan`; the line names the
// setting that differs.
TrainingFile ReadTrainingFile(const std::filesystem::path& path, const TrainingPlan& plan);

// What the model file says about how it was made.
struct TrainingRecord {
  TrainingPlan plan;
  std::uint64_t steps = 0;
  double loss = 0;             // running mean, nats a token
  double validation_loss = 0;  // nats a token
  double seconds = 0;          // of training; 0 in a model file, so that equal trainings make equal files
  bool finished = false;
};

// The model file: a checkpoint that `build` takes, with the vocabulary and the record in its metadata.
void WriteTrainedModel(const std::filesystem::path& path, const StateDict& parameters, const Vocabulary& vocabulary,
                       const TrainingRecord& record);
// The record of a model file that this program trained; none where the file is another's. Throws Error naming `path`
// where it is no .safetensors file.
std::optional<TrainingRecord> ReadTrainingRecord(const std::filesystem::path& path);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TRAIN_TRAINING_FILE_H_
