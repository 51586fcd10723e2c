#ifndef ACTKIN_QUERY_EXACT_SKETCH_PLACES_H_
#define ACTKIN_QUERY_EXACT_SKETCH_PLACES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "query/exact/vector_scan.h"
#include "storage/formats/row_map.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// What SiteIndex::CountBefore says, by way of sketches: the boxes of groups, then of blocks, are placed among the
// matches by bounds from both sides, and counted whole where these agree; else their rows, by their codes, level by
// level. Of the rows that no level places the numbers are read. scan: of the one query, which `query` is. REQUIRES:
// rows and request are as CheckRequest says, request.k is not given; SketchQuery::CanTell of the query.
std::vector<std::uint64_t> CountBySketches(const SketchFile& file, const VectorScan& scan, std::span<const float> query,
                                           RowRange rows, std::span<const Match> matches, const SearchRequest& request,
                                           const RowMap& order);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SKETCH_PLACES_H_
