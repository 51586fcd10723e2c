#ifndef ACTKIN_QUERY_EXPERIMENT_NEIGHBOR_TOTALS_H_
#define ACTKIN_QUERY_EXPERIMENT_NEIGHBOR_TOTALS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "query/predict/neighbor_pool.h"
#include "query/predict/next_token_counts.h"
#include "query/predict/saved_neighbor_lists.h"
#include "query/predict/scheme.h"
#include "query/predict/token_totals.h"
#include "storage/formats/saved_neighbors_file.h"

namespace actkin {

// What the neighbors of a request add up to, for one prompt of a set after the other, from what is saved of them.
// Immutable; any thread, each with room of its own.
class NeighborTotals {
 public:
  // What a term's neighbors come from, one a site.
  struct Source {
    StringId first_string_id = 0;
    std::optional<SavedNeighborLists> lists;
    std::shared_ptr<const BandTotalsFile> totals;  // where there are no lists
  };
  // What adding up takes; kept from prompt to prompt.
  struct Room {
    TokenAccumulator sums;
    std::vector<PooledNeighbor> pool;
  };

  // sources: a term each; none: the term's totals are zero. `counts` outlives this object.
  NeighborTotals(PoolRequest request, Kernel kernel, const NextTokenCounts& counts,
                 std::vector<std::vector<Source>> sources)
      : request_(std::move(request)), kernel_(kernel), counts_(counts), sources_(std::move(sources)) {}

  // Throws Error naming a file that is damaged. REQUIRES: the prompt is one of the set's, and the room holds nothing.
  TokenTotals Of(std::uint64_t prompt, Room& room) const;

 private:
  PoolRequest request_;
  Kernel kernel_;
  const NextTokenCounts& counts_;
  std::vector<std::vector<Source>> sources_;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_NEIGHBOR_TOTALS_H_
