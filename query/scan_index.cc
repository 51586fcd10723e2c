#include "query/scan_index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "query/exact_distance.h"
#include "query/exact_search.h"
#include "query/kernels/row_kernels.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Queries that pass over the rows together: enough to make the pass cheap beside the arithmetic.
constexpr std::size_t kGroup = 64;
// Bytes of a piece of rows: it stays in the second-level cache while the queries pass over it.
constexpr std::uint64_t kPieceBytes = 1U << 18;

// Queries as one file's rows are to be compared with them.
struct FileQueries {
  std::vector<double> exact;          // count x dimension
  std::vector<double> squared_norms;  // count
  std::vector<float> scanned;         // count x dimension; for cosine of unit length
};

float Narrow(double number) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(number, -kLargest, kLargest));
}

// rotation * query
void Rotate(std::span<const float> rotation, std::span<const float> query, std::span<double> rotated) {
  for (std::size_t i = 0; i < query.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < query.size(); ++j)
      sum += static_cast<double>(rotation[i * query.size() + j]) * query[j];
    rotated[i] = sum;
  }
}

FileQueries Prepare(const VectorFile& file, std::span<const float> queries, Metric metric) {
  const std::size_t dimension = file.dimension();
  FileQueries prepared;
  prepared.exact.assign(queries.begin(), queries.end());
  prepared.scanned.resize(queries.size());
  for (std::size_t begin = 0; begin < queries.size(); begin += dimension) {
    const std::span<double> exact = std::span(prepared.exact).subspan(begin, dimension);
    if (!file.rotation().empty()) Rotate(file.rotation(), queries.subspan(begin, dimension), exact);
    const double squared_norm = SquaredNorm(exact);
    prepared.squared_norms.push_back(squared_norm);
    const double scale = metric == Metric::kCosine && squared_norm > 0 ? 1 / std::sqrt(squared_norm) : 1;
    std::ranges::transform(exact, prepared.scanned.begin() + static_cast<std::ptrdiff_t>(begin),
                           [scale](double number) { return Narrow(number * scale); });
  }
  return prepared;
}

// The farthest that a query scanned with lies from the exact one.
double QueryError(const FileQueries& queries, std::size_t dimension) {
  double largest = 0;
  std::vector<double> error(dimension);
  for (std::size_t begin = 0; begin < queries.exact.size(); begin += dimension) {
    for (std::size_t i = 0; i < dimension; ++i) error[i] = queries.exact[begin + i] - queries.scanned[begin + i];
    largest = std::max(largest, std::sqrt(SquaredNorm(error)));
  }
  return largest;
}

class VectorScan : public RowScan {
 public:
  VectorScan(const std::vector<VectorFile>& files, std::uint64_t dimension, std::span<const float> queries,
             Metric metric)
      : files_(files),
        dimension_(dimension),
        query_count_(queries.size() / dimension),
        metric_(metric),
        bounds_(ScanBounds::Cosine(dimension)) {
    double query_error = 0;
    for (const VectorFile& file : files_) {
      // Files of one site usually share one rotation, or have none.
      const bool same =
          !queries_.empty() && std::ranges::equal(file.rotation(), files_[queries_.size() - 1].rotation());
      queries_.push_back(same ? queries_.back() : std::make_shared<FileQueries>(Prepare(file, queries, metric)));
      query_error = std::max(query_error, QueryError(*queries_.back(), dimension));
    }
    if (metric == Metric::kL2) bounds_ = ScanBounds::SquaredL2(dimension, query_error);
  }

  std::size_t query_count() const override { return query_count_; }
  const ScanBounds& bounds() const override { return bounds_; }
  std::uint64_t piece() const override {
    return std::max<std::uint64_t>(kPieceBytes / (dimension_ * sizeof(float)), 16);
  }

  void Scan(RowRange rows, std::span<float> raw) const override {
    std::vector<float> part;
    for (std::size_t number = 0; number < files_.size(); ++number) {
      const VectorFile& file = files_[number];
      const RowRange common{std::max(rows.begin, file.rows().begin), std::min(rows.end, file.rows().end)};
      if (common.begin >= common.end) continue;
      if (common == rows) return ScanFile(number, rows, raw);
      part.resize(query_count_ * common.size());
      ScanFile(number, common, part);
      for (std::size_t query = 0; query < query_count_; ++query) {
        std::copy_n(part.begin() + static_cast<std::ptrdiff_t>(query * common.size()), common.size(),
                    raw.begin() + static_cast<std::ptrdiff_t>(query * rows.size() + common.begin - rows.begin));
      }
    }
  }

  double Distance(std::size_t query, RowNumber row) const override {
    const auto after =
        std::ranges::upper_bound(files_, row, {}, [](const VectorFile& file) { return file.rows().begin; });
    const std::size_t number = static_cast<std::size_t>(after - files_.begin()) - 1;
    const VectorFile& file = files_[number];
    const std::span<const double> exact = std::span(queries_[number]->exact).subspan(query * dimension_, dimension_);
    ExactSums sums;
    if (file.element() == Element::kFloat32) {
      sums = SumExactly(metric_, file.Float32().subspan((row - file.rows().begin) * dimension_, dimension_), exact);
    } else {
      sums = SumExactly(metric_, file.Row(row), exact);
    }
    const double distance = ExactDistance(metric_, sums, queries_[number]->squared_norms[query]);
    if (!std::isfinite(distance)) {
      Fail("{}: damaged: row {} or the rotation is not finite; 'actkin verify' says more", file.path().string(), row);
    }
    return distance;
  }

 private:
  void ScanFile(std::size_t number, RowRange rows, std::span<float> raw) const {
    const VectorFile& file = files_[number];
    const std::uint64_t offset = (rows.begin - file.rows().begin) * dimension_;
    if (file.element() == Element::kFloat32) {
      ScanNumbers(file.Float32().data() + offset, rows.size(), *queries_[number], raw);
    } else {
      ScanNumbers(file.Float16().data() + offset, rows.size(), *queries_[number], raw);
    }
  }

  template <typename Number>
  void ScanNumbers(const Number* numbers, std::size_t count, const FileQueries& queries, std::span<float> raw) const {
    if (metric_ == Metric::kL2) {
      SquaredDistances(numbers, count, dimension_, queries.scanned.data(), query_count_, raw.data());
      return;
    }
    DotProducts(numbers, count, dimension_, queries.scanned.data(), query_count_, raw.data());
    std::vector<float> scales(count);
    SquaredNorms(numbers, count, dimension_, scales.data());
    std::ranges::transform(scales, scales.begin(), ScanBounds::CosineScale);
    for (std::size_t query = 0; query < query_count_; ++query) {
      float* similarities = raw.data() + query * count;
      for (std::size_t row = 0; row < count; ++row) similarities[row] *= scales[row];
    }
  }

  const std::vector<VectorFile>& files_;
  std::uint64_t dimension_;
  std::size_t query_count_;
  Metric metric_;
  ScanBounds bounds_;
  std::vector<std::shared_ptr<const FileQueries>> queries_;  // one a file
};

}  // namespace

ScanIndex::ScanIndex(std::vector<VectorFile> files, std::shared_ptr<const RowOrderFile> order)
    : files_(std::move(files)), order_(std::move(order)) {
  if (files_.empty()) Fail("a site without vector files cannot be searched");
  dimension_ = files_.front().dimension();
  std::ranges::sort(files_, {}, [](const VectorFile& file) { return std::pair(file.rows().begin, file.rows().end); });
  for (const VectorFile& file : files_) {
    if (file.dimension() != dimension_) {
      Fail("{}: has dimension {}, another file of its site {}", file.path().string(), file.dimension(), dimension_);
    }
    if (file.rows().begin != row_count_) {
      Fail("{}: begins with row {}, expected row {}: the files of its site have a gap or overlap", file.path().string(),
           file.rows().begin, row_count_);
    }
    row_count_ = file.rows().end;
  }
  if (order_->row_count() != row_count_) {
    Fail("{}: ends with row {}, but the row order has {} rows", files_.back().path().string(), row_count_,
         order_->row_count());
  }
  std::erase_if(files_, [](const VectorFile& file) { return file.rows().size() == 0; });
}

std::vector<std::vector<Match>> ScanIndex::Search(std::span<const float> queries, const SearchRequest& request) const {
  const RowRange rows = CheckRequest(queries, dimension_, row_count_, request);
  return SearchExactly(rows, queries.size() / dimension_, kGroup, request, *order_,
                       [&](std::size_t first, std::size_t count) -> std::unique_ptr<RowScan> {
                         return std::make_unique<VectorScan>(files_, dimension_,
                                                             queries.subspan(first * dimension_, count * dimension_),
                                                             request.metric);
                       });
}

std::vector<float> ScanIndex::Vector(RowNumber row) const {
  const auto after =
      std::ranges::upper_bound(files_, row, {}, [](const VectorFile& file) { return file.rows().begin; });
  const VectorFile& file = *(after - 1);
  std::vector<float> stored = file.Row(row);
  const std::span<const float> rotation = file.rotation();
  if (rotation.empty()) return stored;
  // The rotation is orthonormal: its transpose undoes it.
  std::vector<double> sums(stored.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    for (std::size_t j = 0; j < stored.size(); ++j) {
      sums[j] += static_cast<double>(rotation[i * stored.size() + j]) * stored[i];
    }
  }
  std::ranges::transform(sums, stored.begin(), Narrow);
  return stored;
}

}  // namespace actkin
