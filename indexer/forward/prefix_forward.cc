#include "indexer/forward/prefix_forward.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "indexer/forward/block_pass.h"
#include "indexer/forward/prefix_plan.h"
#include "schema/error.h"

namespace actkin {
namespace {

// The nodes of a forest lie level after level: a node's number is that of its level's first node plus its place there.
// A level is attended to by later ones only.
class ForestLayout : public RowLayout {
 public:
  // Numbers the nodes of the first `levels` levels, and notes every node's path.
  void LayOut(const PrefixForest& forest, std::size_t levels) {
    level_begins_.assign(1, 0);
    paths_.resize(std::max(paths_.size(), levels));
    for (std::size_t t = 0; t < levels; ++t) {
      const PrefixForest::Level& level = forest.levels[t];
      std::vector<std::uint32_t>& paths = paths_[t];
      paths.resize(level.tokens.size() * (t + 1));
      for (std::size_t i = 0; i < level.tokens.size(); ++i) {
        if (t > 0) std::copy_n(paths_[t - 1].begin() + level.parents[i] * t, t, paths.begin() + i * (t + 1));
        paths[i * (t + 1) + t] = static_cast<std::uint32_t>(level_begins_[t] + i);
      }
      level_begins_.push_back(level_begins_[t] + static_cast<std::int64_t>(level.tokens.size()));
    }
  }

  std::size_t levels() const { return level_begins_.size() - 1; }
  std::int64_t nodes() const { return level_begins_.back(); }
  Tile Levels(std::size_t begin, std::size_t end) const { return {level_begins_[begin], level_begins_[end]}; }

  void ForPositions(const Tile& tile, const std::function<void(std::size_t, const Tile&)>& run) const override {
    const auto above = std::ranges::upper_bound(level_begins_, tile.begin);
    for (auto level = static_cast<std::size_t>(above - level_begins_.begin()) - 1; level < levels(); ++level) {
      const Tile rows{std::max(tile.begin, level_begins_[level]), std::min(tile.end, level_begins_[level + 1])};
      if (rows.begin >= tile.end) return;
      if (rows.count() > 0) run(level, rows);
    }
  }

  // The part of the tile at each level has paths of one length.
  void Attend(const float* qkv, const AttentionShape& attention, const Tile& tile, float* out) override {
    ForPositions(tile, [&](std::size_t level, const Tile& rows) {
      const std::size_t first = Size(rows.begin - level_begins_[level]);
      AttendPaths(qkv, attention, paths_[level].data() + first * (level + 1), level + 1, Size(rows.count()),
                  out + Size(rows.begin - tile.begin) * attention.width());
    });
  }

 private:
  std::vector<std::int64_t> level_begins_;         // one more than there are levels
  std::vector<std::vector<std::uint32_t>> paths_;  // by level: nodes x (level + 1), the nodes from root to node
};

class ForestPass : public PrefixForward {
 public:
  explicit ForestPass(std::shared_ptr<const CanonicalWeights> weights) : pass_(std::move(weights)) {}

  void Run(const PrefixForest& forest, std::span<const Site> sites, const SiteOutput& output) override {
    Check(forest, sites);
    const PrefixPlan plan(sites);
    if (plan.blocks() == 0) return;
    layout_.LayOut(forest, plan.levels(0));
    Reserve(plan);
    Embed(forest);
    for (std::size_t block = 0; block < plan.blocks(); ++block) {
      for (const PrefixPlan::Segment& segment : plan.segments(block)) {
        pass_.RunRows(block, segment.work, layout_.Levels(segment.begin, segment.end), layout_);
      }
      for (const Site& site : plan.sites(block)) {
        const Tile rows = layout_.Levels(Size(site.t_i), Size(site.t_i) + 1);
        output(site, {pass_.Output(site.stream, rows.begin), Size(rows.count() * Shape().embed)});
      }
    }
  }

 private:
  const ModelDescription& Model() const { return pass_.weights().description; }
  const ModelShape& Shape() const { return Model().shape; }

  // Memory is addressed by what stands in the forest, so it is looked at once more.
  void Check(const PrefixForest& forest, std::span<const Site> sites) const {
    const ModelShape& shape = Shape();
    for (const Site& site : sites) {
      if (site.stream == Stream::kEmbedding || site.block < 0 || site.block >= shape.blocks || site.t_i < 0 ||
          static_cast<std::size_t>(site.t_i) >= forest.levels.size() || site.t_i >= Model().longest_sequence()) {
        Fail("{} does not come out of a model of {} blocks over {} levels", Describe(site), shape.blocks,
             forest.levels.size());
      }
    }
    for (std::size_t t = 0; t < forest.levels.size(); ++t) {
      const PrefixForest::Level& level = forest.levels[t];
      if (std::ranges::any_of(level.tokens, [&](TokenId token) { return token >= shape.vocabulary_size; })) {
        Fail("level {} has a token outside the vocabulary of {}", t, shape.vocabulary_size);
      }
      if (t == 0) continue;
      const std::size_t above = forest.levels[t - 1].tokens.size();
      if (level.parents.size() != level.tokens.size() ||
          std::ranges::any_of(level.parents, [&](std::uint32_t parent) { return parent >= above; })) {
        Fail("level {} has a node without a parent", t);
      }
    }
  }

  void Reserve(const PrefixPlan& plan) {
    bool keeps_proj = false;
    bool keeps_ffwd = false;
    for (std::size_t block = 0; block < plan.blocks(); ++block) {
      for (const PrefixPlan::Segment& segment : plan.segments(block)) {
        keeps_proj |= segment.work.keep_proj;
        keeps_ffwd |= segment.work.keep_ffwd;
      }
    }
    pass_.Reserve(layout_.nodes(), layout_.levels(), keeps_proj, keeps_ffwd);
  }

  void Embed(const PrefixForest& forest) {
    for (std::size_t t = 0; t < layout_.levels(); ++t) {
      pass_.EmbedTogether(layout_.Levels(t, t + 1), forest.levels[t].tokens, t);
    }
  }

  BlockPass pass_;
  ForestLayout layout_;
};

}  // namespace

std::unique_ptr<PrefixForward> MakePrefixForward(std::shared_ptr<const CanonicalWeights> weights) {
  return std::make_unique<ForestPass>(std::move(weights));
}

}  // namespace actkin
