#include "indexer/sketches/sketch_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "indexer/sketches/early_stops.h"
#include "indexer/sketches/row_clusters.h"
#include "indexer/sketches/sketch_plan.h"
#include "indexer/sketches/vector_lengths.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/sketch_file.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kChunkRows = 4096;
// With a row so many bytes around it are brought into memory; rows that are far apart are forgotten by so many bytes.
constexpr std::size_t kBroughtInAround = std::size_t{1} << 18;
constexpr std::size_t kForgottenBytes = std::size_t{1} << 21;
// Rows that frame, levels and steps are chosen by: more did not leave fewer rows to finish.
constexpr std::uint64_t kSampleRows = 32768;
// Rows that are asked for their own neighbors, of which searches that stop early find some.
constexpr std::uint64_t kAskingRows = 128;
// Said where a coordinate is not finite in float32: then the sketches prove nothing.
constexpr double kNothingKnown = 1e300;

constexpr double kUnit = 0x1p-24;
constexpr double kMost = kCodeLimit;
double Gamma(double terms) { return terms * kUnit / (1 - terms * kUnit); }

// How far rounding moves a row's coordinates along n_a axes together, and its rest: of a row that is drawn in, so that
// it lies at most `reach` from the center. With u = 2^-24 and gamma_n as in query/exact/scan_bounds.cc: a drawn-in row
// is computed in double precision and off by u |z| when it becomes float32; each of the n_a coordinates is off by
// gamma_D |z|, together sqrt(n_a) gamma_D |z|; what the axes leave, computed as z - sum of coordinate x axis, by that
// again, by its own sums, gamma_{n_a + 1} (1 + sqrt(n_a)) |z|, and by the axes' defect d: |z - A^T A z - t(z)| <= d
// |z|. The rest of a level before the last adds coordinates to it, whose sum of squares the defect changes by as much
// once more. Everything is widened by a quarter for products of these terms, and by 2^-100 for underflow.
double Allowance(const SketchFrame& frame, double defect) {
  const auto axes = static_cast<double>(frame.axis_count());
  const double n = std::sqrt(axes);
  const double coordinates = n * Gamma(static_cast<double>(frame.dimension()) + 2) + 2 * kUnit;
  const double rest = coordinates + Gamma(axes + 4) * (1 + n) + 2 * defect;
  return 1.25 * (coordinates + rest) * frame.reach + 0x1p-100;
}

// The Frobenius norm of axes axes^T - 1, over the axes that there are: at least the 2-norm.
double AxisDefect(const SketchFrame& frame) {
  const std::size_t dimension = frame.dimension();
  const std::size_t count = std::min(frame.axis_count(), dimension);
  double sum = 0;
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (std::size_t i = 0; i < dimension; ++i) {
        dot += static_cast<double>(frame.axes[a * dimension + i]) * frame.axes[b * dimension + i];
      }
      sum += a == b ? (dot - 1) * (dot - 1) : 2 * dot * dot;
    }
  }
  return std::sqrt(sum) + 1e-12;
}

// What codes miss: squares of distances of one row, or the largest distances of many.
struct Errors {
  double near = 0;
  double far = 0;
  double rest_near = 0;
  double rest_far = 0;

  void Include(const Errors& other) {
    near = std::max(near, other.near);
    far = std::max(far, other.far);
    rest_near = std::max(rest_near, other.rest_near);
    rest_far = std::max(rest_far, other.rest_far);
  }
};

std::int8_t CodeOf(double number, double step) {
  return std::isfinite(number) ? static_cast<std::int8_t>(std::round(std::clamp(number / step, -kMost, kMost))) : 0;
}

// near, far: get more by the square of what a code misses of the number drawn in, and of the number.
void AddMissed(double number, std::int8_t code, double step, double& near, double& far) {
  if (!std::isfinite(number)) {
    near = far = kNothingKnown;
    return;
  }
  const double limit = kMost * step;
  const double drawn_in = std::clamp(number, -limit, limit);
  near += (drawn_in - code * step) * (drawn_in - code * step);
  far += (number - code * step) * (number - code * step);
}

// The far errors of all blocks.
class FarErrors {
 public:
  FarErrors(const SketchLevels& levels, std::uint64_t row_count) : levels_(levels) {
    for (std::size_t level = 0; level < levels.count; ++level) {
      for (std::vector<double>& errors : errors_[level]) errors.resize(SketchBlocks(row_count));
    }
  }

  void Include(std::size_t level, std::uint64_t place, const Errors& of_row) {
    double& axes = errors_[level][0][place / kBlockRows];
    double& rest = errors_[level][1][place / kBlockRows];
    axes = std::max(axes, of_row.far);
    rest = std::max(rest, of_row.rest_far);
  }

  // allowance: is added to each.
  void Write(SketchFileWriter& writer, double allowance) const {
    for (std::size_t level = 0; level < levels_.count; ++level) {
      for (const CodesOf codes : {CodesOf::kAxes, CodesOf::kRest}) {
        std::vector<float> rounded;
        for (const double error : errors_[level][static_cast<std::size_t>(codes)]) {
          rounded.push_back(RoundUp(error + allowance));
        }
        writer.WriteFarErrors(level, codes, rounded);
      }
    }
  }

 private:
  static float RoundUp(double number) {
    const auto most = static_cast<double>(std::numeric_limits<float>::max());
    const auto rounded = static_cast<float>(std::min(number, most));
    return rounded < number ? std::nextafter(rounded, std::numeric_limits<float>::max()) : rounded;
  }

  SketchLevels levels_;
  std::array<std::array<std::vector<double>, 2>, kMostLevels> errors_;  // level; axes or rest; by block
};

class SketchEncoder {
 public:
  SketchEncoder(const RowSource& source, const RowAlgebra& algebra, int threads,
                const std::function<void(std::uint64_t)>& done)
      : source_(source),
        algebra_(algebra),
        threads_(threads),
        done_(done),
        dimension_(source.dimension()),
        row_count_(source.row_count()),
        moments_(FindMoments(source, threads, done)),
        plan_(PlanSketches(Sample(), moments_, row_count_, algebra)) {
    for (std::size_t level = 0; level < plan_.levels.count; ++level) {
      const LevelScales& scales = plan_.scales.levels[level];
      for (std::size_t axis = 0; axis < plan_.levels.axes(level); ++axis) {
        steps_.push_back(std::ldexp(scales.step, static_cast<int>(scales.exponents[axis / kQuad])));
      }
    }
  }

  std::uint64_t Write(const std::filesystem::path& path) {
    SketchFileWriter writer(path, dimension_, row_count_, plan_.levels);
    plan_.scales.axis_defect = AxisDefect(plan_.frame);
    std::vector<RowNumber> places(row_count_);
    std::vector<std::int8_t> coarse;
    {
      const std::vector<std::int8_t> codes = FindCoarse();
      const std::vector<RowNumber> rows = ClusterRows(codes, plan_.scales.levels[0]);
      writer.WriteOrder(rows);
      coarse = InOrder(codes, rows);
      writer.WriteCoarse(coarse);
      for (std::uint64_t place = 0; place < row_count_; ++place) places[rows[place]] = static_cast<RowNumber>(place);
    }
    WriteCodes(places, coarse, writer);
    const double allowance = Allowance(plan_.frame, plan_.scales.axis_defect);
    for (LevelScales& level : plan_.scales.levels) {
      level.near_error = std::min(level.near_error + allowance, kNothingKnown);
      level.rest_near_error = std::min(level.rest_near_error + allowance, kNothingKnown);
    }
    writer.WriteHead(plan_.scales, moments_.mean, plan_.frame.center, plan_.frame.axes);
    return writer.Finish();
  }

 private:
  void ReadRows(RowRange range, std::vector<float>& rows) const {
    rows.resize(range.size() * dimension_);
    source_.Read(range, rows);
  }

  // Every so manieth row; numbers: which these are.
  std::vector<float> EveryRow(std::uint64_t step, std::vector<RowNumber>& numbers) const {
    std::vector<float> sample;
    std::vector<float> row;
    const std::size_t together = std::max<std::size_t>(kForgottenBytes / (source_.row_bytes() + kBroughtInAround), 1);
    std::uint64_t kept = 0;  // rows before it are forgotten
    for (std::uint64_t number = step / 2; number < row_count_; number += step) {
      ReadRows({number, number + 1}, row);
      sample.insert(sample.end(), row.begin(), row.end());
      numbers.push_back(static_cast<RowNumber>(number));
      if (numbers.size() % together == 0) source_.Forget({std::exchange(kept, number), number});
    }
    source_.Forget({kept, row_count_});
    return sample;
  }

  std::vector<float> Sample() const {
    std::vector<RowNumber> numbers;
    return EveryRow((row_count_ + kSampleRows - 1) / kSampleRows, numbers);
  }

  // Calls action(rows, range) for all rows, in chunks, from several threads.
  template <typename Action>
  void ForEachChunk(const Action& action) const {
    const RowRange all{0, row_count_};
    std::mutex mutex;
    ForEachPiece(all, kChunkRows, UsefulThreads(all, kChunkRows, threads_), [&](int, RowRange range) {
      std::vector<float> rows;
      ReadRows(range, rows);
      action(rows, range);
      source_.Forget(range);
      const std::lock_guard lock(mutex);
      done_(range.size());
    });
  }

  // Of a row, its codes at a level.
  void Encode(const Coordinates& coordinates, std::size_t row, std::size_t level, std::int8_t* codes) const {
    const LevelScales& scales = plan_.scales.levels[level];
    const std::size_t first = plan_.levels.FirstAxis(level);
    const std::size_t axes = plan_.levels.axes(level);
    for (std::size_t axis = 0; axis < axes; ++axis) {
      codes[axis] = CodeOf(coordinates.At(row, first + axis), steps_[first + axis]);
    }
    codes[axes] = CodeOf(coordinates.rests[level][row] - scales.rest_center, scales.rest_step);
  }

  // The squares of what these miss.
  Errors Missed(const Coordinates& coordinates, std::size_t row, std::size_t level, const std::int8_t* codes) const {
    const LevelScales& scales = plan_.scales.levels[level];
    const std::size_t first = plan_.levels.FirstAxis(level);
    const std::size_t axes = plan_.levels.axes(level);
    Errors squares;
    for (std::size_t axis = 0; axis < axes; ++axis) {
      AddMissed(coordinates.At(row, first + axis), codes[axis], steps_[first + axis], squares.near, squares.far);
    }
    AddMissed(coordinates.rests[level][row] - scales.rest_center, codes[axes], scales.rest_step, squares.rest_near,
              squares.rest_far);
    return squares;
  }

  // rows x kCoarseCodes. WriteCodes measures what they miss.
  std::vector<std::int8_t> FindCoarse() const {
    std::vector<std::int8_t> codes(row_count_ * kCoarseCodes);
    ForEachChunk([&](std::vector<float>& rows, RowRange range) {
      const Coordinates coordinates = FindCoarseCoordinates(plan_.frame, plan_.levels, rows, algebra_);
      for (std::size_t row = 0; row < coordinates.count(); ++row) {
        Encode(coordinates, row, 0, codes.data() + (range.begin + row) * kCoarseCodes);
      }
    });
    return codes;
  }

  static std::vector<std::int8_t> InOrder(std::span<const std::int8_t> codes, std::span<const RowNumber> rows) {
    std::vector<std::int8_t> by_place(codes.size());
    for (std::size_t place = 0; place < rows.size(); ++place) {
      std::copy_n(codes.data() + std::size_t{rows[place]} * kCoarseCodes, kCoarseCodes,
                  by_place.data() + place * kCoarseCodes);
    }
    return by_place;
  }

  double Length(std::span<const float> row, LengthFrom from) const {
    if (from == LengthFrom::kZero) return std::sqrt(SumOfSquares(dimension_, [&](std::size_t i) { return row[i]; }));
    return std::sqrt(SumOfSquares(dimension_, [&](std::size_t i) { return row[i] - moments_.mean[i]; }));
  }

  double MeanLength() const {
    return std::sqrt(std::inner_product(moments_.mean.begin(), moments_.mean.end(), moments_.mean.begin(), 0.0));
  }

  // Codes of all levels but the coarse one, lengths and errors.
  void WriteCodes(std::span<const RowNumber> places, std::span<const std::int8_t> coarse, SketchFileWriter& writer) {
    std::vector<RowNumber> asking;
    const std::vector<float> asked = EveryRow((row_count_ + kAskingRows - 1) / kAskingRows, asking);
    EarlyStopTrial trial(asking, asked, moments_, algebra_);
    std::array<std::vector<float>, 2> lengths{std::vector<float>(row_count_), std::vector<float>(row_count_)};
    FarErrors far_errors(plan_.levels, row_count_);
    std::mutex mutex;
    ForEachChunk([&](std::vector<float>& rows, RowRange range) {
      std::array<std::vector<float>, 2> of_chunk;
      for (std::uint64_t row = range.begin; row < range.end; ++row) {
        const auto numbers = std::span(rows).subspan((row - range.begin) * dimension_, dimension_);
        for (const LengthFrom from : {LengthFrom::kZero, LengthFrom::kMean}) {
          const auto length = static_cast<float>(Length(numbers, from));
          of_chunk[static_cast<std::size_t>(from)].push_back(length);
          lengths[static_cast<std::size_t>(from)][places[row]] = length;
        }
      }
      trial.Offer(range, rows, of_chunk[0], of_chunk[1]);
      const Coordinates coordinates = FindCoordinates(plan_.frame, plan_.levels, rows, algebra_);
      std::vector<std::uint64_t> by_place(range.size());
      std::iota(by_place.begin(), by_place.end(), 0);
      std::ranges::sort(by_place, {}, [&](std::uint64_t row) { return places[range.begin + row]; });
      std::array<Errors, kMostLevels> errors;
      std::array<std::vector<Errors>, kMostLevels> of_rows;  // by place; those that are not longer than `reach`
      std::vector<std::int8_t> codes(range.size() * kMostCodes);
      for (std::size_t level = 0; level < plan_.levels.count; ++level) {
        for (std::size_t i = 0; i < by_place.size(); ++i) {
          const std::uint64_t place = places[range.begin + by_place[i]];
          std::int8_t* of_row = codes.data() + i * plan_.levels.codes[level];
          if (level == 0) {
            std::copy_n(coarse.data() + place * kCoarseCodes, kCoarseCodes, of_row);
          } else {
            Encode(coordinates, by_place[i], level, of_row);
          }
          Errors one = Missed(coordinates, by_place[i], level, of_row);
          const double from_mean = lengths[1][place];
          if (from_mean > plan_.scales.reach) one.far = one.rest_far = 0;
          one = {std::sqrt(one.near), std::sqrt(one.far), std::sqrt(one.rest_near), std::sqrt(one.rest_far)};
          errors[level].Include(one);
          of_rows[level].push_back(one);
        }
        if (level > 0) WriteRuns(level, range, by_place, places, codes, writer);
      }
      const std::lock_guard lock(mutex);
      for (std::size_t level = 0; level < plan_.levels.count; ++level) {
        LevelScales& scales = plan_.scales.levels[level];
        scales.near_error = std::max(scales.near_error, errors[level].near);
        scales.rest_near_error = std::max(scales.rest_near_error, errors[level].rest_near);
        for (std::size_t i = 0; i < by_place.size(); ++i) {
          far_errors.Include(level, places[range.begin + by_place[i]], of_rows[level][i]);
        }
      }
    });
    // Whether a row is longer than `reach` is asked of its length from the mean, rounded to float32: the center is the
    // mean rounded likewise.
    far_errors.Write(writer,
                     Allowance(plan_.frame, plan_.scales.axis_defect) + 4 * kUnit * (MeanLength() + plan_.frame.reach));
    for (const LengthFrom from : {LengthFrom::kZero, LengthFrom::kMean}) {
      writer.WriteLengths(from, lengths[static_cast<std::size_t>(from)]);
    }
    plan_.scales.found_early = trial.Count(places, coarse, plan_.scales.levels[0], lengths);
  }

  // Codes in order of place, in as few writes as the places allow.
  void WriteRuns(std::size_t level, RowRange range, std::span<const std::uint64_t> by_place,
                 std::span<const RowNumber> places, std::span<const std::int8_t> codes,
                 SketchFileWriter& writer) const {
    const std::size_t bytes = plan_.levels.codes[level];
    const auto place = [&](std::size_t i) { return std::uint64_t{places[range.begin + by_place[i]]}; };
    for (std::size_t first = 0, after = 0; first < by_place.size(); first = after) {
      after = first + 1;
      while (after < by_place.size() && place(after) == place(after - 1) + 1) ++after;
      writer.WriteCodes(level, place(first), codes.subspan(first * bytes, (after - first) * bytes));
    }
  }

  const RowSource& source_;
  const RowAlgebra& algebra_;
  const int threads_;
  const std::function<void(std::uint64_t)>& done_;
  const std::size_t dimension_;
  const std::uint64_t row_count_;
  const RowMoments moments_;
  SketchPlan plan_;
  std::vector<double> steps_;  // of the axes
};

}  // namespace

std::uint64_t WriteSketches(const std::filesystem::path& path, const RowSource& rows, const RowAlgebra& algebra,
                            int threads, const std::function<void(std::uint64_t)>& done) {
  return SketchEncoder(rows, algebra, threads, done).Write(path);
}

std::uint64_t SketchMemory(std::uint64_t rows, std::uint64_t dimension) {
  return 5 * std::min(rows, kSampleRows) * dimension * sizeof(float) + 64 * rows;
}

}  // namespace actkin
