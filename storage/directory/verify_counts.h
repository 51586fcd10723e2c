#ifndef ACTKIN_STORAGE_DIRECTORY_VERIFY_COUNTS_H_
#define ACTKIN_STORAGE_DIRECTORY_VERIFY_COUNTS_H_

#include "storage/catalog/catalog.h"
#include "storage/formats/corpus_suffixes.h"

namespace actkin {

// Counts the strings of the catalog and what follows them once more, in the corpus itself: in the order of their
// tokens, which is that of its suffixes. Throws Error naming the first string that is missing, or whose occurrences or
// next-token counts are others. Takes about 30 bytes a string.
void VerifyCounts(Catalog& catalog, const CorpusSuffixes& suffixes);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_VERIFY_COUNTS_H_
