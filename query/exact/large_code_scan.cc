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
constexpr std::size_t kEmbeddingBytes = 128U << 10;  // of embeddings that all positions and queries use while in cache
constexpr std::uint64_t kCodesAtOnce = 1024;         // that a thread takes
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

}  // namespace

template <typename Code>
LargeCodeScan<Code>::LargeCodeScan(const CodeFile& file, std::span<const float> queries, Metric metric,
                                   std::span<const double> mean, int threads)
    : file_(file),
      codes_(file.Codes<Code>().data()),
      metric_(metric),
      query_count_(queries.size() / (file.positions() * file.embed())),
      entries_(TableEntries<Code>(file.token_count())),
      mean_(mean),
      exact_(queries.begin(), queries.end()) {
  PrepareQueries();
  FillAllTables(threads);
}

template <typename Code>
void LargeCodeScan<Code>::PrepareQueries() {
  const std::size_t embed = file_.embed();
  const std::size_t dimension = file_.positions() * embed;
  for (std::size_t i = 0; i < exact_.size() && !mean_.empty(); ++i) exact_[i] -= mean_[i % dimension];
  for (const double number : mean_) scanned_mean_.push_back(static_cast<float>(number));
  if (!mean_.empty()) mean_norm_ = std::sqrt(SquaredNorm(mean_));
  scanned_.resize(exact_.size());
  for (std::size_t query = 0; query < query_count_; ++query) {
    const std::span<const double> exact = std::span(exact_).subspan(query * dimension, dimension);
    squared_norms_.push_back(SquaredNorm(exact));
    const bool scaled = metric_ != Metric::kL2 && squared_norms_.back() > 0;
    const double scale = scaled ? 1 / std::sqrt(squared_norms_.back()) : 1;
    for (std::size_t i = 0; i < dimension; ++i) {
      const std::size_t to = (i / embed * query_count_ + query) * embed + i % embed;
      scanned_[to] = static_cast<float>(exact[i] * scale);
    }
  }
}

template <typename Code>
void LargeCodeScan<Code>::FillAllTables(int threads) {
  const std::size_t table_count = query_count_ + (HasNorms() ? 1 : 0);
  tables_.resize(table_count * file_.positions() * entries_);
  for (std::size_t table = 0; table < table_count; ++table) {
    for (std::size_t position = 0; position < file_.positions(); ++position) {
      std::ranges::fill(Table(table, position).subspan(file_.token_count()), kNaN);
    }
  }
  const RowRange codes{0, file_.token_count()};
  const int worker_count = UsefulThreads(codes, kCodesAtOnce, threads);
  std::vector<Worker> workers(static_cast<std::size_t>(worker_count));
  for (Worker& worker : workers) worker.longest_parts.resize(file_.positions());
  ForEachPiece(codes, kCodesAtOnce, worker_count,
               [&](int worker, RowRange piece) { FillTables(piece, workers[static_cast<std::size_t>(worker)]); });
  double longest = 0;  // the square of what no row's norm exceeds
  for (std::size_t position = 0; position < file_.positions(); ++position) {
    float longest_part = 0;
    for (const Worker& worker : workers) longest_part = std::max(longest_part, worker.longest_parts[position]);
    // A float32 sum of up to 2^20 squares is at most a fifteenth too small, and what underflow takes.
    longest += longest_part * 1.08 + static_cast<double>(file_.embed()) * 0x1p-120;
  }
  FindBounds(std::sqrt(longest));
}

template <typename Code>
void LargeCodeScan<Code>::FindBounds(double longest) {
  // A term is added up with those of its token, then its token's sum with those of the other positions.
  const std::size_t terms = file_.positions() * file_.embed();
  // Sums of larger numbers might leave float32's range.
  is_scanned_ = metric_ != Metric::kDot || longest <= 0x1p100;
  for (const double squared_norm : squared_norms_) {
    switch (metric_) {
      case Metric::kL2:
        bounds_.push_back(ScanBounds::SquaredL2(terms));
        break;
      case Metric::kCosine:
        bounds_.push_back(ScanBounds::Cosine(terms));
        break;
      case Metric::kDot:
        bounds_.push_back(ScanBounds::Dot(terms, std::sqrt(squared_norm), longest));
        break;
      case Metric::kCenteredCosine:
        bounds_.push_back(ScanBounds::CenteredCosine(terms));
        break;
    }
  }
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
const float* LargeCodeScan<Code>::Parts(RowRange codes, std::size_t position, Worker& worker) const {
  const std::size_t embed = file_.embed();
  if (file_.position_embeddings().empty() && mean_.empty()) {
    return file_.token_embeddings().data() + codes.begin * embed;
  }
  worker.parts.resize(codes.size() * embed);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::span part = std::span(worker.parts).subspan(i * embed, embed);
    FillPart(file_, codes.begin + i, position, part);
    if (mean_.empty()) continue;
    const float* mean = scanned_mean_.data() + position * embed;
    for (std::size_t k = 0; k < embed; ++k) part[k] -= mean[k];
  }
  return worker.parts.data();
}

template <typename Code>
void LargeCodeScan<Code>::FillTables(RowRange codes, Worker& worker) {
  const std::size_t embed = file_.embed();
  const std::size_t block = std::max<std::size_t>(kEmbeddingBytes / (embed * sizeof(float)), 16);
  for (std::size_t begin = codes.begin; begin < codes.end; begin += block) {
    const std::size_t count = std::min<std::size_t>(block, codes.end - begin);
    worker.sums.resize(query_count_ * count);
    for (std::size_t position = 0; position < file_.positions(); ++position) {
      const float* rows = Parts({begin, begin + count}, position, worker);
      const float* queries = scanned_.data() + position * query_count_ * embed;
      if (metric_ == Metric::kL2) {
        SquaredDistances(rows, count, embed, queries, query_count_, worker.sums.data());
      } else {
        DotProducts(rows, count, embed, queries, query_count_, worker.sums.data());
      }
      for (std::size_t query = 0; query < query_count_; ++query) {
        std::copy_n(worker.sums.data() + query * count, count, Table(query, position).data() + begin);
      }
      if (HasNorms()) SquaredNorms(rows, count, embed, Table(query_count_, position).data() + begin);
      if (metric_ != Metric::kDot) continue;
      worker.sums.resize(std::max(worker.sums.size(), count));
      SquaredNorms(rows, count, embed, worker.sums.data());
      // NaN is passed over: the raw values of its rows are NaN too.
      float& longest = worker.longest_parts[position];
      for (std::size_t i = 0; i < count; ++i) longest = worker.sums[i] > longest ? worker.sums[i] : longest;
    }
  }
}

template <typename Code>
void LargeCodeScan<Code>::Scan(RowRange rows, std::span<float> raw) const {
  if (!is_scanned_) {
    std::ranges::fill(raw, kNaN);
    return;
  }
  const Code* codes = codes_ + rows.begin * file_.positions();
  const auto sum = [&](std::size_t table, float* out) {
    TableSums(codes, rows.size(), file_.positions(), file_.token_count(),
              tables_.data() + table * file_.positions() * entries_, out);
  };
  std::vector<float> scales;
  if (HasNorms()) {
    scales.resize(rows.size());
    sum(query_count_, scales.data());
    for (float& scale : scales) {
      scale = mean_.empty() ? ScanBounds::CosineScale(scale) : ScanBounds::CenteredScale(scale, mean_norm_);
    }
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
    const std::span<const double> mean = mean_.empty() ? mean_ : mean_.subspan(position * embed, embed);
    const ExactSums of_part = SumExactly(metric_, part, std::span(exact_).subspan(offset, embed), mean);
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
