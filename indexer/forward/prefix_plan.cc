#include "indexer/forward/prefix_plan.h"

#include <algorithm>
#include <tuple>

namespace actkin {

PrefixPlan::PrefixPlan(std::span<const Site> sites) {
  for (const Site& site : sites) {
    const auto block = static_cast<std::size_t>(site.block);
    if (sites_.size() <= block) sites_.resize(block + 1);
    sites_[block].push_back(site);
  }
  for (std::vector<Site>& of_block : sites_) {
    std::ranges::sort(of_block);  // by stream, then t_i
    const auto repeated = std::unique(of_block.begin(), of_block.end());
    of_block.erase(repeated, of_block.end());
  }

  segments_.resize(sites_.size());
  std::size_t later_levels = 0;  // levels that later blocks work at, and need this block's whole output for
  for (std::size_t block = sites_.size(); block-- > 0;) {
    std::vector<BlockWork> works(later_levels, {.proj = true, .ffwd = true});
    for (const Site& site : sites_[block]) {
      const auto level = static_cast<std::size_t>(site.t_i);
      if (works.size() <= level) works.resize(level + 1);
      BlockWork& work = works[level];
      work.proj = true;
      work.ffwd |= site.stream != Stream::kProj;
      work.keep_proj |= site.stream == Stream::kProj;
      work.keep_ffwd |= site.stream == Stream::kFfwd;
    }
    for (std::size_t level = 0; level < works.size(); ++level) {
      std::vector<Segment>& segments = segments_[block];
      if (!segments.empty() && segments.back().work == works[level]) {
        segments.back().end = level + 1;
      } else {
        segments.push_back({.begin = level, .end = level + 1, .work = works[level]});
      }
    }
    later_levels = works.size();
  }
}

}  // namespace actkin
