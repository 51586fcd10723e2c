#ifndef ACTKIN_STORAGE_FAISS_NSG_BUILD_H_
#define ACTKIN_STORAGE_FAISS_NSG_BUILD_H_

#include <faiss/Index.h>

#include <string>

namespace actkin {

// True for an index that is an NSG, or one behind vector transforms. Throws Error (usage) where `factory` puts an NSG
// anywhere else, such as into IVF's quantizer: FAISS builds it there unguarded.
bool IsNsg(const faiss::Index& index, const std::string& factory);

// Adds all rows at once, as index.add does. Where FAISS 1.7.3 would divide by zero (few rows), read past its lists
// (rows alike) or look for a free link for good, it throws a FaissException. vectors: count x index.d. REQUIRES: IsNsg,
// trained and empty.
void AddToNsg(faiss::Index& index, faiss::Index::idx_t count, const float* vectors);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_NSG_BUILD_H_
