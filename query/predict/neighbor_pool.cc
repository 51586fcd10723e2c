#include "query/predict/neighbor_pool.h"

#include <algorithm>
#include <cstddef>

namespace actkin {
namespace {

auto Before(Metric metric, Merge merge) {
  const bool ascending = (metric == Metric::kL2) == (merge == Merge::kNearest);
  return [ascending](const PooledNeighbor& a, const PooledNeighbor& b) {
    if (a.distance != b.distance) return (a.distance < b.distance) == ascending;
    return a.string_id < b.string_id;
  };
}

}  // namespace

void SelectFromPool(Metric metric, Merge merge, std::optional<std::uint64_t> k, std::vector<PooledNeighbor>& pool) {
  if (!k || pool.size() <= *k) return;
  std::ranges::nth_element(pool, pool.begin() + static_cast<std::ptrdiff_t>(*k), Before(metric, merge));
  pool.resize(*k);
}

void MergePool(Metric metric, Merge merge, std::optional<std::uint64_t> k, std::vector<PooledNeighbor>& pool) {
  SelectFromPool(metric, merge, k, pool);
  std::ranges::sort(pool, Before(metric, merge));
}

}  // namespace actkin
