#ifndef ACTKIN_INDEXER_BUILD_SITE_STATISTICS_H_
#define ACTKIN_INDEXER_BUILD_SITE_STATISTICS_H_

#include "schema/progress.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// Says of every site of which it is not said yet what its rows are like (row_statistics.h), whoever made them: sites
// whose rows or sketches were made again are among these. Those of large sites are registered one by one. Throws Error.
// REQUIRES: the build lock is held.
void AddStatistics(const IndexDirectory& directory, int threads, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_SITE_STATISTICS_H_
