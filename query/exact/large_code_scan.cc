#include "query/exact/large_code_scan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/exact/code_parts.h"
#include "query/exact/exact_distance.h"
#include "query/kernels/code_kernels.h"
#include "query/kernels/row_kernels.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kPiece = 8192;  // rows: their codes and raw values stay in the second-level cache
constexpr std::uint64_t kFreeGap = 16;
constexpr std::size_t kBlockBytes = 128U << 10;  // of embeddings that all positions and queries use while in cache
constexpr std::uint64_t kCodesAtOnce = 1024;     // that a thread takes
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

}  // namespace

template <typename Code>
LargeCodeScan<Code>::LargeCodeScan(const CodeFile& file, std::span<const float> queries, Metric metric, int threads)
    : file_(file),
      codes_(file.Codes<Code>().data()),
      metric_(metric),
      query_count_(queries.size() / (file.positions() * file.embed())),
      entries_(TableEntries<Code>(file.token_count())),
      // A term is added up with those of its token, then its token's sum with those of the other positions.
      bounds_(metric == Metric::kL2 ? ScanBounds::SquaredL2(file.positions() * file.embed())
                                    : ScanBounds::Cosine(file.positions() * file.embed())),
      exact_(queries.begin(), queries.end()) {
  const std::size_t embed = file.embed();
  const std::size_t dimension = file.positions() * embed;
  scanned_.resize(queries.size());
  for (std::size_t query = 0; query < query_count_; ++query) {
    const std::span<const double> exact = std::span(exact_).subspan(query * dimension, dimension);
    squared_norms_.push_back(SquaredNorm(exact));
    const bool scaled = metric != Metric::kL2 && squared_norms_.back() > 0;
    const double scale = scaled ? 1 / std::sqrt(squared_norms_.back()) : 1;
    for (std::size_t i = 0; i < dimension; ++i) {
      const std::size_t to = (i / embed * query_count_ + query) * embed + i % embed;
      scanned_[to] = static_cast<float>(exact[i] * scale);
    }
  }
  const std::size_t table_count = query_count_ + (metric == Metric::kL2 ? 0 : 1);
  tables_.resize(table_count * file.positions() * entries_);
  for (std::size_t table = 0; table < table_count; ++table) {
    for (std::size_t position = 0; position < file.positions(); ++position) {
      std::ranges::fill(Table(table, position).subspan(file.token_count()), kNaN);
    }
  }
  const RowRange codes{0, file.token_count()};
  const int worker_count = UsefulThreads(codes, kCodesAtOnce, threads);
  std::vector<Worker> workers(static_cast<std::size_t>(worker_count));
  ForEachPiece(codes, kCodesAtOnce, worker_count,
               [&](int worker, RowRange piece) { FillTables(piece, workers[static_cast<std::size_t>(worker)]); });
}

template <typename Code>
std::uint64_t LargeCodeScan<Code>::piece() const {
  return kPiece;
}

template <typename Code>
std::uint64_t LargeCodeScan<Code>::free_gap() const {
  return kFreeGap;
}

template <typename Code>
std::span<float> LargeCodeScan<Code>::Table(std::size_t query, std::size_t position) {
  return std::span(tables_).subspan((query * file_.positions() + position) * entries_, entries_);
}

template <typename Code>
void LargeCodeScan<Code>::FillTables(RowRange codes, Worker& worker) {
  const std::size_t embed = file_.embed();
  const std::size_t block = std::max<std::size_t>(kBlockBytes / (embed * sizeof(float)), 16);
  for (std::size_t begin = codes.begin; begin < codes.end; begin += block) {
    const std::size_t count = std::min(block, codes.end - begin);
    worker.sums.resize(query_count_ * count);
    for (std::size_t position = 0; position < file_.positions(); ++position) {
      const float* rows = file_.token_embeddings().data() + begin * embed;
      if (!file_.position_embeddings().empty()) {
        worker.parts.resize(count * embed);
        for (std::size_t i = 0; i < count; ++i) {
          FillPart(file_, begin + i, position, std::span(worker.parts).subspan(i * embed, embed));
        }
        rows = worker.parts.data();
      }
      const float* queries = scanned_.data() + position * query_count_ * embed;
      if (metric_ == Metric::kL2) {
        SquaredDistances(rows, count, embed, queries, query_count_, worker.sums.data());
      } else {
        DotProducts(rows, count, embed, queries, query_count_, worker.sums.data());
        SquaredNorms(rows, count, embed, Table(query_count_, position).data() + begin);
      }
      for (std::size_t query = 0; query < query_count_; ++query) {
        std::copy_n(worker.sums.data() + query * count, count, Table(query, position).data() + begin);
      }
    }
  }
}

template <typename Code>
void LargeCodeScan<Code>::Scan(RowRange rows, std::span<float> raw) const {
  const Code* codes = codes_ + rows.begin * file_.positions();
  const auto sum = [&](std::size_t table, float* out) {
    TableSums(codes, rows.size(), file_.positions(), file_.token_count(),
              tables_.data() + table * file_.positions() * entries_, out);
  };
  std::vector<float> scales;
  if (metric_ != Metric::kL2) {
    scales.resize(rows.size());
    sum(query_count_, scales.data());
    std::ranges::transform(scales, scales.begin(), ScanBounds::CosineScale);
  }
  for (std::size_t query = 0; query < query_count_; ++query) {
    float* values = raw.data() + query * rows.size();
    sum(query, values);
    for (std::size_t row = 0; row < scales.size(); ++row) values[row] *= scales[row];
  }
}

template <typename Code>
double LargeCodeScan<Code>::Distance(std::size_t query, RowNumber row) const {
  const std::size_t embed = file_.embed();
  const Code* codes = codes_ + std::size_t{row} * file_.positions();
  std::vector<float> part(embed);
  ExactSums sums;
  for (std::size_t position = 0; position < file_.positions(); ++position) {
    if (codes[position] >= file_.token_count()) FailOnCode(file_, row);
    FillPart(file_, codes[position], position, part);
    const std::size_t offset = (query * file_.positions() + position) * embed;
    const ExactSums of_part = SumExactly(metric_, part, std::span(exact_).subspan(offset, embed));
    sums.squared_distance += of_part.squared_distance;
    sums.dot += of_part.dot;
    sums.squared_norm += of_part.squared_norm;
  }
  const double distance = ExactDistance(metric_, sums, squared_norms_[query]);
  if (!std::isfinite(distance)) FailNotFinite(file_, row);
  return distance;
}

template class LargeCodeScan<std::uint8_t>;
template class LargeCodeScan<std::uint16_t>;
template class LargeCodeScan<std::uint32_t>;

}  // namespace actkin
