#ifndef ACTKIN_INDEXER_MODEL_CHECKPOINT_FOLDER_H_
#define ACTKIN_INDEXER_MODEL_CHECKPOINT_FOLDER_H_

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "indexer/model/checkpoint.h"

namespace actkin {

// Reads a Hugging Face folder, as ReadCheckpoint says.
Checkpoint ReadCheckpointFolder(const std::filesystem::path& folder);

// Tensors by the file of the same folder that has them: what a model.safetensors.index.json says,
// {"metadata": {...}, "weight_map": {TENSOR: FILE}}. Throws Error naming `where`.
std::map<std::string, std::vector<std::string>> ParseShardIndex(std::string_view json, const std::string& where);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_CHECKPOINT_FOLDER_H_
