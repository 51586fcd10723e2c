#ifndef ACTKIN_QUERY_EXACT_SKETCH_SEARCH_H_
#define ACTKIN_QUERY_EXACT_SKETCH_SEARCH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "query/exact/vector_scan.h"
#include "storage/formats/row_map.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// The answers of some queries over `rows`, the same as a scan of all rows gives, found by way of sketches: the boxes of
// all groups are looked at, those of the blocks in groups that are left, of the blocks left the rows' codes, level by
// level, and at last the numbers of the rows that no level leaves out. How many these are depends on the data; where
// the sketches prove nothing, all rows are read. most_rows: so many rows of the most promising blocks are looked at,
// and no others: then the answers are not those of a scan, and may have fewer than k rows where not all pass. Memory,
// for each query: 4 bytes a group of 4,096 rows, and what TopRows holds; 8 bytes a block where a filter leaves few
// rows; 8 bytes a row that no level leaves out, of several queries at most 512 kB each. queries: those of the scan.
// Threads share the blocks. REQUIRES: rows and request are as CheckRequest says; SketchQuery::CanTell of every query.
void SearchBySketches(const SketchFile& file, const VectorScan& scan, std::span<const float> queries, RowRange rows,
                      const SearchRequest& request, const RowMap& order, std::optional<std::uint64_t> most_rows,
                      std::span<std::vector<Match>> answers);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SKETCH_SEARCH_H_
