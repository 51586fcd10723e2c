#ifndef ACTKIN_INDEXER_MODEL_CHECKPOINT_H_
#define ACTKIN_INDEXER_MODEL_CHECKPOINT_H_

#include <filesystem>
#include <optional>
#include <string>

#include "schema/model_layout.h"
#include "schema/vocabulary.h"
#include "storage/formats/safetensors.h"

namespace actkin {

// A model as it was read from a file.
struct Checkpoint {
  StateDict state;      // without metadata
  std::string wrapper;  // what stood before every name in the file, such as "module.": left out
  ModelShape shape;
  std::optional<Vocabulary> vocabulary;  // where the file says
};

// The key of the vocabulary in the metadata of a .safetensors file.
inline constexpr char kVocabularyKey[] = "vocabulary";

// Reads a .safetensors file, or (through LibTorch) a .pt file that torch.save(model.state_dict()) wrote, also under the
// names that wrappers give or beside what training scripts save (schema/wrapped_names.h); which of the two it is, its
// first bytes say. Throws Error naming `path` and the tensor that is missing, surplus, misshapen or not
// finite.
Checkpoint ReadCheckpoint(const std::filesystem::path& path);

// The bytes of the copy that an index directory keeps: the same for the same weights and vocabulary, whatever file they
// came from. vocabulary: where tokens are characters.
std::string SerializeCheckpoint(const Checkpoint& checkpoint, const std::optional<Vocabulary>& vocabulary);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_CHECKPOINT_H_
