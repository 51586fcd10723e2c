#ifndef ACTKIN_INDEXER_BUILD_SITE_STATISTICS_H_
#define ACTKIN_INDEXER_BUILD_SITE_STATISTICS_H_

#include <cstdint>
#include <functional>

#include "schema/progress.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/catalog/site_statistics_row.h"
#include "storage/formats/row_source.h"

namespace actkin {

// Says of every site of which it is not said yet what its rows are like (row_statistics.h), whoever made them: sites
// whose rows or sketches were made again are among these, those that keep no rows are not. Those of large sites are
// registered one by one. Throws Error.
// REQUIRES: the build lock is held.
void AddStatistics(const IndexDirectory& directory, int threads, ProgressListener& progress);

// What rows are like of which these are the sketches. done: as FindStatistics says. Throws Error.
SiteStatisticsRow StatisticsOfSketched(const IndexDirectory& directory, const FileRow& sketches, const RowSource& rows,
                                       int threads, const std::function<void(std::uint64_t rows)>& done);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_SITE_STATISTICS_H_
