#ifndef ACTKIN_STORAGE_DIRECTORY_VERIFY_STRINGS_H_
#define ACTKIN_STORAGE_DIRECTORY_VERIFY_STRINGS_H_

#include "storage/catalog/catalog.h"
#include "storage/directory/verify.h"

namespace actkin {

// Checks the catalog's tables of documents, tokens, strings and next tokens against each other: ids that follow each
// other, numbers that add up. Whether the corpus has these strings says verify_counts.h.
void VerifyStringTables(Catalog& catalog, const CheckPart& check);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_VERIFY_STRINGS_H_
