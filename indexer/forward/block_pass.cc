#include "indexer/forward/block_pass.h"

#include <cblas.h>
// A C header reached through this one may define it.
#undef I

#include <algorithm>
#include <cmath>
#include <utility>

namespace actkin {
namespace {

// A part of the columns of some rows: between rows lie stride numbers.
template <typename Number>
struct Columns {
  Number* numbers;
  std::int64_t count;
  std::int64_t stride;
};

// out = rows * weight^T, of row_count rows. weight: out.count x rows.count.
void Product(std::int64_t row_count, const Columns<const float>& rows, const float* weight, const Columns<float>& out) {
  const auto size = [](std::int64_t number) { return static_cast<blasint>(number); };
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, size(row_count), size(out.count), size(rows.count), 1.0F,
              rows.numbers, size(rows.stride), weight, size(rows.count), 0.0F, out.numbers, size(out.stride));
}

const float* DataOrNull(const std::vector<float>& numbers) { return numbers.empty() ? nullptr : numbers.data(); }

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
      unasked_(shape_.embed),
      token_embeddings_(shape_.embed),
      token_qkv_(model_.qkv_size()) {}

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
  has_first_qkv_ = false;
}

void BlockPass::Embed(std::int64_t row, TokenId token, std::size_t position) {
  WriteEmbedding(token, position, residual_.Row(row));
}

void BlockPass::EmbedTogether(const Tile& rows, std::span<const TokenId> tokens, std::size_t position) {
  std::vector<TokenId> distinct(tokens.begin(), tokens.end());
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  std::vector<std::int64_t> places;  // of the rows' tokens among these
  for (const TokenId token : tokens) places.push_back(std::ranges::lower_bound(distinct, token) - distinct.begin());
  token_embeddings_.Reserve(kTileRows);
  token_qkv_.Reserve(kTileRows);
  const CanonicalWeights::Block& block = weights_->blocks.front();
  const auto end = static_cast<std::int64_t>(distinct.size());
  for (std::int64_t first = 0; first < end; first += kTileRows) {
    const std::int64_t count = std::min(kTileRows, end - first);
    for (std::int64_t i = 0; i < count; ++i) {
      WriteEmbedding(distinct[Size(first + i)], position, token_embeddings_.Row(i));
    }
    Normalize(block.attention_norm, count, token_embeddings_.Row(0));
    Product(count, {normed_.Row(0), shape_.embed, shape_.embed}, block.qkv.weight.data(),
            {token_qkv_.Row(0), model_.qkv_size(), model_.qkv_size()});
    AddBiasAndNorms(block, count, 0, token_qkv_.Row(0));
    Turn(count, position, 0, token_qkv_.Row(0));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::int64_t place = places[i] - first;
      if (place < 0 || place >= count) continue;
      const std::int64_t row = rows.begin + static_cast<std::int64_t>(i);
      std::copy_n(token_embeddings_.Row(place), shape_.embed, residual_.Row(row));
      std::copy_n(token_qkv_.Row(place), model_.qkv_size(), qkv_.Row(row));
    }
  }
  has_first_qkv_ = true;
}

void BlockPass::WriteEmbedding(TokenId token, std::size_t position, float* out) const {
  const float* embedding = weights_->tokens.data() + static_cast<std::int64_t>(token) * shape_.embed;
  if (weights_->positions.empty()) {
    std::copy_n(embedding, shape_.embed, out);
  } else {
    const float* place = weights_->positions.data() + static_cast<std::int64_t>(position) * shape_.embed;
    std::transform(embedding, embedding + shape_.embed, place, out, std::plus<float>());
  }
}

void BlockPass::RunRows(std::size_t block, const BlockWork& work, const Tile& rows, RowLayout& layout) {
  // A short tile at the end would waste what the others gain.
  const std::int64_t tiles = (rows.count() + kTileRows - 1) / kTileRows;
  for (std::int64_t i = 0; i < tiles; ++i) {
    RunTile(weights_->blocks[block], work,
            {rows.begin + rows.count() * i / tiles, rows.begin + rows.count() * (i + 1) / tiles},
            block == 0 && has_first_qkv_, layout);
  }
}

const float* BlockPass::Output(Stream stream, std::int64_t row) const {
  if (stream == Stream::kProj) return proj_.Row(row);
  return (stream == Stream::kFfwd ? ffwd_ : residual_).Row(row);
}

void BlockPass::RunTile(const CanonicalWeights::Block& block, const BlockWork& work, const Tile& tile, bool has_qkv,
                        RowLayout& layout) {
  if (!has_qkv) MakeQkv(block, work, tile, layout);
  if (!work.proj) return;

  layout.Attend(qkv_.Row(0), attention_, tile, attended_.Row(0));
  const float* residual = residual_.Row(tile.begin);
  // A parallel network reads what the block was given.
  if (model_.parallel && work.ffwd) Normalize(block.ffwd_norm, tile.count(), residual);
  AddToResidual(attended_, model_.attention_size(), block.proj, work.keep_proj ? &proj_ : nullptr, tile);
  if (!work.ffwd) return;
  if (!model_.parallel) Normalize(block.ffwd_norm, tile.count(), residual);
  Product(tile.count(), {normed_.Row(0), shape_.embed, shape_.embed}, block.ffwd_in.weight.data(),
          {hidden_.Row(0), hidden_.columns(), hidden_.columns()});
  (model_.gated ? ActivateGated : Activate)(hidden_.Row(0), Size(tile.count()), Size(shape_.hidden), model_.activation,
                                            DataOrNull(block.ffwd_in.bias));
  AddToResidual(hidden_, shape_.hidden, block.ffwd_out, work.keep_ffwd ? &ffwd_ : nullptr, tile);
}

void BlockPass::MakeQkv(const CanonicalWeights::Block& block, const BlockWork& work, const Tile& tile,
                        const RowLayout& layout) {
  Normalize(block.attention_norm, tile.count(), residual_.Row(tile.begin));
  // Where nobody asks for the projection, keys and values are enough.
  const std::int64_t first = work.proj ? 0 : model_.attention_size();
  Product(tile.count(), {normed_.Row(0), shape_.embed, shape_.embed}, block.qkv.weight.data() + first * shape_.embed,
          {qkv_.Row(tile.begin) + first, model_.qkv_size() - first, model_.qkv_size()});
  AddBiasAndNorms(block, tile.count(), Size(first), qkv_.Row(tile.begin));
  if (rotary_.frequencies.empty()) return;
  layout.ForPositions(tile, [&](std::size_t position, const Tile& rows) {
    Turn(rows.count(), position, Size(first), qkv_.Row(rows.begin));
  });
}

// Of queries, keys and values, from column `first` on.
void BlockPass::AddBiasAndNorms(const CanonicalWeights::Block& block, std::int64_t rows, std::size_t first,
                                float* qkv) const {
  const std::size_t stride = attention_.stride();
  if (!block.qkv.bias.empty()) {
    AddBias(qkv + first, Size(rows), stride - first, stride, block.qkv.bias.data() + first);
  }
  if (!model_.query_key_norm) return;
  for (const auto& [heads, norm] : {std::pair(Queries(), &block.query_norm), std::pair(Keys(), &block.key_norm)}) {
    if (heads.column < first) continue;
    for (std::size_t head = 0; head < heads.count; ++head) {
      float* numbers = qkv + heads.column + head * attention_.head_size;
      RmsNormRows(numbers, Size(rows), attention_.head_size, stride, Epsilon(), norm->weight.data(), numbers);
    }
  }
}

// Queries and keys of rows at one position, likewise.
void BlockPass::Turn(std::int64_t rows, std::size_t position, std::size_t first, float* qkv) const {
  const std::size_t pairs = rotary_.frequencies.size();
  if (pairs == 0) return;
  for (const Heads& heads : {Queries(), Keys()}) {
    if (heads.column < first) continue;
    TurnHeads(qkv + heads.column, Size(rows), attention_.stride(), heads.count, attention_.head_size, pairs,
              rotary_.cosines[position].data(), rotary_.sines[position].data());
  }
}

void BlockPass::Normalize(const CanonicalWeights::Layer& norm, std::int64_t row_count, const float* rows) {
  const std::size_t embed = Size(shape_.embed);
  if (model_.norm == Norm::kRms) {
    RmsNormRows(rows, Size(row_count), embed, embed, Epsilon(), norm.weight.data(), normed_.Row(0));
  } else {
    LayerNormRows(rows, Size(row_count), embed, Epsilon(), norm.weight.data(), DataOrNull(norm.bias), normed_.Row(0));
  }
}

// The layer's output for the tile's rows, of which it reads the first `width` numbers, goes to `kept`, when that is not
// null, and onto the residual.
void BlockPass::AddToResidual(const RowBuffer& rows, std::int64_t width, const CanonicalWeights::Layer& layer,
                              const RowBuffer* kept, const Tile& tile) {
  const RowBuffer& to = kept != nullptr ? *kept : unasked_;
  const std::int64_t first = kept != nullptr ? tile.begin : 0;
  Product(tile.count(), {rows.Row(0), width, rows.columns()}, layer.weight.data(),
          {to.Row(first), shape_.embed, shape_.embed});
  actkin::AddToResidual(to.Row(first), Size(tile.count()), Size(shape_.embed), DataOrNull(layer.bias),
                        residual_.Row(tile.begin));
}

}  // namespace actkin
