#ifndef ACTKIN_STORAGE_FAISS_INDEX_SEARCH_H_
#define ACTKIN_STORAGE_FAISS_INDEX_SEARCH_H_

#include <memory>

#include "storage/faiss/faiss_backend.h"

namespace actkin {

// Has FAISS read an index. Throws Error naming the file. REQUIRES: as FaissBackend::Read.
std::unique_ptr<FaissSearcher> ReadFaissIndex(const FaissFile& file);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_INDEX_SEARCH_H_
