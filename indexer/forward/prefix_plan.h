#ifndef ACTKIN_INDEXER_FORWARD_PREFIX_PLAN_H_
#define ACTKIN_INDEXER_FORWARD_PREFIX_PLAN_H_

#include <cstddef>
#include <set>
#include <span>
#include <vector>

#include "indexer/forward/block_work.h"
#include "schema/site.h"

namespace actkin {

// The least that a forward pass must do so that some sites come out. Immutable; any thread.
class PrefixPlan {
 public:
  // Levels [begin, end) that have the same work.
  struct Segment {
    std::size_t begin = 0;
    std::size_t end = 0;
    BlockWork work;
  };

  // REQUIRES: sites are of streams proj, ffwd and residual.
  explicit PrefixPlan(std::span<const Site> sites);

  // Blocks beyond these are not needed.
  std::size_t blocks() const { return segments_.size(); }
  // Levels that `block` works at. Never increasing with the block.
  std::size_t levels(std::size_t block) const { return segments_[block].back().end; }
  // They cover all levels of the block, in order.
  const std::vector<Segment>& segments(std::size_t block) const { return segments_[block]; }
  // The sites of a block: proj before ffwd before residual, then by t_i; each once.
  const std::vector<Site>& sites(std::size_t block) const { return sites_[block]; }

 private:
  std::vector<std::vector<Segment>> segments_;  // by block
  std::vector<std::vector<Site>> sites_;        // by block
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_PREFIX_PLAN_H_
