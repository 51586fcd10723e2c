#include "query/exact/recomputed_row.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "query/exact/sketch_query.h"
#include "query/kernels/sketch_kernels.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Lengths in the file are rounded to float32.
constexpr double kLengthRounding = 0x1p-22;

bool HasLengths(const SketchFile& file, std::uint64_t place, std::span<const float> numbers, double tolerance) {
  double from_zero = 0;
  double from_mean = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double number = numbers[i];
    from_zero += number * number;
    from_mean += (number - file.mean()[i]) * (number - file.mean()[i]);
  }
  from_zero = std::sqrt(from_zero);
  from_mean = std::sqrt(from_mean);
  const double off = 1.01 * (tolerance + kLengthRounding) * std::max(from_zero, from_mean);
  return std::abs(from_zero - file.Lengths(LengthFrom::kZero)[place]) <= off &&
         std::abs(from_mean - file.Lengths(LengthFrom::kMean)[place]) <= off;
}

// Whether the row's codes do not exclude that it is where the numbers are.
bool MayLieThere(const SketchFile& file, std::uint32_t place, std::span<const float> numbers, double tolerance) {
  const SketchQuery there(file, Metric::kL2, Side::kNear, numbers, tolerance);
  float along = 0;
  float bound = 0;
  for (std::size_t level = 0; level < file.levels().count; ++level) {
    std::int32_t sum = 0;
    std::int32_t rest = 0;
    RowDistances(file.Codes(level), &place, 1, there.level(level), &sum, &rest);
    BoundDistances(&sum, &rest, 1, there.terms(level), &along, &bound);
    if (bound > there.Limit(0)) return false;
  }
  return true;
}

}  // namespace

void RequireRowOfSketches(const SketchFile& file, RowNumber row, std::span<const float> numbers, double tolerance,
                          const std::filesystem::path& site) {
  // What is not finite is found by whoever measures a distance to it.
  if (!SketchQuery::CanTell(file, numbers)) return;
  const std::uint64_t place = file.PlaceOf(row);
  if (HasLengths(file, place, numbers, tolerance) &&
      MayLieThere(file, static_cast<std::uint32_t>(place), numbers, tolerance)) {
    return;
  }
  FailDamaged(
      "{}: row {} comes out of the model otherwise than it did for the sketches: another model, or a processor that "
      "computes otherwise: build it anew",
      site.string(), row);
}

}  // namespace actkin
