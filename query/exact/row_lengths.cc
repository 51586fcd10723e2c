#include "query/exact/row_lengths.h"

#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "query/exact/exact_distance.h"
#include "schema/error.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kPiece = 8192;

void RequireLength(double length) {
  if (!(length >= 0)) FailUsage("max_length {}: expected a length, at least 0", length);
}

// Of the rows, or places, from 0 on, the runs for which `passes` holds: asked by several threads at once.
template <typename Passes>
std::vector<RowRange> RunsWhere(std::uint64_t count, int threads, const Passes& passes) {
  const RowRange all{0, count};
  std::vector<RowRange> runs;
  std::mutex mutex;
  ForEachPiece(all, kPiece, UsefulThreads(all, kPiece, threads), [&](int, RowRange piece) {
    std::vector<RowRange> of_piece;
    for (std::uint64_t row = piece.begin; row < piece.end; ++row) {
      if (!passes(row)) continue;
      if (!of_piece.empty() && of_piece.back().end == row) {
        ++of_piece.back().end;
      } else {
        of_piece.push_back({row, row + 1});
      }
    }
    const std::lock_guard lock(mutex);
    runs.insert(runs.end(), of_piece.begin(), of_piece.end());
  });
  return runs;
}

}  // namespace

double LengthOf(std::span<const float> row) {
  return std::sqrt(SquaredNorm(std::vector<double>(row.begin(), row.end())));
}

RowSet RowsUpTo(std::uint64_t row_count, double length, int threads, const RowLength& exact) {
  RequireLength(length);
  return RowSet::OfRanges(row_count, RunsWhere(row_count, threads, [&](std::uint64_t row) {
                            return exact(static_cast<RowNumber>(row)) <= length;
                          }));
}

RowSet RowsUpTo(const SketchFile& sketches, double length, double tolerance, int threads, const RowLength& exact) {
  RequireLength(length);
  // Four times the rounding to float32, which double precision's disappears in; below it float32 has no more digits.
  const double rounding = 0x1p-22 + 2 * tolerance;
  constexpr double kSmallest = 0x1p-140;
  const std::span<const float> lengths = sketches.Lengths(LengthFrom::kZero);
  return RowSet::OfRanges(sketches.row_count(), RunsWhere(sketches.row_count(), threads, [&](std::uint64_t row) {
                            const double rounded = lengths[sketches.PlaceOf(static_cast<RowNumber>(row))];
                            const double slack = rounded * rounding + kSmallest;
                            if (rounded + slack <= length) return true;
                            if (std::isfinite(rounded) && rounded - slack > length) return false;
                            return exact(static_cast<RowNumber>(row)) <= length;
                          }));
}

}  // namespace actkin
