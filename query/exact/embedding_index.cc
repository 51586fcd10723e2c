#include "query/exact/embedding_index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "query/exact/code_parts.h"
#include "query/exact/exact_distance.h"
#include "query/exact/exact_search.h"
#include "query/exact/large_code_scan.h"
#include "query/exact/place_counter.h"
#include "query/exact/row_lengths.h"
#include "query/kernels/code_kernels.h"
#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::size_t kLargestGroup = 64;
// Bytes of the tables of a group of queries.
constexpr std::uint64_t kGroupBytes = 64U << 20;
constexpr std::uint64_t kPiece = 8192;  // rows: their codes and raw values stay in the second-level cache
constexpr std::uint64_t kFreeGap = 16;
// Of more tokens a table of exact distances is not made, unless the dimension is beyond what float32 sums prove.
constexpr std::uint64_t kMostTabulated = 4096;
constexpr std::uint64_t kMostSummed = 1U << 20;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// For one query, or for the rows' norms: a table in double precision for the exact distance, and one rounded to float32
// for the scan.
struct Tables {
  std::vector<double> exact;   // positions x tokens
  std::vector<float> scanned;  // positions x TableEntries
};

template <typename Code>
class CodeScan : public RowScan {
 public:
  // mean: of the rows, taken from rows and queries; empty for none.
  CodeScan(const CodeFile& file, std::span<const float> queries, Metric metric, std::span<const double> mean)
      : file_(file),
        codes_(file.Codes<Code>().data()),
        metric_(metric),
        entries_(TableEntries<Code>(file.token_count())),
        mean_(mean),
        queries_(queries.begin(), queries.end()) {
    const std::size_t dimension = file.positions() * file.embed();
    tables_.resize(queries.size() / dimension);
    for (std::size_t i = 0; i < queries_.size() && !mean_.empty(); ++i) queries_[i] -= mean_[i % dimension];
    for (std::size_t query = 0; query < tables_.size(); ++query) {
      squared_norms_.push_back(SquaredNorm(std::span(queries_).subspan(query * dimension, dimension)));
    }
    for (Tables& tables : tables_) Reserve(tables);
    if (HasNorms()) Reserve(norms_);
    std::vector<float> part(file.embed());
    double longest = 0;  // the square of what no row's norm exceeds
    for (std::size_t position = 0; position < file.positions(); ++position) {
      double longest_part = 0;
      for (std::size_t code = 0; code < file.token_count(); ++code) {
        FillPart(file, code, position, part);
        FillEntry(position, code, part);
        if (metric == Metric::kDot) {
          longest_part = std::max(longest_part, SquaredNorm(std::vector<double>(part.begin(), part.end())));
        }
      }
      longest += longest_part;
    }
    // Wider than its rounding. Sums of larger numbers might leave float32's range.
    longest = std::sqrt(longest) * (1 + 0x1p-30);
    is_scanned_ = longest <= 0x1p100;
    for (const double squared_norm : squared_norms_) {
      if (metric == Metric::kL2) {
        bounds_.push_back(ScanBounds::SquaredL2(file.positions()));
      } else if (metric == Metric::kDot) {
        bounds_.push_back(ScanBounds::Dot(file.positions(), std::sqrt(squared_norm), longest));
      } else {
        bounds_.push_back(ScanBounds::Cosine(file.positions()));
      }
    }
  }

  std::size_t query_count() const override { return tables_.size(); }
  const ScanBounds& bounds(std::size_t query) const override { return bounds_[query]; }
  std::uint64_t piece() const override { return kPiece; }
  std::uint64_t free_gap() const override { return kFreeGap; }

  void Scan(RowRange rows, std::span<float> raw) const override {
    const Code* codes = codes_ + rows.begin * file_.positions();
    const auto sum = [&](const Tables& tables, float* out) {
      TableSums(codes, rows.size(), file_.positions(), file_.token_count(), tables.scanned.data(), out);
    };
    std::vector<float> scales;
    if (HasNorms()) {
      scales.resize(rows.size());
      sum(norms_, scales.data());
      std::ranges::transform(scales, scales.begin(), ScanBounds::CosineScale);
    }
    for (std::size_t query = 0; query < tables_.size(); ++query) {
      float* values = raw.data() + query * rows.size();
      sum(tables_[query], values);
      for (std::size_t row = 0; row < scales.size(); ++row) values[row] *= scales[row];
    }
    if (!is_scanned_) std::ranges::fill(raw, kNaN);
  }

  double Distance(std::size_t query, RowNumber row) const override {
    const Code* codes = codes_ + std::size_t{row} * file_.positions();
    ExactSums sums;
    double sum = 0;
    for (std::size_t position = 0; position < file_.positions(); ++position) {
      if (codes[position] >= file_.token_count()) FailOnCode(file_, row);
      const std::size_t entry = position * file_.token_count() + codes[position];
      sum += tables_[query].exact[entry];
      if (HasNorms()) sums.squared_norm += norms_.exact[entry];
    }
    (metric_ == Metric::kL2 ? sums.squared_distance : sums.dot) = sum;
    const double distance = ExactDistance(metric_, sums, squared_norms_[query]);
    if (!std::isfinite(distance)) FailNotFinite(file_, row);
    return distance;
  }

 private:
  bool HasNorms() const { return metric_ == Metric::kCosine || metric_ == Metric::kCenteredCosine; }

  void Reserve(Tables& tables) const {
    tables.exact.resize(file_.positions() * file_.token_count());
    tables.scanned.assign(file_.positions() * entries_, kNaN);
  }

  void FillEntry(std::size_t position, std::size_t code, std::span<const float> part) {
    const auto set = [&](Tables& tables, double exact, double scale) {
      tables.exact[position * file_.token_count() + code] = exact;
      // Beyond the largest float this becomes infinite, as the sums of the scan may.
      const double scanned = exact * scale;
      tables.scanned[position * entries_ + code] = std::abs(scanned) > std::numeric_limits<float>::max()
                                                       ? std::numeric_limits<float>::infinity()
                                                       : static_cast<float>(scanned);
    };
    for (std::size_t query = 0; query < tables_.size(); ++query) {
      const std::size_t offset = (query * file_.positions() + position) * file_.embed();
      const std::span<const double> mean =
          mean_.empty() ? mean_ : mean_.subspan(position * file_.embed(), file_.embed());
      const ExactSums sums = SumExactly(metric_, part, std::span(queries_).subspan(offset, file_.embed()), mean);
      if (metric_ == Metric::kL2) {
        set(tables_[query], sums.squared_distance, 1);
      } else {
        set(tables_[query], sums.dot, squared_norms_[query] > 0 ? 1 / std::sqrt(squared_norms_[query]) : 0);
        if (query == 0 && HasNorms()) set(norms_, sums.squared_norm, 1);
      }
    }
  }

  const CodeFile& file_;
  const Code* codes_;
  Metric metric_;
  std::size_t entries_;
  std::span<const double> mean_;
  std::vector<ScanBounds> bounds_;     // count
  bool is_scanned_ = true;             // else raw values say nothing
  std::vector<double> queries_;        // count x dimension
  std::vector<double> squared_norms_;  // count
  std::vector<Tables> tables_;         // one a query: squared distances, or dot products
  Tables norms_;                       // the rows' squared norms, for cosine, centered or not
};

// Of all rows: position after position, each token as often as it stands there.
template <typename Code>
std::vector<double> FindMean(const CodeFile& file) {
  const std::span<const Code> codes = file.Codes<Code>();
  std::vector<double> mean(file.positions() * file.embed());
  std::vector<float> part(file.embed());
  std::vector<std::uint64_t> occurrences(file.token_count());
  for (std::size_t position = 0; position < file.positions(); ++position) {
    std::ranges::fill(occurrences, 0);
    for (std::uint64_t row = 0; row < file.rows().size(); ++row) {
      const Code code = codes[row * file.positions() + position];
      if (code >= file.token_count()) FailOnCode(file, row);
      ++occurrences[code];
    }
    double* sums = mean.data() + position * file.embed();
    for (std::size_t code = 0; code < file.token_count(); ++code) {
      FillPart(file, code, position, part);
      for (std::size_t i = 0; i < part.size(); ++i) sums[i] += static_cast<double>(occurrences[code]) * part[i];
    }
  }
  for (double& number : mean) number /= static_cast<double>(file.rows().size());
  return mean;
}

// Lengths are sums of one table look-up a position.
template <typename Code>
RowSet RowsOfCodesUpTo(const CodeFile& file, double length, int threads) {
  const std::span<const Code> codes = file.Codes<Code>();
  std::vector<double> squares(file.positions() * file.token_count());
  std::vector<float> part(file.embed());
  for (std::size_t position = 0; position < file.positions(); ++position) {
    for (std::size_t code = 0; code < file.token_count(); ++code) {
      FillPart(file, code, position, part);
      squares[position * file.token_count() + code] = SquaredNorm(std::vector<double>(part.begin(), part.end()));
    }
  }
  return RowsUpTo(file.rows().size(), length, threads, [&](RowNumber row) {
    double square = 0;
    for (std::size_t position = 0; position < file.positions(); ++position) {
      const Code code = codes[std::size_t{row} * file.positions() + position];
      if (code >= file.token_count()) FailOnCode(file, row);
      square += squares[position * file.token_count() + code];
    }
    return std::sqrt(square);
  });
}

bool IsLarge(const CodeFile& file) {
  return file.token_count() > kMostTabulated && file.positions() * file.embed() <= kMostSummed;
}

template <typename Code>
std::unique_ptr<RowScan> MakeScanOf(const CodeFile& file, std::span<const float> queries, Metric metric,
                                    std::span<const double> mean, int threads) {
  if (IsLarge(file)) return std::make_unique<LargeCodeScan<Code>>(file, queries, metric, mean, threads);
  return std::make_unique<CodeScan<Code>>(file, queries, metric, mean);
}

template <typename Code>
std::vector<float> Expand(const CodeFile& file, RowNumber row) {
  const Code* codes = file.Codes<Code>().data() + std::size_t{row} * file.positions();
  std::vector<float> vector(file.positions() * file.embed());
  for (std::size_t position = 0; position < file.positions(); ++position) {
    if (codes[position] >= file.token_count()) FailOnCode(file, row);
    FillPart(file, codes[position], position, std::span(vector).subspan(position * file.embed(), file.embed()));
  }
  return vector;
}

}  // namespace

EmbeddingIndex::EmbeddingIndex(CodeFile file, std::shared_ptr<const RowMap> order)
    : file_(std::move(file)), order_(std::move(order)) {
  if (file_.rows().begin != 0) {
    FailDamaged("{}: begins with row {}, expected row 0", file_.path().string(), file_.rows().begin);
  }
  if (order_->row_count() != file_.rows().size()) {
    FailDamaged("{}: has {} rows, but the row order has {}", file_.path().string(), file_.rows().size(),
                order_->row_count());
  }
}

std::vector<std::vector<Match>> EmbeddingIndex::Search(std::span<const float> queries,
                                                       const SearchRequest& request) const {
  const RowRange rows = CheckRequest(queries, dimension(), row_count(), request);
  const std::uint64_t number_bytes = sizeof(float) + (IsLarge(file_) ? 0 : sizeof(double));
  const std::uint64_t table_bytes = file_.positions() * (file_.token_count() + 256) * number_bytes;
  const std::size_t group = std::clamp<std::size_t>(kGroupBytes / table_bytes, 1, kLargestGroup);
  return SearchExactly(
      rows, queries.size() / dimension(), group, request, *order_, [&](std::size_t first, std::size_t count) {
        return NewScan(queries.subspan(first * dimension(), count * dimension()), request.metric, request.threads);
      });
}

std::vector<std::uint64_t> EmbeddingIndex::CountBefore(std::span<const float> query, std::span<const Match> matches,
                                                       const SearchRequest& request) const {
  SearchRequest all = request;
  all.k.reset();
  RequireOneQuery(query, dimension());
  CheckRequest(query, dimension(), row_count(), all);
  if (matches.empty()) return {};
  return CountByScan(*NewScan(query, request.metric, request.threads), row_count(), matches, all, *order_);
}

RowSet EmbeddingIndex::RowsUpTo(double length, int threads) const {
  if (file_.code_bytes() == 1) return RowsOfCodesUpTo<std::uint8_t>(file_, length, threads);
  if (file_.code_bytes() == 2) return RowsOfCodesUpTo<std::uint16_t>(file_, length, threads);
  return RowsOfCodesUpTo<std::uint32_t>(file_, length, threads);
}

std::unique_ptr<RowScan> EmbeddingIndex::NewScan(std::span<const float> queries, Metric metric, int threads) const {
  const std::span<const double> mean = MeanFor(metric);
  if (file_.code_bytes() == 1) return MakeScanOf<std::uint8_t>(file_, queries, metric, mean, threads);
  if (file_.code_bytes() == 2) return MakeScanOf<std::uint16_t>(file_, queries, metric, mean, threads);
  return MakeScanOf<std::uint32_t>(file_, queries, metric, mean, threads);
}

std::span<const double> EmbeddingIndex::MeanFor(Metric metric) const {
  if (metric != Metric::kCenteredCosine || file_.rows().size() == 0) return {};
  std::call_once(found_mean_, [this] {
    if (file_.code_bytes() == 1) {
      mean_ = FindMean<std::uint8_t>(file_);
    } else {
      mean_ = file_.code_bytes() == 2 ? FindMean<std::uint16_t>(file_) : FindMean<std::uint32_t>(file_);
    }
  });
  return mean_;
}

std::vector<float> EmbeddingIndex::Vector(RowNumber row) const {
  if (file_.code_bytes() == 1) return Expand<std::uint8_t>(file_, row);
  return file_.code_bytes() == 2 ? Expand<std::uint16_t>(file_, row) : Expand<std::uint32_t>(file_, row);
}

}  // namespace actkin
