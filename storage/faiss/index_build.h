#ifndef ACTKIN_STORAGE_FAISS_INDEX_BUILD_H_
#define ACTKIN_STORAGE_FAISS_INDEX_BUILD_H_

#include <faiss/Index.h>

#include <cstdint>
#include <filesystem>

#include "schema/progress.h"
#include "storage/faiss/faiss_backend.h"
#include "storage/formats/row_source.h"

namespace actkin {

// Trains an empty index on a sample of the rows, adds all of them, and writes it as a FAISS file. Returns the header's
// checksum. Memory: the index, the sample, and a piece of the rows (for NSG all of them). REQUIRES: the rows are
// finite.
std::uint64_t BuildFaissIndex(const RowSource& rows, const FaissBuildOptions& options, faiss::Index& index,
                              const std::filesystem::path& path, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_INDEX_BUILD_H_
