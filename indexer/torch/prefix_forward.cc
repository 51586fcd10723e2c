#include "indexer/torch/prefix_forward.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "indexer/torch/forward_kernels.h"
#include "indexer/torch/prefix_plan.h"
#include "indexer/torch/torch_error.h"
#include "schema/error.h"

namespace actkin {
namespace {

// Nodes of a tile. A tile's rows go through a whole block while they are in cache, and are enough for the matrix
// product to run at its best.
constexpr std::int64_t kTileRows = 512;

// Rows of a matrix that keeps its memory: it grows and never shrinks.
class RowBuffer {
 public:
  explicit RowBuffer(std::int64_t columns) : columns_(columns) {}

  void Reserve(std::int64_t rows) {
    if (!rows_.defined() || rows_.size(0) < rows) {
      rows_ = at::Tensor();  // first, so that old and new are not held together
      rows_ = at::empty({rows, columns_}, at::kFloat);
    }
  }
  float* Row(std::int64_t row) const { return rows_.data_ptr<float>() + row * columns_; }
  at::Tensor Rows(std::int64_t begin, std::int64_t count) const { return rows_.narrow(0, begin, count); }

 private:
  std::int64_t columns_;
  at::Tensor rows_;
};

// out = rows * weight^T, where weight is outputs x inputs.
void Product(const at::Tensor& rows, const at::Tensor& weight, at::Tensor out) { at::mm_out(out, rows, weight.t()); }

const float* Data(const at::Tensor& tensor) { return tensor.data_ptr<float>(); }

// The nodes of a forest lie level after level: a node's number is that of its level's first node plus its place there.
class ForestPass : public PrefixForward {
 public:
  explicit ForestPass(std::shared_ptr<const ModelWeights> weights)
      : weights_(std::move(weights)),
        shape_(weights_->shape),
        attention_{.heads = static_cast<std::size_t>(shape_.heads),
                   .head_size = static_cast<std::size_t>(shape_.head_size)},
        residual_(shape_.embed),
        qkv_(static_cast<std::int64_t>(attention_.stride())),
        proj_(shape_.embed),
        ffwd_(shape_.embed),
        normed_(shape_.embed),
        attended_(static_cast<std::int64_t>(attention_.width())),
        hidden_(shape_.hidden),
        unasked_(shape_.embed) {}

  void Run(const PrefixForest& forest, std::span<const Site> sites, const SiteOutput& output) override {
    const c10::InferenceMode no_gradients;
    Check(forest, sites);
    const PrefixPlan plan(sites);
    if (plan.blocks() == 0) return;
    WithOneLineErrors("the forward pass", [&] {
      LayOut(forest, plan);
      Embed(forest);
    });
    for (std::size_t block = 0; block < plan.blocks(); ++block) {
      WithOneLineErrors("the forward pass", [&] { RunBlock(plan, block); });
      for (const Site& site : plan.sites(block)) {
        const RowBuffer& rows = site.stream == Stream::kProj ? proj_ : ffwd_;
        const std::int64_t begin = LevelBegin(site.t_i);
        const std::int64_t count = LevelBegin(site.t_i + 1) - begin;
        output(site, {rows.Row(begin), static_cast<std::size_t>(count * shape_.embed)});
      }
    }
  }

 private:
  // Nodes [begin, end).
  struct Tile {
    std::int64_t begin = 0;
    std::int64_t end = 0;

    std::int64_t count() const { return end - begin; }
  };

  // Memory is addressed by what stands in the forest, so it is looked at once more.
  void Check(const PrefixForest& forest, std::span<const Site> sites) const {
    for (const Site& site : sites) {
      if (site.stream == Stream::kEmbedding || site.block < 0 || site.block >= shape_.blocks || site.t_i < 0 ||
          static_cast<std::size_t>(site.t_i) >= forest.levels.size() || site.t_i >= shape_.context) {
        Fail("{} does not come out of a model of {} blocks over {} levels", Describe(site), shape_.blocks,
             forest.levels.size());
      }
    }
    for (std::size_t t = 0; t < forest.levels.size(); ++t) {
      const PrefixForest::Level& level = forest.levels[t];
      if (std::ranges::any_of(level.tokens, [&](TokenId token) { return token >= shape_.vocabulary_size; })) {
        Fail("level {} has a token outside the vocabulary of {}", t, shape_.vocabulary_size);
      }
      if (t == 0) continue;
      const std::size_t above = forest.levels[t - 1].tokens.size();
      if (level.parents.size() != level.tokens.size() ||
          std::ranges::any_of(level.parents, [&](std::uint32_t parent) { return parent >= above; })) {
        Fail("level {} has a node without a parent", t);
      }
    }
  }

  std::int64_t LevelBegin(int level) const { return level_begins_[static_cast<std::size_t>(level)]; }

  // Numbers the nodes, notes every node's path, and makes room.
  void LayOut(const PrefixForest& forest, const PrefixPlan& plan) {
    const std::size_t levels = plan.levels(0);
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

    const std::int64_t nodes = level_begins_.back();
    residual_.Reserve(nodes);
    qkv_.Reserve(nodes);
    bool keeps_proj = false;
    bool keeps_ffwd = false;
    for (std::size_t block = 0; block < plan.blocks(); ++block) {
      for (const PrefixPlan::Segment& segment : plan.segments(block)) {
        keeps_proj |= segment.work.keep_proj;
        keeps_ffwd |= segment.work.keep_ffwd;
      }
    }
    if (keeps_proj) proj_.Reserve(nodes);
    if (keeps_ffwd) ffwd_.Reserve(nodes);
    normed_.Reserve(kTileRows);
    attended_.Reserve(kTileRows);
    hidden_.Reserve(kTileRows);
    unasked_.Reserve(kTileRows);
  }

  // Token embedding + position embedding.
  void Embed(const PrefixForest& forest) {
    for (std::size_t t = 0; t + 1 < level_begins_.size(); ++t) {
      const float* position = Data(weights_->positions) + static_cast<std::int64_t>(t) * shape_.embed;
      float* row = residual_.Row(level_begins_[t]);
      for (const TokenId token : forest.levels[t].tokens) {
        const float* embedding = Data(weights_->tokens) + token * shape_.embed;
        row = std::transform(embedding, embedding + shape_.embed, position, row, std::plus<float>());
      }
    }
  }

  // A level is attended to by later ones only, so the keys of a tile's paths are there when it is reached.
  void RunBlock(const PrefixPlan& plan, std::size_t block) {
    for (const PrefixPlan::Segment& segment : plan.segments(block)) {
      const std::int64_t begin = level_begins_[segment.begin];
      const std::int64_t nodes = level_begins_[segment.end] - begin;
      // Tiles of equal size: a short one at the end would waste what the others gain.
      const std::int64_t tiles = (nodes + kTileRows - 1) / kTileRows;
      for (std::int64_t i = 0; i < tiles; ++i) {
        RunTile(weights_->blocks[block], segment,
                {.begin = begin + nodes * i / tiles, .end = begin + nodes * (i + 1) / tiles});
      }
    }
  }

  void RunTile(const BlockWeights& block, const PrefixPlan::Segment& segment, const Tile& tile) {
    Normalize(block.ln1, tile);
    const at::Tensor normed = normed_.Rows(0, tile.count());
    if (!segment.work.proj) {
      const auto width = static_cast<std::int64_t>(attention_.width());
      Product(normed, block.qkv.narrow(0, width, 2 * width),
              qkv_.Rows(tile.begin, tile.count()).narrow(1, width, 2 * width));
      return;
    }
    Product(normed, block.qkv, qkv_.Rows(tile.begin, tile.count()));
    Attend(segment, tile);
    AddToResidual(attended_.Rows(0, tile.count()), block.proj, segment.work.keep_proj ? &proj_ : nullptr, tile);
    if (!segment.work.ffwd) return;

    Normalize(block.ln2, tile);
    const at::Tensor hidden = hidden_.Rows(0, tile.count());
    Product(normed, block.ffwd_in.weight, hidden);
    AddBiasRelu(hidden_.Row(0), static_cast<std::size_t>(tile.count()), static_cast<std::size_t>(shape_.hidden),
                Data(block.ffwd_in.bias));
    AddToResidual(hidden, block.ffwd_out, segment.work.keep_ffwd ? &ffwd_ : nullptr, tile);
  }

  void Normalize(const LayerWeights& norm, const Tile& tile) {
    LayerNormRows(residual_.Row(tile.begin), static_cast<std::size_t>(tile.count()),
                  static_cast<std::size_t>(shape_.embed), Data(norm.weight), Data(norm.bias), normed_.Row(0));
  }

  // The part of the tile at each level has paths of one length.
  void Attend(const PrefixPlan::Segment& segment, const Tile& tile) {
    for (std::size_t level = segment.begin; level < segment.end; ++level) {
      const std::int64_t begin = std::max(tile.begin, level_begins_[level]);
      const std::int64_t end = std::min(tile.end, level_begins_[level + 1]);
      if (begin >= end) continue;
      const auto positions = static_cast<std::int64_t>(level + 1);
      AttendPaths(qkv_.Row(0), attention_, paths_[level].data() + (begin - level_begins_[level]) * positions, level + 1,
                  static_cast<std::size_t>(end - begin), attended_.Row(begin - tile.begin));
    }
  }

  // The layer's output for the tile's rows goes to `kept`, when that is not null, and onto the residual.
  void AddToResidual(const at::Tensor& rows, const LayerWeights& layer, const RowBuffer* kept, const Tile& tile) {
    const RowBuffer& to = kept != nullptr ? *kept : unasked_;
    const std::int64_t first = kept != nullptr ? tile.begin : 0;
    Product(rows, layer.weight, to.Rows(first, tile.count()));
    AddBiasToResidual(to.Row(first), static_cast<std::size_t>(tile.count()), static_cast<std::size_t>(shape_.embed),
                      Data(layer.bias), residual_.Row(tile.begin));
  }

  const std::shared_ptr<const ModelWeights> weights_;
  const ModelShape& shape_;
  const AttentionShape attention_;
  std::vector<std::int64_t> level_begins_;         // one more than there are levels
  std::vector<std::vector<std::uint32_t>> paths_;  // by level: nodes x (level + 1), the nodes from root to node

  // By node.
  RowBuffer residual_;
  RowBuffer qkv_;
  RowBuffer proj_;  // of the current block, at the levels asked for
  RowBuffer ffwd_;
  // By row of the current tile.
  RowBuffer normed_;
  RowBuffer attended_;
  RowBuffer hidden_;
  RowBuffer unasked_;  // what nobody asked for, on its way to the residual
};

}  // namespace

std::unique_ptr<PrefixForward> MakePrefixForward(std::shared_ptr<const ModelWeights> weights) {
  return std::make_unique<ForestPass>(std::move(weights));
}

}  // namespace actkin
