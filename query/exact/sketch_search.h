#ifndef ACTKIN_QUERY_EXACT_SKETCH_SEARCH_H_
#define ACTKIN_QUERY_EXACT_SKETCH_SEARCH_H_

#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "query/exact/vector_scan.h"
#include "storage/formats/row_map.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// The answers of the scan's queries over `rows`, the same as a scan of all rows gives, found by way of sketches: every
// row is passed over, read as 16 bytes, unless its coarse code, then its fine code, then its float32 distance leave it
// in. How many rows are left depends on the data; where the sketches prove nothing, all rows are read. Blocks of which
// no row passes request.among are never looked at; where few rows of a block pass, 64 bytes of each of these are read
// instead of all coarse codes. Memory, for each query: 4 bytes a block of rows, or a row that passes; for each thread 8
// bytes for at most some 20 k + 10,000 rows; and what TopRows holds.
// REQUIRES: rows and request are as CheckRequest says.
void SearchBySketches(const SketchView& view, const VectorScan& scan, RowRange rows, const SearchRequest& request,
                      const RowMap& order, std::span<std::vector<Match>> answers);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SKETCH_SEARCH_H_
