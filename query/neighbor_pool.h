#ifndef ACTKIN_QUERY_NEIGHBOR_POOL_H_
#define ACTKIN_QUERY_NEIGHBOR_POOL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "schema/site.h"

namespace actkin {

// A neighbor among those of several t_is.
struct PooledNeighbor {
  StringId string_id = 0;
  double distance = 0;  // the metric's value

  friend bool operator==(const PooledNeighbor&, const PooledNeighbor&) = default;
};

// Merges the neighbors of one stream and block at several t_is, pooled in any order: duplicates stay; the k nearest of
// the pool are kept, or with Merge::kFarthest its k farthest (all, without k). The kept ones stand nearest first, or
// farthest first; at equal distances the lower string id comes first.
void MergePool(Metric metric, Merge merge, std::optional<std::uint64_t> k, std::vector<PooledNeighbor>& pool);

// The same neighbors in no particular order, though always in the same.
void SelectFromPool(Metric metric, Merge merge, std::optional<std::uint64_t> k, std::vector<PooledNeighbor>& pool);

}  // namespace actkin

#endif  // ACTKIN_QUERY_NEIGHBOR_POOL_H_
