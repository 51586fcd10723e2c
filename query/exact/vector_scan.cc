#include "query/exact/vector_scan.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "query/exact/exact_distance.h"
#include "query/kernels/row_kernels.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Bytes of a piece of rows: it stays in the second-level cache while the queries pass over it.
constexpr std::uint64_t kPieceBytes = 1U << 18;

float Narrow(double number) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(number, -kLargest, kLargest));
}

// Rows that ascend are read with those between them where few are: the processor reads on by itself.
constexpr std::uint64_t kGap = 2;
constexpr std::size_t kShortestRun = 8;

// The end of the run that begins at `first`; first + 1 where that is too short to be one.
std::size_t EndOfRun(std::span<const RowNumber> rows, std::size_t first) {
  std::size_t end = first + 1;
  while (end < rows.size() && rows[end] > rows[end - 1] && rows[end] - rows[end - 1] <= kGap + 1) ++end;
  return end - first >= kShortestRun ? end : first + 1;
}

}  // namespace

VectorScan::VectorScan(const RowSource& source, std::span<const float> queries, Metric metric,
                       const RowMoments* moments, SearchCost* cost)
    : source_(source),
      dimension_(source.dimension()),
      query_count_(queries.size() / source.dimension()),
      metric_(metric),
      cost_(cost),
      exact_(queries.begin(), queries.end()),
      scanned_(queries.begin(), queries.end()) {
  if (metric == Metric::kDot) longest_ = moments->longest;
  if (metric == Metric::kCenteredCosine) {
    mean_ = moments->mean;
    mean_norm_ = std::sqrt(SquaredNorm(mean_));
    for (const double number : mean_) scanned_mean_.push_back(Narrow(number));
    for (std::size_t i = 0; i < exact_.size(); ++i) exact_[i] -= mean_[i % dimension_];
  }
  for (std::size_t query = 0; query < query_count_; ++query) {
    squared_norms_.push_back(SquaredNorm(Exact(query)));
    const double norm = std::sqrt(squared_norms_.back());
    bounds_.push_back(BoundsOf(norm));
    if (metric == Metric::kL2) continue;
    const double scale = norm > 0 ? 1 / norm : 0;
    std::ranges::transform(Exact(query), scanned_.begin() + static_cast<std::ptrdiff_t>(query * dimension_),
                           [scale](double number) { return Narrow(number * scale); });
  }
}

ScanBounds VectorScan::BoundsOf(double query_norm) const {
  switch (metric_) {
    case Metric::kL2:
      return ScanBounds::SquaredL2(dimension_);
    case Metric::kCosine:
      return ScanBounds::Cosine(dimension_);
    case Metric::kDot:
      return ScanBounds::Dot(dimension_, query_norm, longest_);
    case Metric::kCenteredCosine:
      return ScanBounds::CenteredCosine(dimension_);
  }
  Fail("a metric of {}", static_cast<int>(metric_));
}

std::uint64_t VectorScan::piece() const {
  return std::max<std::uint64_t>(kPieceBytes / (dimension_ * sizeof(float)), 16);
}

void VectorScan::Scan(RowRange rows, std::span<float> raw) const { ScanQueries(rows, 0, query_count_, raw); }

void VectorScan::ScanOne(std::size_t query, RowRange rows, std::span<float> raw) const {
  ScanQueries(rows, query, 1, raw);
}

// Whether the kernels read rows where they lie, as they are stored.
bool VectorScan::TakesStored() const {
  if (source_.computed()) return false;
  return source_.element() == Element::kFloat32 ||
         (source_.element() == Element::kFloat16 && metric_ != Metric::kCenteredCosine);
}

void VectorScan::ScanScattered(std::size_t query, std::span<const RowNumber> rows, std::span<float> raw) const {
  constexpr std::size_t kAhead = 3;
  if (cost_ != nullptr) cost_->rows_read.fetch_add(rows.size(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < std::min(kAhead, rows.size()); ++i) source_.Prefetch(rows[i]);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) source_.Prefetch(rows[i + kAhead]);
    ScanStored(source_.Stored(rows[i]), 1, query, 1, raw.subspan(i, 1));
  }
}

void VectorScan::ScanRows(std::size_t query, std::span<const RowNumber> rows, std::span<float> raw) const {
  if (TakesStored()) {
    std::vector<float> of_run;
    std::size_t alone = 0;  // from here on rows stand alone
    for (std::size_t i = 0; i < rows.size();) {
      const std::size_t end = EndOfRun(rows, i);
      if (end == i + 1) {
        ++i;
        continue;
      }
      ScanScattered(query, rows.subspan(alone, i - alone), raw.subspan(alone, i - alone));
      const RowRange run{rows[i], rows[end - 1] + std::uint64_t{1}};
      of_run.resize(run.size());
      ScanOne(query, run, of_run);
      for (; i < end; ++i) raw[i] = of_run[rows[i] - run.begin];
      alone = end;
    }
    return ScanScattered(query, rows.subspan(alone), raw.subspan(alone));
  }
  if (cost_ != nullptr) cost_->rows_read.fetch_add(rows.size(), std::memory_order_relaxed);
  std::vector<float> numbers;
  for (std::size_t first = 0; first < rows.size(); first += piece()) {
    const std::span<const RowNumber> part = rows.subspan(first, std::min<std::size_t>(piece(), rows.size() - first));
    numbers.resize(part.size() * dimension_);
    source_.Read(part, numbers);
    ScanNumbers(numbers.data(), part.size(), query, 1, raw.subspan(first, part.size()));
  }
}

void VectorScan::ScanQueries(RowRange rows, std::size_t first, std::size_t count, std::span<float> raw) const {
  if (cost_ != nullptr) cost_->rows_read.fetch_add(rows.size(), std::memory_order_relaxed);
  if (!TakesStored()) {
    std::vector<float> numbers(rows.size() * dimension_);
    source_.Read(rows, numbers);
    return ScanNumbers(numbers.data(), rows.size(), first, count, raw);
  }
  std::vector<float> values;
  for (const RowSource::Part& part : source_.parts()) {
    const RowRange common{std::max(rows.begin, part.rows.begin), std::min(rows.end, part.rows.end)};
    if (common.begin >= common.end) continue;
    const std::byte* stored = part.stored + (common.begin - part.rows.begin) * source_.row_bytes();
    if (common == rows) return ScanStored(stored, rows.size(), first, count, raw);
    values.resize(count * common.size());
    ScanStored(stored, common.size(), first, count, values);
    for (std::size_t query = 0; query < count; ++query) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(query * common.size()), common.size(),
                  raw.begin() + static_cast<std::ptrdiff_t>(query * rows.size() + common.begin - rows.begin));
    }
  }
}

double VectorScan::Distance(std::size_t query, RowNumber row) const {
  ExactSums sums;
  if (!source_.computed() && source_.element() == Element::kFloat32) {
    const std::span<const float> numbers(reinterpret_cast<const float*>(source_.Stored(row)), dimension_);
    sums = SumExactly(metric_, numbers, Exact(query), mean_);
  } else {
    std::vector<float> numbers(dimension_);
    source_.Read(row, numbers);
    sums = SumExactly(metric_, numbers, Exact(query), mean_);
  }
  const double distance = ExactDistance(metric_, sums, squared_norms_[query]);
  if (!std::isfinite(distance)) {
    FailDamaged("{}: damaged: row {} is not finite; 'actkin verify' says more", source_.Path(row).string(), row);
  }
  return distance;
}

void VectorScan::ScanStored(const std::byte* stored, std::size_t row_count, std::size_t first, std::size_t count,
                            std::span<float> raw) const {
  if (source_.element() == Element::kFloat32) {
    ScanNumbers(reinterpret_cast<const float*>(stored), row_count, first, count, raw);
  } else {
    ScanNumbers(reinterpret_cast<const std::uint16_t*>(stored), row_count, first, count, raw);
  }
}

template <typename Number>
void VectorScan::ScanNumbers(const Number* numbers, std::size_t row_count, std::size_t first, std::size_t count,
                             std::span<float> raw) const {
  const float* queries = scanned_.data() + first * dimension_;
  if (metric_ == Metric::kL2) {
    SquaredDistances(numbers, row_count, dimension_, queries, count, raw.data());
    return;
  }
  if constexpr (std::is_same_v<Number, float>) {
    if (metric_ == Metric::kCenteredCosine) return ScanCentered(numbers, row_count, first, count, raw);
  }
  DotProducts(numbers, row_count, dimension_, queries, count, raw.data());
  if (metric_ == Metric::kDot) {
    // Sums of larger numbers might leave float32's range.
    if (longest_ > 0x1p100) std::ranges::fill(raw.first(count * row_count), std::numeric_limits<float>::quiet_NaN());
    return;
  }
  std::vector<float> scales(row_count);
  SquaredNorms(numbers, row_count, dimension_, scales.data());
  std::ranges::transform(scales, scales.begin(), ScanBounds::CosineScale);
  for (std::size_t query = 0; query < count; ++query) {
    float* similarities = raw.data() + query * row_count;
    for (std::size_t row = 0; row < row_count; ++row) similarities[row] *= scales[row];
  }
}

void VectorScan::ScanCentered(const float* rows, std::size_t row_count, std::size_t first, std::size_t count,
                              std::span<float> raw) const {
  std::vector<float> centered(row_count * dimension_);
  for (std::size_t row = 0; row < row_count; ++row) {
    for (std::size_t i = 0; i < dimension_; ++i) {
      centered[row * dimension_ + i] = rows[row * dimension_ + i] - scanned_mean_[i];
    }
  }
  DotProducts(centered.data(), row_count, dimension_, scanned_.data() + first * dimension_, count, raw.data());
  std::vector<float> scales(row_count);
  SquaredNorms(centered.data(), row_count, dimension_, scales.data());
  for (float& scale : scales) scale = ScanBounds::CenteredScale(scale, mean_norm_);
  for (std::size_t query = 0; query < count; ++query) {
    float* similarities = raw.data() + query * row_count;
    for (std::size_t row = 0; row < row_count; ++row) similarities[row] *= scales[row];
  }
}

}  // namespace actkin
