#ifndef ACTKIN_STORAGE_BUILD_LOCK_H_
#define ACTKIN_STORAGE_BUILD_LOCK_H_

#include <string>

#include "storage/index_directory.h"

namespace actkin {

// Held by the one process that may write to an index directory. The kernel's lock (flock) goes with its process, so
// that a killed build never leaves the directory locked; the file's text names the holder for the one who comes second.
class BuildLock {
 public:
  // Throws Error naming the holder when another process holds it. REQUIRES: the directory exists.
  explicit BuildLock(const IndexDirectory& directory);
  ~BuildLock();
  BuildLock(const BuildLock&) = delete;
  BuildLock& operator=(const BuildLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_BUILD_LOCK_H_
