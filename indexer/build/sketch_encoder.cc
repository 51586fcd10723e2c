#include "indexer/build/sketch_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <vector>

#include "storage/formats/sketch_file.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::size_t kCoarseAxes = kCoarseCoordinates - 1;
constexpr std::uint64_t kChunkRows = 4096;
static_assert(kChunkRows % kBlockRows == 0);
// Rows that the axes are fitted on: more did not leave fewer rows to finish.
constexpr std::uint64_t kSampleRows = 32768;
// Said of rows whose coordinates are not finite in float32: then the sketches prove nothing.
constexpr double kNothingKnown = 1e300;

constexpr double kUnit = 0x1p-24;
double Gamma(double terms) { return terms * kUnit / (1 - terms * kUnit); }

// How far float32 moves a row's h (storage/formats/sketch_file.h), for a row that lies `length` from the center. With u
// = 2^-24 and gamma_n as in query/exact/scan_bounds.cc: centering is off by u |z|; each of the n_a coordinates by
// gamma_D |z|, together sqrt(n_a) gamma_D |z|; what the axes leave, computed as z - sum of coordinate x axis, by that
// again, by its own sums, gamma_{n_a + 1} (1 + sqrt(n_a)) |z|, and by the axes' defect d: |z - A^T A z - t(z)| <= d
// |z|. The coarse tail adds coordinates to it, whose sum of squares the defect changes by as much once more. For cosine
// the row at unit length is itself rounded. Everything is widened by a quarter for products of these terms, and by
// 2^-100 for underflow.
double Allowance(double length, std::size_t dimension, double defect, Metric metric) {
  const double n = std::sqrt(static_cast<double>(kSketchAxes));
  const double coordinates = n * Gamma(static_cast<double>(dimension) + 2) + 2 * kUnit;
  const double rest = coordinates + Gamma(kSketchAxes + 3) * (1 + n) + 2 * defect;
  return 1.25 * (coordinates + rest) * length + (metric == Metric::kCosine ? 4 * kUnit : 0) + 0x1p-100;
}

// The largest and smallest of something, over rows.
struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double number) {
    low = std::min(low, number);
    high = std::max(high, number);
  }
  void Include(const Extent& other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
  }
  double center() const { return low + (high - low) / 2; }
  double radius() const { return (high - low) / 2; }
};

// What quantization must cover.
struct Ranges {
  std::array<double, kSketchAxes> largest{};  // of each axis' coordinates, without their signs
  Extent coarse_tail;
  Extent fine_tail;
  double longest = 0;  // |x - center|

  void Include(const Ranges& other) {
    for (std::size_t i = 0; i < kSketchAxes; ++i) largest[i] = std::max(largest[i], other.largest[i]);
    coarse_tail.Include(other.coarse_tail);
    fine_tail.Include(other.fine_tail);
    longest = std::max(longest, other.longest);
  }
};

// h of some rows, without the tails' centers.
struct Sketches {
  std::vector<float> coordinates;  // count x kSketchAxes
  std::vector<double> coarse_tails;
  std::vector<double> fine_tails;
  double longest = 0;

  std::size_t count() const { return fine_tails.size(); }
  double coordinate(std::size_t row, std::size_t axis) const { return coordinates[row * kSketchAxes + axis]; }
};

// Codes that cover these ranges: among the steps that do, times a power of two for each pair, the one with the smallest
// error.
template <std::size_t kCoordinates>
void ChooseSteps(const Ranges& ranges, const Extent& tail, LevelScales<kCoordinates>& scales) {
  using Scales = LevelScales<kCoordinates>;
  std::array<double, kCoordinates> widths{};
  std::copy_n(ranges.largest.begin(), kCoordinates - 1, widths.begin());
  scales.tail_center = tail.center();
  widths.back() = tail.radius();
  std::iota(scales.order.begin(), scales.order.end(), 0U);
  std::ranges::stable_sort(scales.order, [&](std::uint32_t a, std::uint32_t b) { return widths[a] > widths[b]; });
  const auto pair_width = [&](std::size_t pair) { return widths[scales.order[2 * pair]]; };
  const double smallest = std::max(
      {pair_width(0) / kCodeLimit / (1 << kMaximumExponent), pair_width(Scales::kPairs - 1) / kCodeLimit, 1e-35});
  constexpr int kTries = 48;  // sixteen to a power of two
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    // A hair wider, so that the largest number rounds to the last code.
    const double step = smallest * std::exp2(static_cast<double>(i) / 16) * (1 + 1e-9);
    std::array<std::uint32_t, Scales::kPairs> exponents{};
    double error = 0;
    for (std::size_t pair = 0; pair < Scales::kPairs; ++pair) {
      while (pair_width(pair) > kCodeLimit * std::ldexp(step, static_cast<int>(exponents[pair])) &&
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

// What codes of unknown rows say: nothing.
template <std::size_t kCoordinates>
void ChooseNothing(LevelScales<kCoordinates>& scales) {
  scales.step = 1;
  std::iota(scales.order.begin(), scales.order.end(), 0U);
}

// The nearest code; adds the square of what it misses.
std::int8_t Code(double number, double step, double& error) {
  if (!std::isfinite(number)) {
    error = kNothingKnown;
    return 0;
  }
  const double code = std::clamp<double>(std::round(number / step), -kCodeLimit, kCodeLimit);
  error += (number - code * step) * (number - code * step);
  return static_cast<std::int8_t>(code);
}

class ViewEncoder {
 public:
  ViewEncoder(std::span<const VectorFile> files, Metric metric, const RowAlgebra& algebra, int threads)
      : files_(files),
        metric_(metric),
        algebra_(algebra),
        threads_(threads),
        dimension_(files.front().dimension()),
        row_count_(files.back().rows().end) {}

  void Write(SketchFileWriter& writer, const std::function<void(std::uint64_t)>& done) {
    FitAxes();
    const Ranges ranges = FindRanges(done);
    scales_.axis_defect = AxisDefect();
    if (std::isfinite(ranges.longest) && ranges.longest < 1e17) {
      ChooseSteps(ranges, ranges.coarse_tail, scales_.coarse);
      ChooseSteps(ranges, ranges.fine_tail, scales_.fine);
    } else {
      ChooseNothing(scales_.coarse);
      ChooseNothing(scales_.fine);
    }
    WriteCodes(writer, done);
    const double allowance = Allowance(ranges.longest, dimension_, scales_.axis_defect, metric_);
    scales_.coarse.error = std::min(scales_.coarse.error + allowance, kNothingKnown);
    scales_.fine.error = std::min(scales_.fine.error + allowance, kNothingKnown);
    writer.WriteView(metric_, scales_, axes_.center, axes_.axes);
  }

 private:
  // Rows of the view, not centered. beyond: 1 for a row of zeros under cosine, else 0.
  void ReadView(RowRange range, std::vector<float>& rows, std::vector<double>& beyond) const {
    rows.resize(range.size() * dimension_);
    beyond.assign(range.size(), 0);
    for (const VectorFile& file : files_) {
      const RowRange common{std::max(range.begin, file.rows().begin), std::min(range.end, file.rows().end)};
      if (common.begin >= common.end) continue;
      file.ReadRows(common,
                    std::span(rows).subspan((common.begin - range.begin) * dimension_, common.size() * dimension_));
    }
    if (metric_ == Metric::kL2) return;
    for (std::size_t row = 0; row < range.size(); ++row) {
      const std::span<float> numbers = std::span(rows).subspan(row * dimension_, dimension_);
      const double norm = Norm(numbers);
      if (norm == 0) beyond[row] = 1;
      for (float& number : numbers) number = norm == 0 ? 0 : static_cast<float>(number / norm);
    }
  }

  static double Norm(std::span<const float> numbers) {
    double sum = 0;
    for (const float number : numbers) sum += static_cast<double>(number) * number;
    return std::sqrt(sum);
  }

  void FitAxes() {
    const std::uint64_t step = (row_count_ + kSampleRows - 1) / kSampleRows;
    std::vector<float> sample;
    std::vector<float> row;
    std::vector<double> beyond;
    for (std::uint64_t number = 0; number < row_count_; number += step) {
      ReadView({number, number + 1}, row, beyond);
      sample.insert(sample.end(), row.begin(), row.end());
    }
    axes_ = algebra_.FindPrincipalAxes(sample, dimension_, kSketchAxes);
    axes_.axes.resize(kSketchAxes * dimension_, 0.0F);
  }

  // The Frobenius norm of axes axes^T - 1, over the axes that there are: at least the 2-norm.
  double AxisDefect() const {
    const std::size_t count = std::min<std::size_t>(kSketchAxes, dimension_);
    double sum = 0;
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < count; ++b) {
        double dot = 0;
        for (std::size_t i = 0; i < dimension_; ++i) {
          dot += static_cast<double>(axes_.axes[a * dimension_ + i]) * axes_.axes[b * dimension_ + i];
        }
        sum += (dot - (a == b)) * (dot - (a == b));
      }
    }
    return std::sqrt(sum) + 1e-12;
  }

  Sketches SketchesOf(RowRange range) const {
    Sketches sketches;
    std::vector<float> rows;
    std::vector<double> beyond;
    ReadView(range, rows, beyond);
    for (std::size_t row = 0; row < range.size(); ++row) {
      const std::span<float> numbers = std::span(rows).subspan(row * dimension_, dimension_);
      for (std::size_t i = 0; i < dimension_; ++i) numbers[i] -= axes_.center[i];
      sketches.longest = std::max(sketches.longest, Norm(numbers));
    }
    sketches.coordinates.resize(range.size() * kSketchAxes);
    algebra_.Project(rows, axes_.axes, dimension_, sketches.coordinates);
    algebra_.Subtract(sketches.coordinates, axes_.axes, dimension_, rows);
    for (std::size_t row = 0; row < range.size(); ++row) {
      double square = std::pow(Norm(std::span(rows).subspan(row * dimension_, dimension_)), 2) + beyond[row];
      sketches.fine_tails.push_back(std::sqrt(square));
      for (std::size_t axis = kCoarseAxes; axis < kSketchAxes; ++axis) {
        square += sketches.coordinate(row, axis) * sketches.coordinate(row, axis);
      }
      sketches.coarse_tails.push_back(std::sqrt(square));
    }
    return sketches;
  }

  // Calls action(sketches, range) for all rows, in chunks, from several threads.
  template <typename Action>
  void ForEachChunk(const std::function<void(std::uint64_t)>& done, const Action& action) const {
    const RowRange all{0, row_count_};
    std::mutex mutex;
    ForEachPiece(all, kChunkRows, UsefulThreads(all, kChunkRows, threads_), [&](int, RowRange range) {
      action(SketchesOf(range), range);
      const std::lock_guard lock(mutex);
      done(range.size());
    });
  }

  Ranges FindRanges(const std::function<void(std::uint64_t)>& done) const {
    Ranges ranges;
    std::mutex mutex;
    ForEachChunk(done, [&](const Sketches& sketches, RowRange) {
      Ranges some;
      some.longest = sketches.longest;
      for (std::size_t row = 0; row < sketches.count(); ++row) {
        for (std::size_t axis = 0; axis < kSketchAxes; ++axis) {
          some.largest[axis] = std::max(some.largest[axis], std::abs(sketches.coordinate(row, axis)));
        }
        some.coarse_tail.Include(sketches.coarse_tails[row]);
        some.fine_tail.Include(sketches.fine_tails[row]);
      }
      const std::lock_guard lock(mutex);
      ranges.Include(some);
    });
    return ranges;
  }

  void WriteCodes(SketchFileWriter& writer, const std::function<void(std::uint64_t)>& done) {
    std::mutex mutex;
    ForEachChunk(done, [&](const Sketches& sketches, RowRange range) {
      std::vector<std::int8_t> coarse(SketchBlocks(range.size()) * kBlockBytes);
      std::vector<std::int8_t> fine(range.size() * kFineCoordinates);
      double coarse_error = 0;
      double fine_error = 0;
      for (std::size_t row = 0; row < sketches.count(); ++row) {
        const auto coarse_place = [&](std::size_t code) -> std::int8_t& { return coarse[CoarsePlace(row, code)]; };
        const auto fine_place = [&](std::size_t code) -> std::int8_t& { return fine[row * kFineCoordinates + code]; };
        coarse_error =
            std::max(coarse_error, Encode(sketches, row, sketches.coarse_tails[row], scales_.coarse, coarse_place));
        fine_error = std::max(fine_error, Encode(sketches, row, sketches.fine_tails[row], scales_.fine, fine_place));
      }
      for (std::size_t row = sketches.count(); row % kBlockRows != 0; ++row) {
        for (std::size_t code = 0; code < kCoarseCoordinates; ++code) {
          coarse[CoarsePlace(row, code)] = coarse[CoarsePlace(sketches.count() - 1, code)];
        }
      }
      writer.WriteCoarse(metric_, range.begin / kBlockRows, coarse);
      writer.WriteFine(metric_, range.begin, fine);
      const std::lock_guard lock(mutex);
      scales_.coarse.error = std::max(scales_.coarse.error, coarse_error);
      scales_.fine.error = std::max(scales_.fine.error, fine_error);
    });
  }

  static std::size_t CoarsePlace(std::size_t row, std::size_t code) {
    return row / kBlockRows * kBlockBytes + (code / 2 * kBlockRows + row % kBlockRows) * 2 + code % 2;
  }

  // Returns the distance between h and what the codes say.
  template <std::size_t kCoordinates, typename Place>
  static double Encode(const Sketches& sketches, std::size_t row, double tail, const LevelScales<kCoordinates>& scales,
                       const Place& place) {
    double square = 0;
    for (std::size_t i = 0; i < kCoordinates; ++i) {
      const std::size_t coordinate = scales.order[i];
      const double number =
          coordinate + 1 < kCoordinates ? sketches.coordinate(row, coordinate) : tail - scales.tail_center;
      place(i) = Code(number, std::ldexp(scales.step, static_cast<int>(scales.exponents[i / 2])), square);
    }
    return std::sqrt(square);
  }

  std::span<const VectorFile> files_;
  const Metric metric_;
  const RowAlgebra& algebra_;
  const int threads_;
  const std::size_t dimension_;
  const std::uint64_t row_count_;
  PrincipalAxes axes_;
  SketchScales scales_;
};

}  // namespace

std::uint64_t WriteSketches(const std::filesystem::path& path, std::span<const VectorFile> files,
                            const RowAlgebra& algebra, int threads, const std::function<void(std::uint64_t)>& done) {
  SketchFileWriter writer(path, files.front().dimension(), files.back().rows().end);
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    ViewEncoder(files, metric, algebra, threads).Write(writer, done);
  }
  return writer.Finish();
}

}  // namespace actkin
