#ifndef ACTKIN_INDEXER_SKETCHES_CODE_STEPS_H_
#define ACTKIN_INDEXER_SKETCHES_CODE_STEPS_H_

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "indexer/sketches/sketch_coordinates.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// How far a sketch's codes reach, and so how long their steps are: what is far out is drawn in.

// Of a hundred thousand numbers so many are drawn in, at either end: what codes reach is not spent on a few.
inline constexpr double kDrawnIn = 0.001;
// Wider than the sample: other rows lie a little outside it.
inline constexpr double kWider = 1.25;

// What all but that share of sizes reach, or less: a tail that is much longer than what most of them reach would take
// the codes of all others.
double Reached(std::vector<float> sizes, double drawn_in);

// How far codes must reach along axes [first_axis, end_axis).
std::vector<double> Widths(const Coordinates& sample, std::size_t first_axis, std::size_t end_axis);
// The widths that codes must reach, one a quad of axes; they never increase, as exponents do not.
std::vector<double> QuadWidths(std::span<const double> widths);

// Of the steps with which codes reach these widths, times a power of two for each quad, the one with the smallest
// error: the sum of the squared steps of the quads.
struct Step {
  double step = 0;
  double error = std::numeric_limits<double>::infinity();
};
Step BestStep(std::span<const double> quads);

// What rests lie between, and so the step of their codes.
struct RestStep {
  double center = 0;
  double step = 0;
};
RestStep RestStepOf(const std::vector<float>& rests);

// The scales of a level, without errors.
void ChooseScales(const Coordinates& sample, const SketchLevels& levels, std::size_t level, LevelScales& scales);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_CODE_STEPS_H_
