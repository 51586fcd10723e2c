#include "indexer/sketches/sketch_plan.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "indexer/sketches/code_steps.h"
#include "indexer/sketches/level_trial.h"
#include "indexer/sketches/vector_lengths.h"

namespace actkin {
namespace {

// Sketches take at most this share of the rows as float32; what each row takes besides its codes.
constexpr double kLargestShare = 0.15;
constexpr double kBesideCodes = 17;

// Units of codes that there is room for, and that there are axes for.
std::size_t MostUnits(std::size_t dimension) {
  const double room = (kLargestShare * static_cast<double>(dimension * sizeof(float)) - kBesideCodes) / kCodeUnit;
  const std::size_t of_axes = dimension / kCodeUnit + 1;
  constexpr std::size_t kMost = 24;
  return std::clamp<std::size_t>(room < 1 ? 1 : static_cast<std::size_t>(room), 1, std::min(of_axes, kMost));
}

}  // namespace

SketchPlan PlanSketches(std::span<const float> sample, const RowMoments& moments, std::uint64_t row_count,
                        const RowAlgebra& algebra) {
  SketchPlan plan;
  const std::size_t dimension = moments.mean.size();
  for (const double number : moments.mean) plan.frame.center.push_back(static_cast<float>(number));
  plan.frame.reach = std::numeric_limits<double>::infinity();
  std::vector<float> rows(sample.begin(), sample.end());
  DrawIn(plan.frame, rows);
  std::vector<float> lengths;
  for (std::size_t first = 0; first < rows.size(); first += dimension) {
    const double length = NormOf(std::span(rows).subspan(first, dimension));
    lengths.push_back(static_cast<float>(std::min(length, 2 * kLargestReach)));
  }
  plan.frame.reach = kWider * Reached(std::move(lengths), kDrawnIn);
  // Beyond these float32 has no room for squares: then every row is drawn in to the center, and says nothing.
  if (plan.frame.reach < kSmallestReach || plan.frame.reach > kLargestReach) plan.frame.reach = 0;
  // The axes are those of the rows as they are drawn in, so that no row that is far from all others has one of its own.
  rows.assign(sample.begin(), sample.end());
  DrawIn(plan.frame, rows);
  // Of a row of fewer numbers than coarse axes the others are zeros.
  const std::size_t units = MostUnits(dimension);
  const std::size_t axis_count = units * kCodeUnit - 1;
  plan.frame.axes = algebra.FindPrincipalAxes(rows, dimension, axis_count).axes;
  plan.frame.axes.resize(axis_count * dimension, 0.0F);
  {
    std::vector<float> spoiled = rows;
    const Coordinates coordinates = OfDrawnIn(plan.frame, axis_count, spoiled, algebra);
    plan.levels = LevelsThatPay(sample, plan.frame.center, rows, coordinates, units, row_count);
  }
  plan.frame.axes.resize(plan.levels.axis_count() * dimension);
  Coordinates coordinates = OfDrawnIn(plan.frame, plan.levels.axis_count(), rows, algebra);
  FindRests(plan.levels, coordinates);
  plan.scales.reach = plan.frame.reach;
  plan.scales.longest = moments.longest;
  for (std::size_t level = 0; level < plan.levels.count; ++level) {
    ChooseScales(coordinates, plan.levels, level, plan.scales.levels[level]);
  }
  return plan;
}

}  // namespace actkin
