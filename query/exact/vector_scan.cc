#include "query/exact/vector_scan.h"

#include <hwy/cache_control.h>

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

}  // namespace

const VectorFile& FileOfRow(const std::vector<VectorFile>& files, RowNumber row) {
  const auto after = std::ranges::upper_bound(files, row, {}, [](const VectorFile& file) { return file.rows().begin; });
  return *(after - 1);
}

VectorScan::VectorScan(const std::vector<VectorFile>& files, std::uint64_t dimension, std::span<const float> queries,
                       Metric metric, const RowMoments* moments, SearchCost* cost)
    : files_(files),
      dimension_(dimension),
      query_count_(queries.size() / dimension),
      metric_(metric),
      cost_(cost),
      exact_(queries.begin(), queries.end()),
      scanned_(queries.begin(), queries.end()) {
  if (metric == Metric::kDot) longest_ = moments->longest;
  if (metric == Metric::kCenteredCosine) {
    mean_ = moments->mean;
    mean_norm_ = std::sqrt(SquaredNorm(mean_));
    for (const double number : mean_) scanned_mean_.push_back(Narrow(number));
    for (std::size_t i = 0; i < exact_.size(); ++i) exact_[i] -= mean_[i % dimension];
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

float VectorScan::ScanRow(std::size_t query, RowNumber row) const {
  if (cost_ != nullptr) cost_->rows_read.fetch_add(1, std::memory_order_relaxed);
  float raw = 0;
  ScanFile(FileOfRow(files_, row), {row, std::uint64_t{row} + 1}, query, 1, std::span(&raw, 1));
  return raw;
}

void VectorScan::Prefetch(RowNumber row) const {
  constexpr std::uint64_t kCacheLine = 64;
  const VectorFile& file = FileOfRow(files_, row);
  const bool wide = file.element() == Element::kFloat32;
  const std::uint64_t bytes = dimension_ * (wide ? sizeof(float) : sizeof(std::uint16_t));
  const auto* numbers = wide ? reinterpret_cast<const std::byte*>(file.Float32().data())
                             : reinterpret_cast<const std::byte*>(file.Float16().data());
  numbers += (row - file.rows().begin) * bytes;
  for (std::uint64_t byte = 0; byte < bytes; byte += kCacheLine) hwy::Prefetch(numbers + byte);
}

void VectorScan::ScanQueries(RowRange rows, std::size_t first, std::size_t count, std::span<float> raw) const {
  if (cost_ != nullptr) cost_->rows_read.fetch_add(rows.size(), std::memory_order_relaxed);
  std::vector<float> part;
  for (const VectorFile& file : files_) {
    const RowRange common{std::max(rows.begin, file.rows().begin), std::min(rows.end, file.rows().end)};
    if (common.begin >= common.end) continue;
    if (common == rows) return ScanFile(file, rows, first, count, raw);
    part.resize(count * common.size());
    ScanFile(file, common, first, count, part);
    for (std::size_t query = 0; query < count; ++query) {
      std::copy_n(part.begin() + static_cast<std::ptrdiff_t>(query * common.size()), common.size(),
                  raw.begin() + static_cast<std::ptrdiff_t>(query * rows.size() + common.begin - rows.begin));
    }
  }
}

double VectorScan::Distance(std::size_t query, RowNumber row) const {
  const VectorFile& file = FileOfRow(files_, row);
  ExactSums sums;
  if (file.element() == Element::kFloat32) {
    const std::span<const float> numbers = file.Float32().subspan((row - file.rows().begin) * dimension_, dimension_);
    sums = SumExactly(metric_, numbers, Exact(query), mean_);
  } else {
    sums = SumExactly(metric_, file.Row(row), Exact(query), mean_);
  }
  const double distance = ExactDistance(metric_, sums, squared_norms_[query]);
  if (!std::isfinite(distance)) {
    FailDamaged("{}: damaged: row {} is not finite; 'actkin verify' says more", file.path().string(), row);
  }
  return distance;
}

void VectorScan::ScanFile(const VectorFile& file, RowRange rows, std::size_t first, std::size_t count,
                          std::span<float> raw) const {
  const std::uint64_t offset = (rows.begin - file.rows().begin) * dimension_;
  if (file.element() == Element::kFloat32) {
    ScanNumbers(file.Float32().data() + offset, rows.size(), first, count, raw);
  } else if (metric_ == Metric::kCenteredCosine) {
    std::vector<float> wide(rows.size() * dimension_);
    file.ReadRows(rows, wide);
    ScanNumbers(wide.data(), rows.size(), first, count, raw);
  } else {
    ScanNumbers(file.Float16().data() + offset, rows.size(), first, count, raw);
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
