#ifndef ACTKIN_QUERY_EXACT_EXACT_INDEX_H_
#define ACTKIN_QUERY_EXACT_EXACT_INDEX_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "storage/formats/row_map.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/row_source.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// The index 'exact' of a proj or ffwd site: its rows, and sketches that tell which rows need not be read
// (sketch_search.h); without sketches every row is read. The answer is the brute-force answer in double precision
// (exact_distance.h) over the stored numbers, and the same on every processor and for every number of threads.
// Immutable; any thread.
class ExactIndex : public SiteIndex {
 public:
  // sketches and order: of the same rows. Throws Error naming a file when they are not.
  ExactIndex(RowSource rows, std::optional<SketchFile> sketches, std::shared_ptr<const RowMap> order);

  std::uint64_t row_count() const override { return source_.row_count(); }
  std::uint64_t dimension() const override { return source_.dimension(); }
  std::vector<std::vector<Match>> Search(std::span<const float> queries, const SearchRequest& request) const override;
  std::unique_ptr<RowScan> NewScan(std::span<const float> queries, Metric metric, int threads) const override;
  std::vector<std::uint64_t> CountBefore(std::span<const float> query, std::span<const Match> matches,
                                         const SearchRequest& request) const override;
  RowSet RowsUpTo(double length, int threads) const override;
  std::vector<float> Vector(RowNumber row) const override;

 private:
  // Answers of fewer than k rows become those of all rows.
  void FillUp(std::span<const float> queries, const SearchRequest& request,
              std::vector<std::vector<Match>>& answers) const;
  // REQUIRES: there are sketches.
  bool CanTell(std::span<const float> queries) const;
  // Of the rows: those of the sketches, else found by reading all rows when first needed. Null for the metrics that
  // need none.
  const RowMoments* MomentsFor(Metric metric, int threads) const;

  const RowSource source_;
  std::optional<SketchFile> sketches_;
  std::shared_ptr<const RowMap> order_;
  mutable std::once_flag found_moments_;
  mutable RowMoments moments_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_EXACT_INDEX_H_
