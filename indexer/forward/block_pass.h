#ifndef ACTKIN_INDEXER_FORWARD_BLOCK_PASS_H_
#define ACTKIN_INDEXER_FORWARD_BLOCK_PASS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "indexer/forward/block_work.h"
#include "indexer/forward/canonical_weights.h"
#include "indexer/forward/forward_kernels.h"
#include "indexer/forward/row_buffer.h"
#include "schema/site.h"

namespace actkin {

// BLAS counts in signed numbers.
inline std::size_t Size(std::int64_t size) { return static_cast<std::size_t>(size); }

// Rows [begin, end) of a pass, which go through a whole block while they are in cache.
struct Tile {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return end - begin; }
};

// How the rows of a pass hang together, which is all that differs from one pass to another.
class RowLayout {
 public:
  virtual ~RowLayout() = default;

  // Calls run(position, rows) with pieces that together are the tile: rows that stand at one position of the model's
  // context.
  virtual void ForPositions(const Tile& tile, const std::function<void(std::size_t, const Tile&)>& run) const = 0;
  // Attention of the tile's queries. qkv: all rows, of which those that the tile attends to are made; out: tile.count()
  // x attention.width().
  virtual void Attend(const float* qkv, const AttentionShape& attention, const Tile& tile, float* out) = 0;
};

// The residual streams of some rows on their way through the blocks of a decoder. It knows blocks, not families: norms,
// rotary positions, grouped heads, gates and parallel networks are what the description says. One thread; memory is
// kept between batches.
class BlockPass {
 public:
  explicit BlockPass(std::shared_ptr<const CanonicalWeights> weights);

  // Rows of a tile: enough for the matrix product to run at its best.
  static constexpr std::int64_t kTileRows = 512;

  // Makes room for a batch of so many rows, at positions below `positions`, and forgets the last one.
  void Reserve(std::int64_t rows, std::size_t positions, bool keeps_proj, bool keeps_ffwd);

  // row `row` begins as the token's embedding, and the position's where there is a table of them.
  // REQUIRES: the token is below the vocabulary size.
  void Embed(std::int64_t row, TokenId token, std::size_t position);

  // The same of rows that all stand at `position`, with the first block's queries, keys and values, which depend on
  // nothing else: they are made once for each token. tokens: of the rows. Either this or Embed of all rows of a batch.
  void EmbedTogether(const Tile& rows, std::span<const TokenId> tokens, std::size_t position);

  // Takes rows through one block, in tiles of equal size. REQUIRES: all rows that these attend to were taken through it
  // before, or stand before them here.
  void RunRows(std::size_t block, const BlockWork& work, const Tile& rows, RowLayout& layout);

  // What a stream has put out at the last block, from `row` on; the embedding before the first.
  const float* Output(Stream stream, std::int64_t row) const;

  const CanonicalWeights& weights() const { return *weights_; }

 private:
  void RunTile(const CanonicalWeights::Block& block, const BlockWork& work, const Tile& tile, bool has_qkv,
               RowLayout& layout);
  void MakeQkv(const CanonicalWeights::Block& block, const BlockWork& work, const Tile& tile, const RowLayout& layout);
  void WriteEmbedding(TokenId token, std::size_t position, float* out) const;
  void AddBiasAndNorms(const CanonicalWeights::Block& block, std::int64_t rows, std::size_t first, float* qkv) const;
  void Turn(std::int64_t rows, std::size_t position, std::size_t first, float* qkv) const;
  void Normalize(const CanonicalWeights::Layer& norm, std::int64_t row_count, const float* rows);
  void AddToResidual(const RowBuffer& rows, std::int64_t width, const CanonicalWeights::Layer& layer,
                     const RowBuffer* kept, const Tile& tile);
  float Epsilon() const { return static_cast<float>(model_.norm_epsilon); }

  // How far heads turn at each position: pairs numbers a position.
  struct RotaryTable {
    std::vector<double> frequencies;
    std::vector<std::vector<float>> cosines;
    std::vector<std::vector<float>> sines;

    void Reserve(std::size_t positions);
  };

  const std::shared_ptr<const CanonicalWeights> weights_;
  const ModelDescription& model_;
  const ModelShape& shape_;
  const AttentionShape attention_;
  // Queries, keys and values in a row of qkv_.
  struct Heads {
    std::size_t column;
    std::size_t count;
  };
  Heads Queries() const { return {0, attention_.heads}; }
  Heads Keys() const { return {attention_.width(), attention_.key_value_heads}; }

  RotaryTable rotary_;

  // By row of the batch.
  RowBuffer residual_;
  RowBuffer qkv_;
  RowBuffer proj_;  // of the current block, where it is kept
  RowBuffer ffwd_;
  // By row of the current tile.
  RowBuffer normed_;
  RowBuffer attended_;
  RowBuffer hidden_;
  RowBuffer unasked_;  // what nobody asked for, on its way to the residual
  // By token of EmbedTogether, so many at once.
  RowBuffer token_embeddings_;
  RowBuffer token_qkv_;
  bool has_first_qkv_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_BLOCK_PASS_H_
