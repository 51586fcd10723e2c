#ifndef ACTKIN_QUERY_EXACT_SCAN_BOUNDS_H_
#define ACTKIN_QUERY_EXACT_SCAN_BOUNDS_H_

#include <cstddef>

#include "schema/site.h"

namespace actkin {

// What a scan in float32 proves. The scan gives every row a raw value: for l2 the squared distance, for cosine the
// similarity. Rounding makes it differ from the row's exact distance (that of exact_distance.h) by at most what these
// functions allow for, whatever the processor and the order of summation, so a row whose raw value lies outside
// [LowestRaw(low), HighestRaw(high)] has no exact distance in [low, high]. A raw value of NaN says nothing about its
// row. Immutable. The derivation is in the source.
class ScanBounds {
 public:
  // Raw values of l2 are sums, in float32, of `terms` squared differences between float32 numbers, or of `terms` such
  // sums rounded to float32 once. REQUIRES: terms <= 2^20.
  static ScanBounds SquaredL2(std::size_t terms);

  // Raw values of cosine are CosineScale(squared norm of the row) * dot(row, unit query rounded to float32), with sums
  // of `terms` float32 products, or of `terms` such sums rounded to float32 once. REQUIRES: terms <= 2^20.
  static ScanBounds Cosine(std::size_t terms);

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
  ScanBounds(Metric metric, double relative, double absolute)
      : metric_(metric), relative_(relative), absolute_(absolute) {}

  Metric metric_;
  double relative_;
  double absolute_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SCAN_BOUNDS_H_
