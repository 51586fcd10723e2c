#ifndef ACTKIN_QUERY_EXACT_SCAN_BOUNDS_H_
#define ACTKIN_QUERY_EXACT_SCAN_BOUNDS_H_

#include <cstddef>

#include "schema/site.h"

namespace actkin {

// What a scan in float32 proves of one query. The scan gives every row a raw value: for l2 the squared distance, for
// cosine the similarity, for dot the inner product with the query at unit length. Rounding makes it differ from the
// row's exact distance (that of exact_distance.h) by at most what these functions allow for, whatever the processor and
// the order of summation, so a row whose raw value lies outside [LowestRaw(low), HighestRaw(high)] has no exact
// distance in [low, high]. A raw value of NaN says nothing about its row. Immutable. The derivation is in the source.
class ScanBounds {
 public:
  // Raw values of l2 are sums, in float32, of `terms` squared differences between float32 numbers, or of `terms` such
  // sums rounded to float32 once. REQUIRES: terms <= 2^20.
  static ScanBounds SquaredL2(std::size_t terms);

  // Raw values of cosine are CosineScale(squared norm of the row) * dot(row, unit query rounded to float32), with sums
  // of `terms` float32 products, or of `terms` such sums rounded to float32 once. REQUIRES: terms <= 2^20.
  static ScanBounds Cosine(std::size_t terms);

  // The same where rows and query were less the mean first, which is `mean_norm` long: rows in double precision or as
  // float32 differences from the mean rounded to float32, rounded once.
  static ScanBounds CenteredCosine(std::size_t terms);
  // CosineScale for a centered row: NaN also where the row lies so near the mean that its rounding moved it far.
  static float CenteredScale(float squared_norm, double mean_norm);

  // Raw values of dot are those of dot(row, unit query rounded to float32), summed likewise, over rows that are at most
  // `longest` long; of a query of zeros anything. They are finite, or NaN where `longest` is beyond 2^100.
  static ScanBounds Dot(std::size_t terms, double query_norm, double longest);

  // One over the norm; NaN where the square left the range in which the bound on its rounding holds. Then the row's raw
  // value is NaN: a row of zeros is such a row.
  static float CosineScale(float squared_norm);

  // Every row at `distance` or nearer by number has raw <= HighestRaw (or NaN), every row at `distance` or more has
  // raw >= LowestRaw (or NaN).
  float HighestRaw(double distance) const;
  float LowestRaw(double distance) const;
  // Of a row with this raw value, which is not NaN.
  double HighestDistance(float raw) const;
  double LowestDistance(float raw) const;

 private:
  ScanBounds(bool squared, double relative, double absolute, double scale = 1)
      : squared_(squared), relative_(relative), absolute_(absolute), scale_(scale) {}

  // What a raw value may differ by from one of these similarities, and what the double precision here adds.
  double Slack(double similarity) const;

  bool squared_;     // raw values are squared distances
  double relative_;  // of these alone
  double absolute_;
  double scale_;  // what a similarity is more than its raw value: the query's norm for dot, else 1
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SCAN_BOUNDS_H_
