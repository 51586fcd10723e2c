#ifndef ACTKIN_INDEXER_BUILD_ROW_STATISTICS_H_
#define ACTKIN_INDEXER_BUILD_ROW_STATISTICS_H_

#include <cstdint>
#include <functional>
#include <span>

#include "storage/catalog/site_statistics.h"
#include "storage/formats/code_file.h"
#include "storage/formats/row_source.h"

namespace actkin {

// What rows are like, for people and for whoever chooses a metric. Lengths are of all rows; cosines and random pairs of
// at most 4,096, one of each of as many equal parts of the site (of fewer where rows are wide); the nearest rows of 64
// of these among all. Which rows they are depends on the number of rows alone, and the numbers do not depend on the
// number of threads.

// source: at least one row; mean: of all rows, dimension. Reads the rows
// once. done: hears of rows gone through, from one thread at a time. Throws Error naming a file.
SiteStatisticsRow FindStatistics(const RowSource& source, std::span<const double> mean, int threads,
                                 const std::function<void(std::uint64_t rows)>& done = {});

// Of an embedding site, all of whose rows the file holds; without its nearest rows, which differ in a token or two.
// Reads the codes twice. Throws Error naming the file.
SiteStatisticsRow FindStatistics(const CodeFile& file);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_ROW_STATISTICS_H_
