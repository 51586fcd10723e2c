#include "indexer/torch/block_pass.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace actkin {
namespace {

// out = rows * weight^T, where weight is outputs x inputs.
void Product(const at::Tensor& rows, const at::Tensor& weight, at::Tensor out) { at::mm_out(out, rows, weight.t()); }

const float* Data(const at::Tensor& tensor) { return tensor.data_ptr<float>(); }

const float* DataOrNull(const at::Tensor& tensor) { return tensor.defined() ? Data(tensor) : nullptr; }

}  // namespace

void BlockPass::RotaryTable::Reserve(std::size_t positions) {
  for (std::size_t position = cosines.size(); position < positions; ++position) {
    std::vector<float>& of_cosines = cosines.emplace_back();
    std::vector<float>& of_sines = sines.emplace_back();
    for (const double frequency : frequencies) {
      of_cosines.push_back(static_cast<float>(std::cos(static_cast<double>(position) * frequency)));
      of_sines.push_back(static_cast<float>(std::sin(static_cast<double>(position) * frequency)));
    }
  }
}

BlockPass::BlockPass(std::shared_ptr<const CanonicalWeights> weights)
    : weights_(std::move(weights)),
      model_(weights_->description),
      shape_(model_.shape),
      attention_{.heads = Size(shape_.heads),
                 .key_value_heads = Size(model_.key_value_heads),
                 .head_size = Size(shape_.head_size)},
      rotary_{RotaryFrequencies(model_.rotary), {}, {}},
      residual_(shape_.embed),
      qkv_(model_.qkv_size()),
      proj_(shape_.embed),
      ffwd_(shape_.embed),
      normed_(shape_.embed),
      attended_(model_.attention_size()),
      hidden_((model_.gated ? 2 : 1) * shape_.hidden),
      unasked_(shape_.embed) {}

void BlockPass::Reserve(std::int64_t rows, std::size_t positions, bool keeps_proj, bool keeps_ffwd) {
  residual_.Reserve(rows);
  qkv_.Reserve(rows);
  if (keeps_proj) proj_.Reserve(rows);
  if (keeps_ffwd) ffwd_.Reserve(rows);
  normed_.Reserve(kTileRows);
  attended_.Reserve(kTileRows);
  hidden_.Reserve(kTileRows);
  unasked_.Reserve(kTileRows);
  rotary_.Reserve(positions);
}

void BlockPass::Embed(std::int64_t row, TokenId token, std::size_t position) {
  const float* embedding = Data(weights_->tokens) + static_cast<std::int64_t>(token) * shape_.embed;
  float* out = residual_.Row(row);
  if (!weights_->positions.defined()) {
    std::copy_n(embedding, shape_.embed, out);
  } else {
    const float* place = Data(weights_->positions) + static_cast<std::int64_t>(position) * shape_.embed;
    std::transform(embedding, embedding + shape_.embed, place, out, std::plus<float>());
  }
}

void BlockPass::RunRows(std::size_t block, const BlockWork& work, const Tile& rows, RowLayout& layout) {
  // A short tile at the end would waste what the others gain.
  const std::int64_t tiles = (rows.count() + kTileRows - 1) / kTileRows;
  for (std::int64_t i = 0; i < tiles; ++i) {
    RunTile(weights_->blocks[block], work,
            {rows.begin + rows.count() * i / tiles, rows.begin + rows.count() * (i + 1) / tiles}, layout);
  }
}

const float* BlockPass::Output(Stream stream, std::int64_t row) const {
  if (stream == Stream::kProj) return proj_.Row(row);
  return (stream == Stream::kFfwd ? ffwd_ : residual_).Row(row);
}

void BlockPass::RunTile(const CanonicalWeights::Block& block, const BlockWork& work, const Tile& tile,
                        RowLayout& layout) {
  Normalize(block.attention_norm, tile);
  const at::Tensor normed = normed_.Rows(0, tile.count());
  // Where nobody asks for the projection, keys and values are enough.
  const std::int64_t first = work.proj ? 0 : model_.attention_size();
  Product(normed, block.qkv.weight.narrow(0, first, model_.qkv_size() - first),
          qkv_.Rows(tile.begin, tile.count()).narrow(1, first, model_.qkv_size() - first));
  FinishQkv(block, tile, Size(first), layout);
  if (!work.proj) return;

  layout.Attend(qkv_.Row(0), attention_, tile, attended_.Row(0));
  // A parallel network reads what the block was given.
  if (model_.parallel && work.ffwd) Normalize(block.ffwd_norm, tile);
  AddToResidual(attended_.Rows(0, tile.count()), block.proj, work.keep_proj ? &proj_ : nullptr, tile);
  if (!work.ffwd) return;
  if (!model_.parallel) Normalize(block.ffwd_norm, tile);
  Product(normed, block.ffwd_in.weight, hidden_.Rows(0, tile.count()));
  (model_.gated ? ActivateGated : Activate)(hidden_.Row(0), Size(tile.count()), Size(shape_.hidden), model_.activation,
                                            DataOrNull(block.ffwd_in.bias));
  AddToResidual(hidden_.Rows(0, tile.count()).narrow(1, 0, shape_.hidden), block.ffwd_out,
                work.keep_ffwd ? &ffwd_ : nullptr, tile);
}

// Bias, norms and turning of queries, keys and values, from column `first` on.
void BlockPass::FinishQkv(const CanonicalWeights::Block& block, const Tile& tile, std::size_t first,
                          const RowLayout& layout) {
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
  for (const Heads& heads : {queries, keys}) {
    if (heads.column < first) continue;
    for (std::size_t head = 0; head < heads.count && model_.query_key_norm; ++head) {
      float* numbers = qkv_.Row(tile.begin) + heads.column + head * attention_.head_size;
      RmsNormRows(numbers, Size(tile.count()), attention_.head_size, stride, Epsilon(), Data(heads.norm), numbers);
    }
    const std::size_t pairs = rotary_.frequencies.size();
    if (pairs == 0) continue;
    layout.ForPositions(tile, [&](std::size_t position, const Tile& rows) {
      TurnHeads(qkv_.Row(rows.begin) + heads.column, Size(rows.count()), stride, heads.count, attention_.head_size,
                pairs, rotary_.cosines[position].data(), rotary_.sines[position].data());
    });
  }
}

void BlockPass::Normalize(const CanonicalWeights::Layer& norm, const Tile& tile) {
  const std::size_t embed = Size(shape_.embed);
  const float* rows = residual_.Row(tile.begin);
  if (model_.norm == Norm::kRms) {
    RmsNormRows(rows, Size(tile.count()), embed, embed, Epsilon(), Data(norm.weight), normed_.Row(0));
  } else {
    LayerNormRows(rows, Size(tile.count()), embed, Epsilon(), Data(norm.weight), DataOrNull(norm.bias), normed_.Row(0));
  }
}

// The layer's output for the tile's rows goes to `kept`, when that is not null, and onto the residual.
void BlockPass::AddToResidual(const at::Tensor& rows, const CanonicalWeights::Layer& layer, const RowBuffer* kept,
                              const Tile& tile) {
  const RowBuffer& to = kept != nullptr ? *kept : unasked_;
  const std::int64_t first = kept != nullptr ? tile.begin : 0;
  Product(rows, layer.weight, to.Rows(first, tile.count()));
  actkin::AddToResidual(to.Row(first), Size(tile.count()), Size(shape_.embed), DataOrNull(layer.bias),
                        residual_.Row(tile.begin));
}

}  // namespace actkin
