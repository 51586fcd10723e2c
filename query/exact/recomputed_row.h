#ifndef ACTKIN_QUERY_EXACT_RECOMPUTED_ROW_H_
#define ACTKIN_QUERY_EXACT_RECOMPUTED_ROW_H_

#include <filesystem>
#include <span>

#include "schema/site.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// Whether a row that was computed again may be the one that the sketches were made of, give or take `tolerance` times
// its length: its lengths from zero and from the mean are those that the file has, and it is not proven to lie
// elsewhere than the row's codes say. Bounds of such a row hold; of one that lies farther away none does. Throws Error
// naming `site` and the row where it may not, or where the file is damaged. REQUIRES: row < file.row_count(); numbers:
// dimension.
void RequireRowOfSketches(const SketchFile& file, RowNumber row, std::span<const float> numbers, double tolerance,
                          const std::filesystem::path& site);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_RECOMPUTED_ROW_H_
