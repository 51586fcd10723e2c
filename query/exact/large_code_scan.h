#ifndef ACTKIN_QUERY_EXACT_LARGE_CODE_SCAN_H_
#define ACTKIN_QUERY_EXACT_LARGE_CODE_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "query/exact/exact_search.h"
#include "query/exact/scan_bounds.h"
#include "storage/formats/code_file.h"

namespace actkin {

// A group of queries over an embedding site of so many tokens that a table of exact distances to all of them costs more
// than the exact distances of the rows in doubt: the tables are the row kernels' float32 sums, a row of doubt is summed
// in double precision from its embeddings. Exact distances are those of a table, to the last bit. Immutable; any
// thread.
template <typename Code>
class LargeCodeScan : public RowScan {
 public:
  // queries: count x dimension. mean: of the rows, taken from rows and queries; empty for none. All outlive this
  // object. The tables are made by `threads` threads. REQUIRES: the dimension is at most 2^20.
  LargeCodeScan(const CodeFile& file, std::span<const float> queries, Metric metric, std::span<const double> mean,
                int threads);

  std::size_t query_count() const override { return query_count_; }
  const ScanBounds& bounds(std::size_t query) const override { return bounds_[query]; }
  std::uint64_t piece() const override;
  std::uint64_t free_gap() const override;
  void Scan(RowRange rows, std::span<float> raw) const override;
  double Distance(std::size_t query, RowNumber row) const override;

 private:
  // One thread's rooms while tables are made.
  struct Worker {
    std::vector<float> parts;          // block x embed
    std::vector<float> sums;           // queries x block
    std::vector<float> longest_parts;  // positions: the largest squared norm there, for dot
  };

  bool HasNorms() const { return metric_ == Metric::kCosine || metric_ == Metric::kCenteredCosine; }
  // Takes the mean from the queries and fills `scanned_`.
  void PrepareQueries();
  void FillAllTables(int threads);
  void FindBounds(double longest);
  // The numbers of tokens at a position, less the mean, where they lie or in the worker's room.
  const float* Parts(RowRange codes, std::size_t position, Worker& worker) const;

  // The tables' entries of these codes, at all positions.
  void FillTables(RowRange codes, Worker& worker);
  std::span<float> Table(std::size_t query, std::size_t position);

  const CodeFile& file_;
  const Code* codes_;
  const Metric metric_;
  const std::size_t query_count_;
  const std::size_t entries_;  // of a table of one position
  const std::span<const double> mean_;
  std::vector<float> scanned_mean_;
  double mean_norm_ = 0;
  std::vector<ScanBounds> bounds_;     // count
  bool is_scanned_ = true;             // else raw values say nothing
  std::vector<double> exact_;          // count x dimension, less the mean
  std::vector<double> squared_norms_;  // count
  // positions x count x embed: what the kernels get, of length 1 but for l2.
  std::vector<float> scanned_;
  // count x positions x entries: squared distances, or dot products. For cosine, centered or not, one more, of the
  // rows' squared norms.
  std::vector<float> tables_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_LARGE_CODE_SCAN_H_
