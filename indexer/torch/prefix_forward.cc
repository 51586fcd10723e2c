#include "indexer/torch/prefix_forward.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
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

const float* DataOrNull(const at::Tensor& tensor) { return tensor.defined() ? Data(tensor) : nullptr; }

std::size_t Size(std::int64_t size) { return static_cast<std::size_t>(size); }

// How far heads turn at each position that was asked for: pairs numbers a position.
class RotaryTable {
 public:
  explicit RotaryTable(const Rotary& rotary) : frequencies_(RotaryFrequencies(rotary)) {}

  std::size_t pairs() const { return frequencies_.size(); }
  void Reserve(std::size_t positions) {
    for (std::size_t position = cosines_.size(); position < positions; ++position) {
      std::vector<float>& cosines = cosines_.emplace_back();
      std::vector<float>& sines = sines_.emplace_back();
      for (const double frequency : frequencies_) {
        cosines.push_back(static_cast<float>(std::cos(static_cast<double>(position) * frequency)));
        sines.push_back(static_cast<float>(std::sin(static_cast<double>(position) * frequency)));
      }
    }
  }
  const float* Cosines(std::size_t position) const { return cosines_[position].data(); }
  const float* Sines(std::size_t position) const { return sines_[position].data(); }

 private:
  std::vector<double> frequencies_;
  std::vector<std::vector<float>> cosines_;
  std::vector<std::vector<float>> sines_;
};

// The nodes of a forest lie level after level: a node's number is that of its level's first node plus its place there.
class ForestPass : public PrefixForward {
 public:
  explicit ForestPass(std::shared_ptr<const CanonicalWeights> weights)
      : weights_(std::move(weights)),
        model_(weights_->description),
        shape_(model_.shape),
        attention_{.heads = Size(shape_.heads),
                   .key_value_heads = Size(model_.key_value_heads),
                   .head_size = Size(shape_.head_size)},
        rotary_(model_.rotary),
        residual_(shape_.embed),
        qkv_(model_.qkv_size()),
        proj_(shape_.embed),
        ffwd_(shape_.embed),
        normed_(shape_.embed),
        attended_(model_.attention_size()),
        hidden_((model_.gated ? 2 : 1) * shape_.hidden),
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
        const std::int64_t begin = LevelBegin(site.t_i);
        const std::int64_t count = LevelBegin(site.t_i + 1) - begin;
        output(site, {RowsOf(site.stream).Row(begin), Size(count * shape_.embed)});
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
          static_cast<std::size_t>(site.t_i) >= forest.levels.size() || site.t_i >= model_.longest_sequence()) {
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

  const RowBuffer& RowsOf(Stream stream) const {
    if (stream == Stream::kResidual) return residual_;
    return stream == Stream::kProj ? proj_ : ffwd_;
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
    rotary_.Reserve(levels);
  }

  // Token embedding, and position embedding where there is a table of them.
  void Embed(const PrefixForest& forest) {
    const float* positions = DataOrNull(weights_->positions);
    for (std::size_t t = 0; t + 1 < level_begins_.size(); ++t) {
      float* row = residual_.Row(level_begins_[t]);
      for (const TokenId token : forest.levels[t].tokens) {
        const float* embedding = Data(weights_->tokens) + token * shape_.embed;
        if (positions == nullptr) {
          row = std::copy_n(embedding, shape_.embed, row);
        } else {
          const float* position = positions + static_cast<std::int64_t>(t) * shape_.embed;
          row = std::transform(embedding, embedding + shape_.embed, position, row, std::plus<float>());
        }
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

  void RunTile(const CanonicalWeights::Block& block, const PrefixPlan::Segment& segment, const Tile& tile) {
    Normalize(block.attention_norm, tile);
    const at::Tensor normed = normed_.Rows(0, tile.count());
    // Where nobody asks for the projection, keys and values are enough.
    const std::int64_t first = segment.work.proj ? 0 : model_.attention_size();
    Product(normed, block.qkv.weight.narrow(0, first, model_.qkv_size() - first),
            qkv_.Rows(tile.begin, tile.count()).narrow(1, first, model_.qkv_size() - first));
    FinishQkv(block, segment, tile, Size(first));
    if (!segment.work.proj) return;

    Attend(segment, tile);
    // A parallel network reads what the block was given.
    if (model_.parallel && segment.work.ffwd) Normalize(block.ffwd_norm, tile);
    AddToResidual(attended_.Rows(0, tile.count()), block.proj, segment.work.keep_proj ? &proj_ : nullptr, tile);
    if (!segment.work.ffwd) return;
    if (!model_.parallel) Normalize(block.ffwd_norm, tile);
    Product(normed, block.ffwd_in.weight, hidden_.Rows(0, tile.count()));
    const std::size_t width = Size(shape_.hidden);
    (model_.gated ? ActivateGated : Activate)(hidden_.Row(0), Size(tile.count()), width, model_.activation,
                                              DataOrNull(block.ffwd_in.bias));
    AddToResidual(hidden_.Rows(0, tile.count()).narrow(1, 0, shape_.hidden), block.ffwd_out,
                  segment.work.keep_ffwd ? &ffwd_ : nullptr, tile);
  }

  // Bias, norms and turning of queries, keys and values, from column `first` on.
  void FinishQkv(const CanonicalWeights::Block& block, const PrefixPlan::Segment& segment, const Tile& tile,
                 std::size_t first) {
    const std::size_t stride = attention_.stride();
    if (block.qkv.bias.defined()) {
      AddBias(qkv_.Row(tile.begin) + first, Size(tile.count()), stride - first, stride, Data(block.qkv.bias) + first);
    }
    struct Heads {
      std::size_t column;
      std::size_t count;
      const at::Tensor& norm;
    };
    const Heads queries{0, attention_.heads, block.query_norm.weight};
    const Heads keys{attention_.width(), attention_.key_value_heads, block.key_norm.weight};
    ForLevels(segment, tile, [&](std::size_t level, std::int64_t begin, std::int64_t end) {
      for (const Heads& heads : {queries, keys}) {
        if (heads.column < first) continue;
        float* rows = qkv_.Row(begin) + heads.column;
        for (std::size_t head = 0; head < heads.count && model_.query_key_norm; ++head) {
          float* numbers = rows + head * attention_.head_size;
          RmsNormRows(numbers, Size(end - begin), attention_.head_size, stride, Epsilon(), Data(heads.norm), numbers);
        }
        if (rotary_.pairs() == 0) continue;
        TurnHeads(rows, Size(end - begin), stride, heads.count, attention_.head_size, rotary_.pairs(),
                  rotary_.Cosines(level), rotary_.Sines(level));
      }
    });
  }

  // run(level, begin, end) with the tile's nodes at each level.
  template <typename Action>
  void ForLevels(const PrefixPlan::Segment& segment, const Tile& tile, const Action& run) const {
    for (std::size_t level = segment.begin; level < segment.end; ++level) {
      const std::int64_t begin = std::max(tile.begin, level_begins_[level]);
      const std::int64_t end = std::min(tile.end, level_begins_[level + 1]);
      if (begin < end) run(level, begin, end);
    }
  }

  float Epsilon() const { return static_cast<float>(model_.norm_epsilon); }

  void Normalize(const CanonicalWeights::Layer& norm, const Tile& tile) {
    const std::size_t embed = Size(shape_.embed);
    const float* rows = residual_.Row(tile.begin);
    if (model_.norm == Norm::kRms) {
      RmsNormRows(rows, Size(tile.count()), embed, embed, Epsilon(), Data(norm.weight), normed_.Row(0));
    } else {
      LayerNormRows(rows, Size(tile.count()), embed, Epsilon(), Data(norm.weight), DataOrNull(norm.bias),
                    normed_.Row(0));
    }
  }

  // The part of the tile at each level has paths of one length.
  void Attend(const PrefixPlan::Segment& segment, const Tile& tile) {
    ForLevels(segment, tile, [&](std::size_t level, std::int64_t begin, std::int64_t end) {
      const auto positions = static_cast<std::int64_t>(level + 1);
      AttendPaths(qkv_.Row(0), attention_, paths_[level].data() + (begin - level_begins_[level]) * positions, level + 1,
                  Size(end - begin), attended_.Row(begin - tile.begin));
    });
  }

  // The layer's output for the tile's rows goes to `kept`, when that is not null, and onto the residual.
  void AddToResidual(const at::Tensor& rows, const CanonicalWeights::Layer& layer, const RowBuffer* kept,
                     const Tile& tile) {
    const RowBuffer& to = kept != nullptr ? *kept : unasked_;
    const std::int64_t first = kept != nullptr ? tile.begin : 0;
    Product(rows, layer.weight, to.Rows(first, tile.count()));
    actkin::AddToResidual(to.Row(first), Size(tile.count()), Size(shape_.embed), DataOrNull(layer.bias),
                          residual_.Row(tile.begin));
  }

  const std::shared_ptr<const CanonicalWeights> weights_;
  const ModelDescription& model_;
  const ModelShape& shape_;
  const AttentionShape attention_;
  RotaryTable rotary_;
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

std::unique_ptr<PrefixForward> MakePrefixForward(std::shared_ptr<const CanonicalWeights> weights) {
  return std::make_unique<ForestPass>(std::move(weights));
}

}  // namespace actkin
