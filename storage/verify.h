#ifndef ACTKIN_STORAGE_VERIFY_H_
#define ACTKIN_STORAGE_VERIFY_H_

#include <functional>
#include <string>
#include <vector>

#include "schema/progress.h"
#include "storage/index_directory.h"

namespace actkin {

struct Finding {
  enum class Kind {
    kSound,     // checked, and as written
    kDamaged,   // not as written, missing, or contradicting something else
    kLeftover,  // a file that no row of the catalog names: unfinished work, or not ours. Harmless.
  };
  Kind kind = Kind::kSound;
  std::string what;  // a relative file name, or "catalog.db: strings"
  std::string line;  // why, in one line; empty when sound
};

// Checks every checksum and every invariant of an index directory: reads every byte. `hear` is told each finding as it is
// made, `progress` the bytes that have been read. Throws Error only when there is no index directory at all.
void Verify(const IndexDirectory& directory, const std::function<void(const Finding&)>& hear,
            ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_VERIFY_H_
