#ifndef ACTKIN_QUERY_EXACT_TOP_ROWS_H_
#define ACTKIN_QUERY_EXACT_TOP_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "query/exact/scan_bounds.h"
#include "query/exact/site_index.h"
#include "storage/formats/row_map.h"

namespace actkin {

// True where a smaller distance is the better one.
bool SmallerIsBetter(Metric metric, Order order);

// Puts the best first, equal distances in order of what rows stand for, and keeps the first k (all, without k).
void SortMatches(const SearchRequest& request, std::vector<Match>& matches);

// Chooses one query's answer among rows whose raw values a scan delivers. Holds at most about 2k + 4,096 rows that are
// neither excluded nor finished and k that are, whatever the data; without k, the answer. One thread at a time.
class TopRows {
 public:
  // The exact distance of a row, in double precision.
  using Distance = std::function<double(RowNumber row)>;

  // `request` and `order` outlive this object. REQUIRES: request.k is not 0.
  TopRows(const SearchRequest& request, const ScanBounds& bounds, const RowMap& order, Distance distance);

  // From here on only rows at this distance or better count. REQUIRES: with k, that k rows offered so far or later are.
  void RequireAtLeastAsGoodAs(double distance);
  // The worst distance that can still be in the answer, as far as is known: the best of what was required. Infinite on
  // the worst side at first.
  double bound() const { return bound_; }

  // Lets the k-th best raw value exclude rows, where that proves something.
  void ExcludeByRaw();

  // Raw values of the rows from `first` on. Each row is offered at most once.
  void Offer(RowNumber first, std::span<const float> raw);

  // The best of the rows offered, sorted; this object is then used up. Throws Error where the row order is damaged, and
  // what `distance` throws.
  std::vector<Match> Finish();

 private:
  struct Candidate {
    float raw = 0;
    RowNumber row = 0;
  };

  bool Excluded(float raw) const { return raw < lowest_ || raw > highest_; }
  void Add(const Candidate& candidate);
  // Computes the exact distance of every candidate and keeps the k best.
  void FinishCandidates();

  const SearchRequest& request_;
  const ScanBounds bounds_;
  const RowMap& order_;
  const Distance distance_;
  const bool smaller_is_better_;
  const std::size_t capacity_;
  double bound_;
  // Rows with a raw value outside this range are not in the answer.
  float lowest_;
  float highest_;
  std::vector<Candidate> candidates_;
  std::vector<Match> matches_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_TOP_ROWS_H_
