#include "query/exact/exact_index.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "query/exact/exact_search.h"
#include "query/exact/sketch_search.h"
#include "query/exact/vector_scan.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Queries that pass over the rows together: enough to make the pass cheap beside the arithmetic.
constexpr std::size_t kScanGroup = 64;
constexpr std::size_t kSketchGroup = 64;
// Of so few rows nothing is to be gained by their sketches.
constexpr std::uint64_t kFewRows = 256;
// Bytes of the codes' distances that a group of queries holds where single rows are looked at.
constexpr std::uint64_t kGroupBytes = 64U << 20;

// Single rows are looked at where at most 8 of a block's 64 pass.
std::size_t SketchGroup(const SearchRequest& request, std::uint64_t looked_at, std::uint64_t row_count) {
  if (!request.among) return kSketchGroup;
  const std::uint64_t rows = std::min(looked_at, row_count / 8 + kBlockRows);
  return std::clamp<std::size_t>(kGroupBytes / (rows * sizeof(std::int32_t)), 1, kSketchGroup);
}

}  // namespace

ExactIndex::ExactIndex(std::vector<VectorFile> files, std::optional<SketchFile> sketches,
                       std::shared_ptr<const RowMap> order)
    : files_(std::move(files)), sketches_(std::move(sketches)), order_(std::move(order)) {
  if (files_.empty()) Fail("a site without vector files cannot be searched");
  dimension_ = files_.front().dimension();
  std::ranges::sort(files_, {}, [](const VectorFile& file) { return std::pair(file.rows().begin, file.rows().end); });
  for (const VectorFile& file : files_) {
    if (file.dimension() != dimension_) {
      FailDamaged("{}: has dimension {}, another file of its site {}", file.path().string(), file.dimension(),
                  dimension_);
    }
    if (file.rows().begin != row_count_) {
      FailDamaged("{}: begins with row {}, expected row {}: the files of its site have a gap or overlap",
                  file.path().string(), file.rows().begin, row_count_);
    }
    row_count_ = file.rows().end;
  }
  if (order_->row_count() != row_count_) {
    FailDamaged("{}: ends with row {}, but the row order has {} rows", files_.back().path().string(), row_count_,
                order_->row_count());
  }
  if (sketches_ && (sketches_->row_count() != row_count_ || sketches_->dimension() != dimension_)) {
    FailDamaged("{}: the sketches of {} rows of dimension {}, the site has {} of {}", sketches_->path().string(),
                sketches_->row_count(), sketches_->dimension(), row_count_, dimension_);
  }
  std::erase_if(files_, [](const VectorFile& file) { return file.rows().size() == 0; });
}

std::vector<std::vector<Match>> ExactIndex::Search(std::span<const float> queries, const SearchRequest& request) const {
  const RowRange rows = CheckRequest(queries, dimension_, row_count_, request);
  const std::size_t query_count = queries.size() / dimension_;
  const auto part = [&](std::size_t first, std::size_t count) {
    return queries.subspan(first * dimension_, count * dimension_);
  };
  const std::uint64_t looked_at = LookedAt(request, row_count_);
  const std::uint64_t few = std::max(kFewRows, 2 * request.k.value_or(0));
  if (!sketches_ || (request.among && looked_at <= few)) {
    return SearchExactly(rows, query_count, kScanGroup, request, *order_,
                         [&](std::size_t first, std::size_t count) -> std::unique_ptr<RowScan> {
                           return std::make_unique<VectorScan>(files_, dimension_, part(first, count), request.metric,
                                                               request.cost);
                         });
  }
  std::vector<std::vector<Match>> answers(query_count);
  const std::size_t group = SketchGroup(request, looked_at, row_count_);
  for (std::size_t first = 0; first < query_count; first += group) {
    const std::size_t count = std::min(group, query_count - first);
    const VectorScan scan(files_, dimension_, part(first, count), request.metric, request.cost);
    SearchBySketches(sketches_->view(request.metric), scan, rows, request, *order_,
                     std::span(answers).subspan(first, count));
  }
  return answers;
}

std::unique_ptr<RowScan> ExactIndex::NewScan(std::span<const float> queries, Metric metric) const {
  return std::make_unique<VectorScan>(files_, dimension_, queries, metric);
}

std::vector<float> ExactIndex::Vector(RowNumber row) const { return FileOfRow(files_, row).Row(row); }

}  // namespace actkin
