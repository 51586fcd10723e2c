#include "query/exact/vector_scan.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

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
                       Metric metric, SearchCost* cost)
    : files_(files),
      dimension_(dimension),
      query_count_(queries.size() / dimension),
      metric_(metric),
      cost_(cost),
      bounds_(metric == Metric::kL2 ? ScanBounds::SquaredL2(dimension) : ScanBounds::Cosine(dimension)),
      exact_(queries.begin(), queries.end()),
      scanned_(queries.begin(), queries.end()) {
  for (std::size_t query = 0; query < query_count_; ++query) {
    squared_norms_.push_back(SquaredNorm(Exact(query)));
    if (metric == Metric::kL2 || squared_norms_.back() == 0) continue;
    const double scale = 1 / std::sqrt(squared_norms_.back());
    std::ranges::transform(Exact(query), scanned_.begin() + static_cast<std::ptrdiff_t>(query * dimension_),
                           [scale](double number) { return Narrow(number * scale); });
  }
}

std::uint64_t VectorScan::piece() const {
  return std::max<std::uint64_t>(kPieceBytes / (dimension_ * sizeof(float)), 16);
}

void VectorScan::Scan(RowRange rows, std::span<float> raw) const { ScanQueries(rows, 0, query_count_, raw); }

void VectorScan::ScanOne(std::size_t query, RowRange rows, std::span<float> raw) const {
  ScanQueries(rows, query, 1, raw);
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
    sums = SumExactly(metric_, numbers, Exact(query));
  } else {
    sums = SumExactly(metric_, file.Row(row), Exact(query));
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
  DotProducts(numbers, row_count, dimension_, queries, count, raw.data());
  std::vector<float> scales(row_count);
  SquaredNorms(numbers, row_count, dimension_, scales.data());
  std::ranges::transform(scales, scales.begin(), ScanBounds::CosineScale);
  for (std::size_t query = 0; query < count; ++query) {
    float* similarities = raw.data() + query * row_count;
    for (std::size_t row = 0; row < row_count; ++row) similarities[row] *= scales[row];
  }
}

}  // namespace actkin
