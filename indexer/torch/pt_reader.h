#ifndef ACTKIN_INDEXER_TORCH_PT_READER_H_
#define ACTKIN_INDEXER_TORCH_PT_READER_H_

#include <filesystem>

#include "storage/formats/safetensors.h"

namespace actkin {

// Reads what torch.save(model.state_dict()) wrote: all tensors as float32, except those that IsIgnoredTensor, under
// their names less what wrappers put before them. Throws Error, one line that names `path`. The memory it takes is
// bounded by the file's size. Any thread.
StateDict ReadPtFile(const std::filesystem::path& path);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_PT_READER_H_
