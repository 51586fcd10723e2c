#include "indexer/build/sketch_levels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace actkin {
namespace {

// Of a hundred thousand numbers so many are drawn in, at either end: what codes reach is not spent on a few.
constexpr double kDrawnIn = 0.001;
// Wider than the sample: other rows lie a little outside it.
constexpr double kWider = 1.25;
// Queries, and rows that they are compared with, that decide how many levels pay.
constexpr std::size_t kTrialQueries = 32;
constexpr std::size_t kTrialRows = 16384;
// A level of n bytes a row pays where it keeps every search from reading n / 16 bytes a row. The usual ones are not
// asked: the trial is of l2, and cosine and dot, whose bounds by the same codes are wider, need them where l2 does not.
constexpr double kPayOff = 16;
// Sketches take at most this share of the rows as float32.
constexpr double kLargestShare = 0.15;
// Reading a row here and there takes about twice the time of reading as many bytes in a stretch.
constexpr double kScattered = 2;

double Norm(std::span<const float> numbers) {
  double sum = 0;
  for (const float number : numbers) sum += static_cast<double>(number) * number;
  return std::sqrt(sum);
}

double Quantile(std::vector<float> numbers, double share) {
  const auto place = numbers.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(numbers.size() - 1));
  std::nth_element(numbers.begin(), place, numbers.end());
  return *place;
}

// Codes that reach these widths: among the steps that do, times a power of two for each pair, the one with the smallest
// error. widths: one an axis of the level.
void ChooseStep(std::span<const double> widths, LevelScales& scales) {
  const std::size_t pairs = (widths.size() + 1) / 2;
  std::vector<double> pair_widths(pairs);
  for (std::size_t axis = 0; axis < widths.size(); ++axis) {
    pair_widths[axis / 2] = std::max(pair_widths[axis / 2], widths[axis]);
  }
  // Exponents never increase.
  for (std::size_t pair = pairs - 1; pair > 0; --pair) {
    pair_widths[pair - 1] = std::max(pair_widths[pair - 1], pair_widths[pair]);
  }
  constexpr double kLargestFactor = 1U << kMaximumExponent;
  const double smallest =
      std::max({pair_widths.front() / kCodeLimit / kLargestFactor, pair_widths.back() / kCodeLimit, 1e-35});
  constexpr int kTries = 48;  // sixteen to a power of two
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    const double step = smallest * std::exp2(static_cast<double>(i) / 16);
    std::array<std::uint32_t, kMostCodes / 2> exponents{};
    double error = 0;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      while (pair_widths[pair] > kCodeLimit * std::ldexp(step, static_cast<int>(exponents[pair])) &&
             exponents[pair] < kMaximumExponent) {
        ++exponents[pair];
      }
      error += std::ldexp(step * step, 2 * static_cast<int>(exponents[pair]));
    }
    if (error < least) {
      least = error;
      scales.step = step;
      scales.exponents = exponents;
    }
  }
}

void ChooseScales(const Coordinates& sample, std::size_t level, LevelScales& scales) {
  std::vector<double> widths;
  for (std::size_t axis = FirstAxis(level); axis < FirstAxis(level + 1); ++axis) {
    std::vector<float> sizes;
    for (std::size_t row = 0; row < sample.count(); ++row) {
      sizes.push_back(static_cast<float>(std::abs(sample.At(row, axis))));
    }
    widths.push_back(kWider * Quantile(std::move(sizes), 1 - kDrawnIn));
  }
  ChooseStep(widths, scales);
  const std::vector<float> rests(sample.rests[level].begin(), sample.rests[level].end());
  const double low = Quantile(rests, kDrawnIn);
  const double high = Quantile(rests, 1 - kDrawnIn);
  scales.rest_center = low + (high - low) / 2;
  scales.rest_step = std::max(kWider * (high - low) / 2 / kCodeLimit, 1e-35);
}

// Of the rows that a search for the nearest one compares with, the share that each level leaves.
std::vector<double> SharesLeft(const SketchFrame& frame, std::span<const float> rows, const Coordinates& sample,
                               std::size_t level_count) {
  const std::size_t dimension = frame.dimension();
  const std::size_t query_step = std::max<std::size_t>(sample.count() / kTrialQueries, 1);
  const std::size_t row_step = (sample.count() + kTrialRows - 1) / kTrialRows;
  std::vector<double> shares(level_count);
  double compared = 0;
  std::vector<std::vector<float>> bounds(level_count);
  for (std::size_t query = query_step / 2; query < sample.count(); query += query_step) {
    const float* asked = rows.data() + query * dimension;
    float nearest = std::numeric_limits<float>::infinity();
    for (std::vector<float>& of_level : bounds) of_level.clear();
    for (std::size_t row = 0; row < sample.count(); row += row_step) {
      if (row == query) continue;
      const float* numbers = rows.data() + row * dimension;
      std::array<float, 8> sums{};
      for (std::size_t i = 0; i < dimension; ++i) {
        sums[i % 8] += (numbers[i] - asked[i]) * (numbers[i] - asked[i]);
      }
      float squared = 0;
      for (const float sum : sums) squared += sum;
      // Equal rows are no neighbors that a search has to tell from others.
      if (squared > 0) nearest = std::min(nearest, squared);
      double along = 0;
      for (std::size_t level = 0; level < level_count; ++level) {
        for (std::size_t axis = FirstAxis(level); axis < FirstAxis(level + 1); ++axis) {
          const double difference = sample.At(row, axis) - sample.At(query, axis);
          along += difference * difference;
        }
        const double rest = sample.rests[level][row] - sample.rests[level][query];
        bounds[level].push_back(static_cast<float>(along + rest * rest));
      }
      ++compared;
    }
    for (std::size_t level = 0; level < level_count; ++level) {
      shares[level] += static_cast<double>(
          std::ranges::count_if(bounds[level], [nearest](float bound) { return bound <= nearest; }));
    }
  }
  for (double& share : shares) share /= std::max(compared, 1.0);
  return shares;
}

std::size_t LevelsThatPay(std::span<const double> shares, std::size_t dimension, std::uint64_t row_count) {
  const auto row_bytes = static_cast<double>(dimension * sizeof(float));
  std::size_t levels = 1;
  for (std::size_t level = 1; level < shares.size(); ++level) {
    const auto codes = static_cast<double>(kLevelCodes[level]);
    const double saved = (shares[level - 1] - shares[level]) * row_bytes * kScattered - shares[level - 1] * codes;
    const double bytes = static_cast<double>(SketchFileWriter::FileBytes(dimension, row_count, level + 1)) -
                         static_cast<double>(SketchFileWriter::FileBytes(dimension, 1, level + 1));
    const bool pays = level < kUsualLevels || saved >= codes / kPayOff;
    if (!pays || bytes > kLargestShare * row_bytes * static_cast<double>(row_count)) break;
    levels = level + 1;
  }
  return levels;
}

// Rows less the center, drawn in.
void DrawIn(const SketchFrame& frame, std::vector<float>& rows) {
  const std::size_t dimension = frame.dimension();
  std::vector<double> centered(dimension);
  for (std::size_t first = 0; first < rows.size(); first += dimension) {
    double square = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      centered[i] = static_cast<double>(rows[first + i]) - frame.center[i];
      square += centered[i] * centered[i];
    }
    const double length = std::sqrt(square);
    const double scale = length > frame.reach ? frame.reach / length : 1;
    for (std::size_t i = 0; i < dimension; ++i) rows[first + i] = static_cast<float>(centered[i] * scale);
  }
}

Coordinates OfDrawnIn(const SketchFrame& frame, std::size_t level_count, std::vector<float>& rows,
                      const RowAlgebra& algebra) {
  const std::size_t dimension = frame.dimension();
  const std::size_t count = rows.size() / dimension;
  Coordinates found;
  found.axis_count = FirstAxis(level_count);
  found.along.resize(count * found.axis_count);
  const std::span<const float> axes = std::span(frame.axes).first(found.axis_count * dimension);
  algebra.Project(rows, axes, dimension, found.along);
  algebra.Subtract(found.along, axes, dimension, rows);
  for (std::size_t row = 0; row < count; ++row) {
    double square = std::pow(Norm(std::span(rows).subspan(row * dimension, dimension)), 2);
    for (std::size_t level = level_count; level-- > 0;) {
      found.rests[level].push_back(std::sqrt(square));
      for (std::size_t axis = FirstAxis(level); axis < FirstAxis(level + 1); ++axis) {
        square += found.At(row, axis) * found.At(row, axis);
      }
    }
  }
  return found;
}

}  // namespace

Coordinates FindCoordinates(const SketchFrame& frame, std::size_t level_count, std::vector<float>& rows,
                            const RowAlgebra& algebra) {
  DrawIn(frame, rows);
  return OfDrawnIn(frame, level_count, rows, algebra);
}

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
    const double length = Norm(std::span(rows).subspan(first, dimension));
    lengths.push_back(static_cast<float>(std::min(length, 2 * kLargestReach)));
  }
  plan.frame.reach = kWider * Quantile(lengths, 1 - kDrawnIn);
  // Beyond these float32 has no room for squares: then every row is drawn in to the center, and says nothing.
  if (plan.frame.reach < kSmallestReach || plan.frame.reach > kLargestReach) plan.frame.reach = 0;
  // The axes are those of the rows as they are drawn in, so that no row that is far from all others has one of its own.
  rows.assign(sample.begin(), sample.end());
  DrawIn(plan.frame, rows);
  std::size_t most_levels = 1;
  while (most_levels < kMostLevels && FirstAxis(most_levels) < dimension) ++most_levels;
  plan.frame.axes = algebra.FindPrincipalAxes(rows, dimension, FirstAxis(most_levels)).axes;
  plan.frame.axes.resize(FirstAxis(most_levels) * dimension, 0.0F);

  std::vector<float> spoiled = rows;
  const Coordinates coordinates = OfDrawnIn(plan.frame, most_levels, spoiled, algebra);
  plan.level_count = LevelsThatPay(SharesLeft(plan.frame, rows, coordinates, most_levels), dimension, row_count);
  plan.frame.axes.resize(FirstAxis(plan.level_count) * dimension);
  plan.scales.reach = plan.frame.reach;
  plan.scales.longest = moments.longest;
  for (std::size_t level = 0; level < plan.level_count; ++level) {
    ChooseScales(coordinates, level, plan.scales.levels[level]);
  }
  return plan;
}

}  // namespace actkin
