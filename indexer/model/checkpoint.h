#ifndef ACTKIN_INDEXER_MODEL_CHECKPOINT_H_
#define ACTKIN_INDEXER_MODEL_CHECKPOINT_H_

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "schema/tokenizer/beginning_of_sequence.h"
#include "schema/vocabulary.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// A model as a user has it.
struct Checkpoint {
  std::unique_ptr<const ModelTensors> model;
  std::string wrapper;                   // what stood before every name in the file, such as "module.": left out
  std::optional<Vocabulary> vocabulary;  // where the file says, or a meta.pkl beside it
  // Of a Hugging Face folder.
  std::optional<std::filesystem::path> tokenizer;  // its tokenizer.json
  BeginningSources beginning;                      // what it says of the token that begins a sequence
};

// The key of the vocabulary in the metadata of a .safetensors file.
inline constexpr char kVocabularyKey[] = "vocabulary";

// Reads
// - a Hugging Face folder (config.json, model.safetensors or the shards of model.safetensors.index.json), or one of its
//   files;
// - the study's state dict in a .safetensors file, or (through LibTorch) in a .pt file that torch.save wrote, also
// under
//   the names that wrappers give or beside what training scripts save (schema/wrapped_names.h);
// - nanoGPT's ckpt.pt, with the meta.pkl beside it;
// - the copy that an index directory keeps.
// Which it is, the first bytes and the tensors' names say. Weights stay in the files until they are read. Throws Error
// naming the file and the tensor or field that is missing, surplus, misshapen, not understood or not finite.
Checkpoint ReadCheckpoint(const std::filesystem::path& path);

// What the copy's metadata holds beside the description, for a model whose tokens are characters.
std::map<std::string, std::string> VocabularyMetadata(const Vocabulary& vocabulary);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_CHECKPOINT_H_
