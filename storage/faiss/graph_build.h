#ifndef ACTKIN_STORAGE_FAISS_GRAPH_BUILD_H_
#define ACTKIN_STORAGE_FAISS_GRAPH_BUILD_H_

#include <faiss/impl/HNSW.h>

#include <cstdint>
#include <filesystem>

#include "schema/progress.h"
#include "schema/site.h"
#include "storage/formats/row_source.h"

namespace actkin {

// Inserts every row into `hnsw`, which is empty and says M and efConstruction, reading the rows where they are, and
// writes the links as a graph file. Returns the header's checksum. REQUIRES: the rows are finite.
std::uint64_t BuildGraph(const RowSource& rows, Metric metric, faiss::HNSW& hnsw, int threads,
                         const std::filesystem::path& path, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_GRAPH_BUILD_H_
