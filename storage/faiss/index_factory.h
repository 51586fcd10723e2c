#ifndef ACTKIN_STORAGE_FAISS_INDEX_FACTORY_H_
#define ACTKIN_STORAGE_FAISS_INDEX_FACTORY_H_

#include <faiss/Index.h>

#include <cstdint>
#include <memory>

#include "storage/faiss/faiss_backend.h"

namespace actkin {

// An empty index as faiss::index_factory makes it, with its parameters set; for cosine by inner product. Throws Error
// (usage) naming the string or the parameter.
std::unique_ptr<faiss::Index> MakeIndex(const FaissBuildOptions& options, std::uint64_t dimension);

// How many vectors train it well: 256 a centroid, FAISS's own bound, for the largest set of centroids that it learns.
std::uint64_t TrainingSize(const faiss::Index& index);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_INDEX_FACTORY_H_
