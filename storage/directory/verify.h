#ifndef ACTKIN_STORAGE_DIRECTORY_VERIFY_H_
#define ACTKIN_STORAGE_DIRECTORY_VERIFY_H_

#include <functional>
#include <string>
#include <vector>

#include "schema/progress.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

struct Finding {
  enum class Kind {
    kSound,     // checked, and as written
    kDamaged,   // not as written, missing, or contradicting something else
    kLeftover,  // a file that no row of the catalog names: unfinished work, or not ours. Harmless.
    kAdded,     // what a user added to the catalog: a table, an index, a column. Harmless.
  };
  Kind kind = Kind::kSound;
  std::string what;  // a relative file name, or "catalog.db: ", and a part of it
  std::string line;  // why, in one line; empty when sound
};

// check(what, action) runs an action that throws Error when `what`, a file or a part of the catalog, is damaged.
using CheckPart = std::function<void(const std::string& what, const std::function<void()>& action)>;

enum class VerifyDepth {
  kHeaders,    // what opening a file checks: it is there, of its size, with its header
  kEveryByte,  // every checksum and every invariant
};

// Checks an index directory. `report` is told each finding as it is made, `progress` the bytes that have been read.
// Throws Error only when there is no index directory at all, or one whose catalog cannot be got at or is not of a
// version that this program knows.
void Verify(const IndexDirectory& directory, VerifyDepth depth, const std::function<void(const Finding&)>& report,
            ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_VERIFY_H_
