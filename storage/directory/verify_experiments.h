#ifndef ACTKIN_STORAGE_DIRECTORY_VERIFY_EXPERIMENTS_H_
#define ACTKIN_STORAGE_DIRECTORY_VERIFY_EXPERIMENTS_H_

#include <functional>
#include <set>
#include <string>

#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// Checks what experiments left in an index directory; with every_byte also its checksums and what it holds. check(what,
// action) runs an action that throws Error when `what` is damaged; files that the catalog names are added to `named`.
void VerifyExperiments(const IndexDirectory& directory, bool every_byte, Catalog& catalog,
                       const std::function<void(const std::string& what, const std::function<void()>& action)>& check,
                       std::set<std::string>& named);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_VERIFY_EXPERIMENTS_H_
