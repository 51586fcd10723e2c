#ifndef ACTKIN_QUERY_EXACT_VECTOR_SCAN_H_
#define ACTKIN_QUERY_EXACT_VECTOR_SCAN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "query/exact/exact_search.h"
#include "query/exact/scan_bounds.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/row_source.h"

namespace actkin {

// What rows that are computed anew may differ by from those that a build saw, of their lengths: the order of sums and
// the processor decide the last digits, some 1e-6 of a length.
inline constexpr double kComputedTolerance = 0x1p-13;

// A group of queries over the rows of a proj or ffwd site: raw values in float32, exact distances in double precision.
class VectorScan : public RowScan {
 public:
  // queries: count x dimension; moments: of the rows, read by dot and the centered cosine alone, null for the others.
  // All outlive this object, as does cost, which may be null.
  VectorScan(const RowSource& source, std::span<const float> queries, Metric metric, const RowMoments* moments,
             SearchCost* cost = nullptr);

  std::size_t query_count() const override { return query_count_; }
  const ScanBounds& bounds(std::size_t query) const override { return bounds_[query]; }
  std::uint64_t piece() const override;
  void Scan(RowRange rows, std::span<float> raw) const override;
  double Distance(std::size_t query, RowNumber row) const override;

  // The same for one query: raw has rows.size() values.
  void ScanOne(std::size_t query, RowRange rows, std::span<float> raw) const;
  // Of rows that stand anywhere; raw: a value each. Quicker where they ascend.
  void ScanRows(std::size_t query, std::span<const RowNumber> rows, std::span<float> raw) const;
  // By what share of its length a row may differ from the one that the site's sketches were made of.
  double row_tolerance() const { return source_.computed() ? kComputedTolerance : 0; }
  // The query as exact distances are computed from it, centered where the metric is: dimension numbers.
  std::span<const double> Exact(std::size_t query) const {
    return std::span(exact_).subspan(query * dimension_, dimension_);
  }

 private:
  // Row for row, asked for ahead. REQUIRES: TakesStored().
  void ScanScattered(std::size_t query, std::span<const RowNumber> rows, std::span<float> raw) const;
  // Raw values of queries [first, first + count) over rows, as they are stored where the scan can take them so.
  void ScanStored(const std::byte* stored, std::size_t row_count, std::size_t first, std::size_t count,
                  std::span<float> raw) const;
  bool TakesStored() const;
  template <typename Number>
  void ScanNumbers(const Number* numbers, std::size_t row_count, std::size_t first, std::size_t count,
                   std::span<float> raw) const;
  void ScanCentered(const float* rows, std::size_t row_count, std::size_t first, std::size_t count,
                    std::span<float> raw) const;
  ScanBounds BoundsOf(double query_norm) const;
  void ScanQueries(RowRange rows, std::size_t first, std::size_t count, std::span<float> raw) const;

  const RowSource& source_;
  std::uint64_t dimension_;
  std::size_t query_count_;
  Metric metric_;
  SearchCost* cost_;
  std::span<const double> mean_;  // that is taken from rows and queries; empty for none
  double longest_ = 0;            // for dot: no row is longer
  double mean_norm_ = 0;
  std::vector<float> scanned_mean_;    // rounded
  std::vector<ScanBounds> bounds_;     // count
  std::vector<double> exact_;          // count x dimension
  std::vector<double> squared_norms_;  // count
  std::vector<float> scanned_;         // count x dimension; for similarities of unit length
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_VECTOR_SCAN_H_
