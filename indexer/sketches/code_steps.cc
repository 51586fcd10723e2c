#include "indexer/sketches/code_steps.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace actkin {
namespace {

// Of coordinates more are drawn in: smaller steps are worth more than what tells a few rows apart along one axis.
constexpr double kCoordinatesDrawnIn = 0.004;
constexpr double kCoordinatesWider = 1.1;
// Yet no tail counts beyond so many times what this share of rows reaches: where one row in 150 is fifty times as long
// as the others, codes are for the others.
constexpr double kMostRows = 0.95;
constexpr double kLongestTail = 4;

double Quantile(std::vector<float> numbers, double share) {
  const auto place = numbers.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(numbers.size() - 1));
  std::nth_element(numbers.begin(), place, numbers.end());
  return *place;
}

std::uint32_t ExponentOf(double width, double step) {
  std::uint32_t exponent = 0;
  while (exponent < kMaximumExponent && width > kCodeLimit * std::ldexp(step, static_cast<int>(exponent))) ++exponent;
  return exponent;
}

// widths: one an axis of the level.
void ChooseStep(std::span<const double> widths, LevelScales& scales) {
  const std::vector<double> quads = QuadWidths(widths);
  // Where no error is a number, as of numbers whose squares are none, any step will do.
  const Step best = BestStep(quads);
  if (best.step > 0) scales.step = best.step;
  for (std::size_t quad = 0; quad < quads.size(); ++quad) scales.exponents[quad] = ExponentOf(quads[quad], scales.step);
}

}  // namespace

double Reached(std::vector<float> sizes, double drawn_in) {
  const double most = Quantile(sizes, kMostRows);
  const double reached = Quantile(std::move(sizes), 1 - drawn_in);
  return most > 0 ? std::min(reached, kLongestTail * most) : reached;
}

std::vector<double> QuadWidths(std::span<const double> widths) {
  std::vector<double> quads((widths.size() + kQuad - 1) / kQuad);
  for (std::size_t axis = 0; axis < widths.size(); ++axis) {
    quads[axis / kQuad] = std::max(quads[axis / kQuad], widths[axis]);
  }
  for (std::size_t quad = quads.size() - 1; quad > 0; --quad) quads[quad - 1] = std::max(quads[quad - 1], quads[quad]);
  return quads;
}

Step BestStep(std::span<const double> quads) {
  constexpr double kLargestFactor = 1U << kMaximumExponent;
  const double smallest = std::max({quads.front() / kCodeLimit / kLargestFactor, quads.back() / kCodeLimit, 1e-35});
  constexpr int kTries = 48;  // sixteen to a power of two
  Step best;
  for (int i = 0; i < kTries; ++i) {
    const double step = smallest * std::exp2(static_cast<double>(i) / 16);
    double error = 0;
    for (const double width : quads) error += std::ldexp(step * step, 2 * static_cast<int>(ExponentOf(width, step)));
    if (error < best.error) best = {step, error};
  }
  return best;
}

std::vector<double> Widths(const Coordinates& sample, std::size_t first_axis, std::size_t end_axis) {
  std::vector<double> widths;
  for (std::size_t axis = first_axis; axis < end_axis; ++axis) {
    std::vector<float> sizes;
    for (std::size_t row = 0; row < sample.count(); ++row) {
      sizes.push_back(static_cast<float>(std::abs(sample.At(row, axis))));
    }
    widths.push_back(kCoordinatesWider * Reached(std::move(sizes), kCoordinatesDrawnIn));
  }
  return widths;
}

RestStep RestStepOf(const std::vector<float>& rests) {
  const double low = Quantile(rests, kDrawnIn);
  const double high = Quantile(rests, 1 - kDrawnIn);
  return {low + (high - low) / 2, std::max(kWider * (high - low) / 2 / kCodeLimit, 1e-35)};
}

void ChooseScales(const Coordinates& sample, const SketchLevels& levels, std::size_t level, LevelScales& scales) {
  ChooseStep(Widths(sample, levels.FirstAxis(level), levels.FirstAxis(level + 1)), scales);
  const RestStep rest = RestStepOf({sample.rests[level].begin(), sample.rests[level].end()});
  scales.rest_center = rest.center;
  scales.rest_step = rest.step;
}

}  // namespace actkin
