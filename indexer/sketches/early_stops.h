#ifndef ACTKIN_INDEXER_SKETCHES_EARLY_STOPS_H_
#define ACTKIN_INDEXER_SKETCHES_EARLY_STOPS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "indexer/model/row_algebra.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// How much of the answer searches find that stop early: some rows of the site ask for their 10 nearest, and it is
// counted how many blocks are more promising than those that these stand in. For that no search is needed, only the
// boxes of the blocks and the 10 nearest, which are found among rows that pass by.
class EarlyStopTrial {
 public:
  // rows, by number, and their numbers (count x dimension) ask; all outlive this object. Distances are found in
  // float32: nearly equal ones may change places.
  EarlyStopTrial(std::span<const RowNumber> rows, std::span<const float> numbers, const RowMoments& moments,
                 const RowAlgebra& algebra);

  // Rows of the site, each once, with their lengths from zero and from the mean. Any thread.
  void Offer(RowRange range, std::span<const float> rows, std::span<const float> from_zero,
             std::span<const float> from_mean);

  // After all rows: places: by row; coarse: codes by place; lengths: by place, from zero and from the mean.
  FoundEarly Count(std::span<const RowNumber> places, std::span<const std::int8_t> coarse, const LevelScales& scales,
                   const std::array<std::vector<float>, 2>& lengths) const;

 private:
  struct Near {
    float key = 0;
    RowNumber row = 0;
    // Of equally near ones the lower row, so that threads that take turns otherwise find the same.
    auto operator<=>(const Near&) const = default;
  };
  // The 10 nearest, a heap, the farthest first.
  using Nearest = std::vector<Near>;

  static void Offer(const Near& near, Nearest& nearest);
  // Bounds of the blocks' squared distances.
  std::vector<float> BlockBounds(std::span<const std::int8_t> corners_low, std::span<const std::int8_t> corners_high,
                                 const std::int8_t* query, const LevelScales& scales) const;

  const std::span<const RowNumber> rows_;
  const RowAlgebra& algebra_;
  const std::size_t dimension_;
  std::vector<float> axes_;  // what asks, and the mean
  double mean_square_ = 0;
  std::vector<float> to_mean_;  // the inner product with it, of what asks
  std::mutex mutex_;
  std::vector<std::array<Nearest, kMetricCount>> nearest_;  // of what asks
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_SKETCHES_EARLY_STOPS_H_
