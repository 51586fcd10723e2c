#ifndef ACTKIN_STORAGE_CATALOG_BUILD_LOCK_H_
#define ACTKIN_STORAGE_CATALOG_BUILD_LOCK_H_

#include "storage/catalog/index_directory.h"
#include "storage/machine/file_lock.h"

namespace actkin {

// Held by the one process that may write to an index directory.
class BuildLock {
 public:
  // Throws Error naming the holder when another process holds it. REQUIRES: the directory exists.
  explicit BuildLock(const IndexDirectory& directory);

 private:
  FileLock lock_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_BUILD_LOCK_H_
