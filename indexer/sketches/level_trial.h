#ifndef ACTKIN_INDEXER_SKETCHES_LEVEL_TRIAL_H_
#define ACTKIN_INDEXER_SKETCHES_LEVEL_TRIAL_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "indexer/sketches/sketch_coordinates.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// The sequence of levels with which searches of a sample cost least, in bytes that they read. sample: count x
// dimension, the rows as they are; drawn_in: the same as `coordinates` are of; mean: dimension; units: of kCodeUnit
// codes, at most so many in all levels together; row_count: of the site.
SketchLevels LevelsThatPay(std::span<const float> sample, std::span<const float> mean, std::span<const float> drawn_in,
                           const Coordinates& coordinates, std::size_t units, std::uint64_t row_count);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_LEVEL_TRIAL_H_
