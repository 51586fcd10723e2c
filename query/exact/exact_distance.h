#ifndef ACTKIN_QUERY_EXACT_EXACT_DISTANCE_H_
#define ACTKIN_QUERY_EXACT_EXACT_DISTANCE_H_

#include <span>

#include "schema/site.h"

namespace actkin {

// The sums that define a distance, of all numbers of a row and a query or, for parts of them, added up part by part.
struct ExactSums {
  double squared_distance = 0;
  double dot = 0;
  double squared_norm = 0;  // of the row
};

// In double precision from float32 numbers, in one fixed order of summation, so that the answer is the same on every
// processor and for every number of threads. l2 sums squares of differences, never the expanded square. Only the sums
// that the metric needs are made. For the centered cosine the mean is taken from the row, and was taken from the query,
// number by number in double precision; no other metric reads it. REQUIRES: as many numbers in the query, and in the
// mean that is read, as in the row.
ExactSums SumExactly(Metric metric, std::span<const float> row, std::span<const double> query,
                     std::span<const double> mean = {});

// l2: the Euclidean distance. cosine: the similarity, in -1..1; 0 where row or query is zero (centered: the mean). dot:
// the inner product. NaN or infinite only when the row is. Identical vectors are at 0 and 1 exactly.
double ExactDistance(Metric metric, const ExactSums& sums, double query_squared_norm);

// The query's own squared norm, in the order of SumExactly.
double SquaredNorm(std::span<const double> query);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_EXACT_DISTANCE_H_
