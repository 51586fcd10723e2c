#ifndef ACTKIN_INDEXER_MODEL_CHECKPOINT_FOLDER_H_
#define ACTKIN_INDEXER_MODEL_CHECKPOINT_FOLDER_H_

#include <filesystem>

#include "indexer/model/checkpoint.h"

namespace actkin {

// Reads a Hugging Face folder, as ReadCheckpoint says.
Checkpoint ReadCheckpointFolder(const std::filesystem::path& folder);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_CHECKPOINT_FOLDER_H_
