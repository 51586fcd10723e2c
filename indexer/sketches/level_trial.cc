#include "indexer/sketches/level_trial.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "indexer/sketches/code_steps.h"
#include "indexer/sketches/vector_lengths.h"
#include "schema/site.h"

namespace actkin {
namespace {

// Queries, and rows that they are compared with, that decide which levels pay: so many rows, and half as many that are
// like no row.
constexpr std::size_t kTrialQueries = 32;
constexpr std::size_t kTrialRows = 8192;
// The neighbors that the trial's queries ask for, of all rows.
constexpr double kTrialNeighbors = 10;
// What a search costs is counted in bytes that it reads in a stretch. A row that a level looks at takes as long as so
// many more than its codes; a row whose numbers are read, here and there, as twice its bytes and so many more.
constexpr double kRowOfLevel = 48;
constexpr double kRowOfNumbers = 400;
constexpr double kScattered = 2;
// A code that every row gets must keep a search from as many bytes for each of so many rows.
constexpr double kPayOff = 12;

// The axes that levels of so many units of codes have together, of one or two levels; of more, one or two less.
std::size_t AxesOf(std::size_t units) { return units * kCodeUnit - (units == 1 ? 1 : 2); }

// What a trial knows of a row beside its coordinates.
struct Lengths {
  double from_zero = 0;
  double from_mean = 0;
};

// What a bound of the squared distance says of a row under a metric, smaller where nearer: as in
// query/exact/sketch_query.cc, but for what is the same for all rows.
double KeyOf(Metric metric, double square, const Lengths& row, const Lengths& query) {
  if (metric == Metric::kL2) return square;
  if (metric == Metric::kDot) return square - row.from_zero * row.from_zero;
  const bool centered = metric == Metric::kCenteredCosine;
  const double length = centered ? row.from_mean : row.from_zero;
  const double asked = centered ? query.from_mean : query.from_zero;
  return (square - length * length - asked * asked) / std::max(length, 1e-30);
}

// Searches of a sample for the nearest rows, by their coordinates along more and more axes.
class Trial {
 public:
  // sample: the rows as they are; drawn_in: as their coordinates are of; units: of codes, at most.
  Trial(std::span<const float> sample, std::span<const float> mean, std::span<const float> drawn_in,
        const Coordinates& coordinates, std::size_t units, std::uint64_t row_count)
      : mean_(mean),
        drawn_in_(drawn_in),
        coordinates_(coordinates),
        units_(units),
        row_count_(row_count),
        dimension_(mean.size()) {
    const std::size_t step = std::max<std::size_t>((coordinates.count() + kTrialRows - 1) / kTrialRows, 1);
    for (std::size_t row = 0; row < coordinates.count(); row += step) AddRow(row, sample);
    FindErrors();
  }

  // Of the rows, the share that bounds by so many units of codes leave, the mean of all metrics; units from 1 on.
  std::vector<double> SharesLeft() const {
    std::vector<double> shares(units_ + 1);
    const std::size_t step = std::max<std::size_t>(rows_.size() / kTrialQueries, 1);
    double compared = 0;
    const auto ask = [&](const Query& query) {
      CountLeft(query, shares);
      compared += static_cast<double>(kMetrics.size() * rows_.size());
    };
    for (std::size_t number = step / 2; number < rows_.size(); number += step) {
      ask(RowAsQuery(number));
      if (number / step % 2 == 0) ask(LikeNoRow(number));
    }
    for (double& share : shares) share /= std::max(compared, 1.0);
    return shares;
  }

 private:
  static constexpr std::array kMetrics{Metric::kL2, Metric::kCosine, Metric::kDot, Metric::kCenteredCosine};

  struct Query {
    std::size_t number = 0;      // of the row that it is, or none's
    std::vector<float> numbers;  // drawn in
    std::vector<float> along;
    std::vector<float> rests;  // by units
    Lengths lengths;
  };

  std::span<const float> Numbers(std::size_t number) const {
    return drawn_in_.subspan(rows_[number] * dimension_, dimension_);
  }
  std::span<const float> Along(std::size_t number) const {
    return std::span(coordinates_.along).subspan(rows_[number] * coordinates_.axis_count, coordinates_.axis_count);
  }

  Query RowAsQuery(std::size_t number) const {
    Query query;
    query.number = number;
    query.lengths = lengths_[number];
    query.numbers.assign(Numbers(number).begin(), Numbers(number).end());
    query.along.assign(Along(number).begin(), Along(number).end());
    for (std::size_t units = 0; units <= units_; ++units) query.rests.push_back(Rest(number, units));
    return query;
  }

  // What another text's outputs are like: as far from the mean as rows are, along the same axes, and near none of them.
  // Of the sum of four independent rows, over the root of four, the nearest row's squared distance is less than half of
  // most rows'.
  Query LikeNoRow(std::size_t number) const {
    constexpr std::size_t kSummed = 4;
    Query query;
    query.number = rows_.size();
    query.numbers.resize(dimension_);
    query.along.resize(coordinates_.axis_count);
    const auto add = [](std::span<const float> numbers, std::vector<float>& sums) {
      for (std::size_t i = 0; i < numbers.size(); ++i) sums[i] += numbers[i] / std::sqrt(static_cast<float>(kSummed));
    };
    for (std::size_t i = 0; i < kSummed; ++i) {
      const std::size_t row = (number + i * (rows_.size() / kSummed + 1)) % rows_.size();
      add(Numbers(row), query.numbers);
      add(Along(row), query.along);
    }
    query.lengths.from_mean = NormOf(query.numbers);
    double square = 0;
    for (std::size_t i = 0; i < dimension_; ++i) {
      square += std::pow(static_cast<double>(query.numbers[i]) + mean_[i], 2);
    }
    query.lengths.from_zero = std::sqrt(square);
    square = std::pow(query.lengths.from_mean, 2);
    query.rests.push_back(0);
    std::size_t axis = 0;
    for (std::size_t units = 1; units <= units_; ++units) {
      for (; axis < std::min(AxesOf(units), coordinates_.axis_count); ++axis) {
        square -= query.along[axis] * query.along[axis];
      }
      query.rests.push_back(static_cast<float>(std::sqrt(std::max(square, 0.0))));
    }
    return query;
  }

  void AddRow(std::size_t row, std::span<const float> sample) {
    Lengths lengths;
    for (std::size_t i = 0; i < dimension_; ++i) {
      const double number = sample[row * dimension_ + i];
      lengths.from_zero += number * number;
      lengths.from_mean += (number - mean_[i]) * (number - mean_[i]);
    }
    rows_.push_back(row);
    lengths_.push_back({std::sqrt(lengths.from_zero), std::sqrt(lengths.from_mean)});
    // What is left behind the last axes, and so before.
    double square = std::pow(coordinates_.rests[0][row], 2);
    std::size_t axis = coordinates_.axis_count;
    std::vector<float> rests(units_ + 1);
    for (std::size_t units = units_; units > 0; --units) {
      for (; axis > std::min(AxesOf(units), coordinates_.axis_count); --axis) {
        square += coordinates_.At(row, axis - 1) * coordinates_.At(row, axis - 1);
      }
      rests[units] = static_cast<float>(std::sqrt(square));
    }
    rests_.insert(rests_.end(), rests.begin(), rests.end());
  }

  // What rounding takes from a bound: of the row, the largest of all, and of the query, as it is on average. As if all
  // units but the first were one level.
  void FindErrors() {
    constexpr double kLargestAndUsual = 1.3 + 1;
    const std::vector<double> widths = Widths(coordinates_, 0, coordinates_.axis_count);
    for (std::size_t units = 0; units <= units_; ++units) {
      const std::size_t first = units > 1 ? AxesOf(1) : 0;
      const std::size_t end = std::min(AxesOf(std::max<std::size_t>(units, 1)), widths.size());
      const double squares = BestStep(QuadWidths(std::span(widths).subspan(first, end - first))).error;
      errors_.push_back(static_cast<float>(kLargestAndUsual * std::sqrt(squares * kQuad / 12)));
      std::vector<float> rests;
      for (std::size_t number = 0; number < rows_.size(); ++number) rests.push_back(Rest(number, units));
      rest_errors_.push_back(static_cast<float>(RestStepOf(rests).step));
    }
  }

  float Rest(std::size_t number, std::size_t units) const { return rests_[number * (units_ + 1) + units]; }

  // Bounds by 1, 2, ... units, and in the place of 0 the squared distance.
  void FindBounds(const Query& query, std::size_t number, float* bounds) const {
    const float* a = query.numbers.data();
    const float* b = Numbers(number).data();
    std::array<float, 8> sums{};
    for (std::size_t i = 0; i < dimension_; ++i) sums[i % 8] += (a[i] - b[i]) * (a[i] - b[i]);
    bounds[0] = 0;
    for (const float sum : sums) bounds[0] += sum;
    const float* along_a = query.along.data();
    const float* along_b = Along(number).data();
    std::array<float, 2> along{};  // of the coarse axes, and of the others
    std::size_t axis = 0;
    const auto less = [](float length, float error) { return std::max(length - error, 0.0F); };
    for (std::size_t units = 1; units <= units_; ++units) {
      float& sum = along[units == 1 ? 0 : 1];
      for (; axis < std::min(AxesOf(units), coordinates_.axis_count); ++axis) {
        sum += (along_a[axis] - along_b[axis]) * (along_a[axis] - along_b[axis]);
      }
      const float coarse = less(std::sqrt(along[0]), errors_[1]);
      const float finer = units == 1 ? 0 : less(std::sqrt(along[1]), errors_[units]);
      const float rest = less(std::abs(query.rests[units] - Rest(number, units)), rest_errors_[units]);
      bounds[units] = coarse * coarse + finer * finer + rest * rest;
    }
  }

  // Adds how many rows a query leaves, by units.
  void CountLeft(const Query& query, std::vector<double>& counts) const {
    std::vector<float> bounds(rows_.size() * (units_ + 1));
    for (std::size_t number = 0; number < rows_.size(); ++number) {
      FindBounds(query, number, bounds.data() + number * (units_ + 1));
    }
    const auto rank = static_cast<std::size_t>(kTrialNeighbors * static_cast<double>(rows_.size()) /
                                               static_cast<double>(std::max<std::uint64_t>(row_count_, 1)));
    for (const Metric metric : kMetrics) {
      const auto key = [&](std::size_t number, std::size_t units) {
        return KeyOf(metric, bounds[number * (units_ + 1) + units], lengths_[number], query.lengths);
      };
      std::vector<double> nearest;
      for (std::size_t number = 0; number < rows_.size(); ++number) {
        // Equal rows are no neighbors that a search has to tell from others.
        if (number != query.number && bounds[number * (units_ + 1)] > 0) nearest.push_back(key(number, 0));
      }
      if (nearest.empty()) continue;
      const auto place = nearest.begin() + static_cast<std::ptrdiff_t>(std::min(rank, nearest.size() - 1));
      std::ranges::nth_element(nearest, place);
      for (std::size_t number = 0; number < rows_.size(); ++number) {
        for (std::size_t units = 1; units <= units_; ++units) counts[units] += key(number, units) <= *place ? 1 : 0;
      }
    }
  }

  std::span<const float> mean_;
  std::span<const float> drawn_in_;
  const Coordinates& coordinates_;
  const std::size_t units_;
  const std::uint64_t row_count_;
  const std::size_t dimension_;
  std::vector<std::size_t> rows_;  // of the sample
  std::vector<Lengths> lengths_;   // of each
  std::vector<float> rests_;       // of each, by units
  std::vector<float> errors_;      // by units
  std::vector<float> rest_errors_;
};

// The sequence of levels with which a search costs least, of at most as many units of codes as shares are known of.
SketchLevels ChooseLevels(std::span<const double> shares, std::size_t dimension) {
  constexpr std::size_t kMostUnits = kMostCodes / kCodeUnit;
  const std::size_t most = shares.size() - 1;
  const double numbers = kScattered * static_cast<double>(dimension * sizeof(float)) + kRowOfNumbers;
  struct Way {
    double cost = std::numeric_limits<double>::infinity();
    std::size_t before = 0;  // units
  };
  // By levels, by units: the cheapest way to have looked at all of these.
  std::vector<std::vector<Way>> ways(kMostLevels + 1, std::vector<Way>(most + 1));
  ways[1][1].cost = 0;
  double least = std::numeric_limits<double>::infinity();
  std::size_t best_levels = 1;
  std::size_t best_units = 1;
  for (std::size_t levels = 1; levels <= kMostLevels; ++levels) {
    for (std::size_t units = 1; units <= most; ++units) {
      for (std::size_t before = units - std::min(units, kMostUnits); levels > 1 && before < units; ++before) {
        const double codes = static_cast<double>((units - before) * kCodeUnit);
        const double cost = ways[levels - 1][before].cost + shares[before] * (codes + kRowOfLevel) + codes / kPayOff;
        if (cost < ways[levels][units].cost) ways[levels][units] = {cost, before};
      }
      const double cost = ways[levels][units].cost + shares[units] * numbers;
      if (cost < least) {
        least = cost;
        best_levels = levels;
        best_units = units;
      }
    }
  }
  std::vector<std::size_t> codes;
  for (std::size_t levels = best_levels, units = best_units; levels > 1; --levels) {
    const std::size_t before = ways[levels][units].before;
    codes.push_back((units - before) * kCodeUnit);
    units = before;
  }
  SketchLevels chosen;
  for (auto level = codes.rbegin(); level != codes.rend(); ++level) chosen.Add(*level);
  return chosen;
}

}  // namespace

SketchLevels LevelsThatPay(std::span<const float> sample, std::span<const float> mean, std::span<const float> drawn_in,
                           const Coordinates& coordinates, std::size_t units, std::uint64_t row_count) {
  return ChooseLevels(Trial(sample, mean, drawn_in, coordinates, units, row_count).SharesLeft(), mean.size());
}

}  // namespace actkin
