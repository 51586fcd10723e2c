#include "storage/catalog/build_lock.h"

namespace actkin {

BuildLock::BuildLock(const IndexDirectory& directory)
    : lock_(directory.Lock(), directory.path().string() + ": another build is at work", FileLock::AtEnd::kKeep) {}

}  // namespace actkin
