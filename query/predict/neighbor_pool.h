#ifndef ACTKIN_QUERY_PREDICT_NEIGHBOR_POOL_H_
#define ACTKIN_QUERY_PREDICT_NEIGHBOR_POOL_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/band.h"
#include "schema/site.h"

namespace actkin {

inline constexpr std::uint64_t kDefaultPoolCount = 10;

// Which neighbors of a prompt count, of every stream and block.
struct PoolRequest {
  Metric metric = Metric::kL2;
  bool metric_is_open = false;  // nobody asked for it: a scheme that has a metric brings it (saved_schemes.h)
  // Of proj and ffwd, from 0. The embedding takes no part in a merge: its neighbors are the k nearest among the strings
  // as long as the prompt.
  std::vector<int> t_is;
  bool over_positions = false;  // of each stream and block the site over positions, and no t_i
  Merge merge = Merge::kNearest;
  // How many at each t_i, and of their pool. Without: all rows of a term that has a band, kDefaultPoolCount of others.
  std::optional<std::uint64_t> k;
  std::vector<std::optional<Band>> bands;  // a term each (scheme.h), or empty
  std::string where;                 // only rows that this condition of SQL holds for (string_filter.h); empty: all
  bool exclude_self = false;         // whether the prompt's own row does not count (IndexReader::OwnRows)
  std::uint64_t exclude_window = 0;  // of positions: nor do so many before and after it
  std::optional<double> max_length;  // only rows of each site that are at most so long (SiteIndex::RowsUpTo)

  const std::optional<Band>& BandOf(std::size_t term) const {
    static const std::optional<Band> kNone;
    return bands.empty() ? kNone : bands[term];
  }
  // None: all rows.
  std::optional<std::uint64_t> CountOf(std::size_t term) const {
    if (k || BandOf(term)) return k;
    return kDefaultPoolCount;
  }
  // The same where so many rows count: all of them where nobody asked for a k and they are fewer.
  std::optional<std::uint64_t> CountOf(std::size_t term, std::uint64_t rows) const {
    const std::optional<std::uint64_t> count = CountOf(term);
    return k || !count ? count : std::min(*count, rows);
  }

  friend bool operator==(const PoolRequest&, const PoolRequest&) = default;
};

// A neighbor among those of several t_is.
struct PooledNeighbor {
  StringId string_id = 0;  // over positions the position
  double distance = 0;     // the metric's value

  friend bool operator==(const PooledNeighbor&, const PooledNeighbor&) = default;
};

// Merges the neighbors of one stream and block at several t_is, pooled in any order: duplicates stay; the k nearest of
// the pool are kept, or with Merge::kFarthest its k farthest (all, without k). The kept ones stand nearest first, or
// farthest first; at equal distances the lower string id comes first.
void MergePool(Metric metric, Merge merge, std::optional<std::uint64_t> k, std::vector<PooledNeighbor>& pool);

// The same neighbors in no particular order, though always in the same.
void SelectFromPool(Metric metric, Merge merge, std::optional<std::uint64_t> k, std::vector<PooledNeighbor>& pool);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_NEIGHBOR_POOL_H_
