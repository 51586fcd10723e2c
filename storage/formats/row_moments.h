#ifndef ACTKIN_STORAGE_FORMATS_ROW_MOMENTS_H_
#define ACTKIN_STORAGE_FORMATS_ROW_MOMENTS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "storage/formats/row_source.h"

namespace actkin {

// What is said of all rows of a site.
struct RowMoments {
  std::vector<double> mean;  // dimension
  double longest = 0;        // no row is longer than this
};

// Of all rows, at least one. The mean is computed in double precision: sums of 4,096 rows
// in their order, these sums in their order, divided by N; it is the same for every number of threads. done: hears of
// rows gone through, from one thread at a time.
RowMoments FindMoments(const RowSource& rows, int threads, const std::function<void(std::uint64_t rows)>& done = {});

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FORMATS_ROW_MOMENTS_H_
