#ifndef ACTKIN_STORAGE_FORMATS_ROW_MAP_H_
#define ACTKIN_STORAGE_FORMATS_ROW_MAP_H_

#include <cstdint>
#include <optional>

#include "schema/site.h"

namespace actkin {

// What the rows of a site stand for. Each has a number of its own: over strings the ordinal of its string, over
// positions the position in the corpus. Equal distances are answered in the order of these. Immutable; any thread.
class RowMap {
 public:
  virtual ~RowMap() = default;

  virtual std::uint64_t row_count() const = 0;
  // REQUIRES: row < row_count(). Throws Error naming the file where it is damaged.
  virtual std::uint64_t Number(RowNumber row) const = 0;
  // None where no row has it.
  virtual std::optional<RowNumber> Row(std::uint64_t number) const = 0;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_ROW_MAP_H_
