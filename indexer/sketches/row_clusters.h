#ifndef ACTKIN_INDEXER_SKETCHES_ROW_CLUSTERS_H_
#define ACTKIN_INDEXER_SKETCHES_ROW_CLUSTERS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "schema/site.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// An order of rows in which each block of kBlockRows of them is a leaf of a k-d tree (Bentley, Multidimensional Binary
// Search Trees Used for Associative Searching) over their coarse codes, split where they spread the widest. codes: rows
// x kCoarseCodes; rows of a block ascend. Depends on nothing but the codes.
std::vector<RowNumber> ClusterRows(std::span<const std::int8_t> codes, const LevelScales& scales);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_ROW_CLUSTERS_H_
