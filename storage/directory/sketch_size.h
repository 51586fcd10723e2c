#ifndef ACTKIN_STORAGE_DIRECTORY_SKETCH_SIZE_H_
#define ACTKIN_STORAGE_DIRECTORY_SKETCH_SIZE_H_

#include <cstddef>
#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// Of a site's sketches, for people.
struct SketchSize {
  std::vector<std::size_t> levels;  // codes a row at each, which take a byte; empty: there are no sketches
  double bytes_per_row = 0;         // of the whole file
};

// Where there are none, or their file is not what it must be, which whoever searches by it says: no levels.
SketchSize SketchSizeOf(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_SKETCH_SIZE_H_
