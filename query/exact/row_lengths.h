#ifndef ACTKIN_QUERY_EXACT_ROW_LENGTHS_H_
#define ACTKIN_QUERY_EXACT_ROW_LENGTHS_H_

#include <cstdint>
#include <functional>
#include <span>

#include "query/exact/row_set.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// The Euclidean length of a row in double precision, summed as exact distances are.
double LengthOf(std::span<const float> row);

// Of a row; may be called by several threads at once.
using RowLength = std::function<double(RowNumber row)>;

// The rows that are at most so long. Both throw Error (usage) where that is no number from 0 on, and what `exact`
// throws. By the length of every row:
RowSet RowsUpTo(std::uint64_t row_count, double length, int threads, const RowLength& exact);
// By the lengths that sketches keep, rounded, and the exact ones of the rows whose rounding leaves it open. tolerance:
// the rows are not those that the sketches were made of, but differ from them by at most that share of their lengths.
RowSet RowsUpTo(const SketchFile& sketches, double length, double tolerance, int threads, const RowLength& exact);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_ROW_LENGTHS_H_
