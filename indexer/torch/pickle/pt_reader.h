#ifndef ACTKIN_INDEXER_TORCH_PICKLE_PT_READER_H_
#define ACTKIN_INDEXER_TORCH_PICKLE_PT_READER_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "indexer/model/torch_backend.h"

namespace actkin {

// Reads what torch.save wrote, as TorchBackend::ReadPt says. The memory it takes is bounded by the file's size.
PtCheckpoint ReadPtFile(const std::filesystem::path& path, const std::function<bool(const std::string&)>& is_ignored);
std::vector<std::string> ReadVocabularyPickleFile(const std::filesystem::path& path);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_PICKLE_PT_READER_H_
