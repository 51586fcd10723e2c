#include "indexer/sketches/early_stops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace actkin {
namespace {

constexpr std::size_t kNeighbors = 10;
constexpr float kShortest = 1e-30F;

float Dot(std::span<const float> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return static_cast<float>(sum);
}

// What is the smaller, the nearer a row is, of its squared distance or a bound of it: as in
// query/exact/sketch_query.cc.
float KeyOf(Metric metric, float square, float from_zero, float from_mean, float query_from_zero,
            float query_from_mean) {
  if (metric == Metric::kL2) return square;
  if (metric == Metric::kDot) return square - from_zero * from_zero;
  const bool centered = metric == Metric::kCenteredCosine;
  const float length = centered ? from_mean : from_zero;
  const float asked = centered ? query_from_mean : query_from_zero;
  return (square - length * length - asked * asked) / std::max(length, kShortest);
}

// Of blocks: the smallest and the largest of each code, and of each length.
struct Blocks {
  std::vector<std::int8_t> low;
  std::vector<std::int8_t> high;
  std::array<std::vector<float>, 2> shortest;
  std::array<std::vector<float>, 2> longest;
};

Blocks FindBlocks(std::span<const std::int8_t> coarse, const std::array<std::vector<float>, 2>& lengths) {
  const std::uint64_t rows = coarse.size() / kCoarseCodes;
  const std::uint64_t count = SketchBlocks(rows);
  Blocks blocks;
  blocks.low.assign(count * kCoarseCodes, kCodeLimit);
  blocks.high.assign(count * kCoarseCodes, -kCodeLimit);
  for (std::uint64_t place = 0; place < rows; ++place) {
    for (std::size_t code = 0; code < kCoarseCodes; ++code) {
      const std::int8_t number = coarse[place * kCoarseCodes + code];
      std::int8_t& low = blocks.low[place / kBlockRows * kCoarseCodes + code];
      std::int8_t& high = blocks.high[place / kBlockRows * kCoarseCodes + code];
      low = std::min(low, number);
      high = std::max(high, number);
    }
  }
  for (std::size_t from = 0; from < lengths.size(); ++from) {
    for (std::uint64_t first = 0; first < rows; first += kBlockRows) {
      const auto part = std::span(lengths[from]).subspan(first, std::min<std::uint64_t>(kBlockRows, rows - first));
      blocks.shortest[from].push_back(std::ranges::min(part));
      blocks.longest[from].push_back(std::ranges::max(part));
    }
  }
  return blocks;
}

}  // namespace

EarlyStopTrial::EarlyStopTrial(std::span<const RowNumber> rows, std::span<const float> numbers,
                               const RowMoments& moments, const RowAlgebra& algebra)
    : rows_(rows),
      algebra_(algebra),
      dimension_(moments.mean.size()),
      axes_(numbers.begin(), numbers.end()),
      nearest_(rows.size()) {
  for (const double number : moments.mean) {
    axes_.push_back(static_cast<float>(number));
    mean_square_ += number * number;
  }
  for (std::size_t query = 0; query < rows.size(); ++query) {
    to_mean_.push_back(Dot(numbers.subspan(query * dimension_, dimension_), moments.mean));
  }
}

void EarlyStopTrial::Offer(const Near& near, Nearest& nearest) {
  if (nearest.size() == kNeighbors) {
    if (!(near < nearest.front())) return;
    std::pop_heap(nearest.begin(), nearest.end());
    nearest.pop_back();
  }
  nearest.push_back(near);
  std::push_heap(nearest.begin(), nearest.end());
}

void EarlyStopTrial::Offer(RowRange range, std::span<const float> rows, std::span<const float> from_zero,
                           std::span<const float> from_mean) {
  const std::size_t axes = rows_.size() + 1;
  std::vector<float> products(range.size() * axes);
  algebra_.Project(rows, axes_, dimension_, products);
  std::vector<std::array<Nearest, kMetricCount>> nearest(rows_.size());
  for (std::uint64_t i = 0; i < range.size(); ++i) {
    const float* dots = products.data() + i * axes;
    const auto row = static_cast<RowNumber>(range.begin + i);
    const float square = from_zero[i] * from_zero[i];
    const float per_length = 1 / std::max(from_zero[i], kShortest);
    const float per_centered = 1 / std::max(from_mean[i], kShortest);
    const auto mean_square = static_cast<float>(mean_square_);
    for (std::size_t query = 0; query < rows_.size(); ++query) {
      if (row == rows_[query]) continue;
      const float dot = dots[query];
      const float centered = dot - dots[rows_.size()] - to_mean_[query] + mean_square;
      const std::array<float, kMetricCount> keys{square - 2 * dot, -dot * per_length, -dot, -centered * per_centered};
      for (std::size_t metric = 0; metric < kMetricCount; ++metric) {
        Nearest& one = nearest[query][metric];
        if (one.size() < kNeighbors || keys[metric] <= one.front().key) Offer({keys[metric], row}, one);
      }
    }
  }
  const std::lock_guard lock(mutex_);
  for (std::size_t query = 0; query < rows_.size(); ++query) {
    for (std::size_t metric = 0; metric < kMetricCount; ++metric) {
      for (const Near& near : nearest[query][metric]) Offer(near, nearest_[query][metric]);
    }
  }
}

FoundEarly EarlyStopTrial::Count(std::span<const RowNumber> places, std::span<const std::int8_t> coarse,
                                 const LevelScales& scales, const std::array<std::vector<float>, 2>& lengths) const {
  const Blocks blocks = FindBlocks(coarse, lengths);
  const std::size_t count = blocks.shortest[0].size();
  FoundEarly found{};
  std::array<double, kMetricCount> all{};
  for (std::size_t query = 0; query < rows_.size(); ++query) {
    const std::uint64_t place = places[rows_[query]];
    const std::vector<float> bounds =
        BlockBounds(blocks.low, blocks.high, coarse.data() + place * kCoarseCodes, scales);
    for (std::size_t metric = 0; metric < kMetricCount; ++metric) {
      std::vector<std::pair<float, std::size_t>> keys;
      for (std::size_t block = 0; block < count; ++block) {
        const auto key = [&](const auto& length) {
          return KeyOf(static_cast<Metric>(metric), bounds[block], length[0][block], length[1][block],
                       lengths[0][place], lengths[1][place]);
        };
        keys.emplace_back(std::min(key(blocks.shortest), key(blocks.longest)), block);
      }
      std::ranges::sort(keys);
      std::vector<std::size_t> ranks(count);
      for (std::size_t rank = 0; rank < count; ++rank) ranks[keys[rank].second] = rank;
      for (const Near& near : nearest_[query][metric]) {
        const std::size_t rank = ranks[places[near.row] / kBlockRows];
        for (std::size_t stop = 0; stop < kEarlyStops; ++stop) {
          found[metric][stop] += rank < EarlyStopRows(stop) / kBlockRows ? 1 : 0;
        }
        ++all[metric];
      }
    }
  }
  for (std::size_t metric = 0; metric < kMetricCount; ++metric) {
    for (double& share : found[metric]) share /= std::max(all[metric], 1.0);
  }
  return found;
}

std::vector<float> EarlyStopTrial::BlockBounds(std::span<const std::int8_t> corners_low,
                                               std::span<const std::int8_t> corners_high, const std::int8_t* query,
                                               const LevelScales& scales) const {
  // What asks is rounded as the rows are, and its bounds get wider by as much.
  const double error = 2 * scales.near_error;
  const double rest_error = 2 * scales.rest_near_error;
  std::vector<float> bounds;
  for (std::size_t first = 0; first < corners_low.size(); first += kCoarseCodes) {
    const auto apart = [&](std::size_t code) {
      return std::max({0, corners_low[first + code] - query[code], query[code] - corners_high[first + code]});
    };
    double sum = 0;
    for (std::size_t code = 0; code + 1 < kCoarseCodes; ++code) {
      sum += std::ldexp(static_cast<double>(apart(code)) * apart(code),
                        2 * static_cast<int>(scales.exponents[code / kQuad]));
    }
    const double along = std::max(scales.step * std::sqrt(sum) - error, 0.0);
    const double rest = std::max(scales.rest_step * apart(kCoarseCodes - 1) - rest_error, 0.0);
    bounds.push_back(static_cast<float>(along * along + rest * rest));
  }
  return bounds;
}

}  // namespace actkin
