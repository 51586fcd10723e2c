#ifndef ACTKIN_QUERY_APPROXIMATE_FILLED_UP_INDEX_H_
#define ACTKIN_QUERY_APPROXIMATE_FILLED_UP_INDEX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "query/exact/site_index.h"

namespace actkin {

// Of so few rows that pass a filter the exact index finds the best, whatever index is asked.
inline constexpr std::uint64_t kMostFilteredExactly = 20'000;

// An approximate index whose answers are never short: where it finds fewer than k rows, they are joined by the best
// others of the exact ranking until there are k, or all that the band and the filter leave. Where at most
// kMostFilteredExactly rows pass the filter, the answer is the exact one. Immutable; any thread.
class FilledUpIndex : public SiteIndex {
 public:
  // exact: of the same site; asked for when it is first needed, by any thread, and what it throws Search throws.
  // most_filtered_exactly: as many rows as pass a filter of which the answer is the exact one.
  FilledUpIndex(std::shared_ptr<const SiteIndex> approximate, std::function<const SiteIndex&()> exact,
                std::uint64_t most_filtered_exactly = kMostFilteredExactly);

  std::uint64_t row_count() const override { return approximate_->row_count(); }
  std::uint64_t dimension() const override { return approximate_->dimension(); }
  std::vector<std::vector<Match>> Search(std::span<const float> queries, const SearchRequest& request) const override;
  std::vector<float> Vector(RowNumber row) const override { return approximate_->Vector(row); }
  const SiteIndex& bare() const override { return *approximate_; }

 private:
  const std::shared_ptr<const SiteIndex> approximate_;
  const std::function<const SiteIndex&()> exact_;
  const std::uint64_t most_filtered_exactly_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_APPROXIMATE_FILLED_UP_INDEX_H_
