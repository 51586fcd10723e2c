#ifndef ACTKIN_QUERY_READER_PROMPT_FORWARD_H_
#define ACTKIN_QUERY_READER_PROMPT_FORWARD_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schema/model_description.h"
#include "schema/site.h"
#include "storage/formats/model_file.h"

namespace actkin {

// The forward pass of a decoder (schema/model_description.h) for a single prompt. Weights are used where they lie in
// the mapped file; opening reads its header alone. Float32 throughout, one thread a prompt; it agrees with LibTorch to
// 1e-5. Immutable; any thread.
class PromptForward {
 public:
  // beginning: the token that stands before every prompt and has no output. Throws Error naming `path` when it is not
  // the model of an index directory.
  explicit PromptForward(const std::filesystem::path& path, std::optional<TokenId> beginning = std::nullopt);

  const ModelDescription& description() const { return model_; }
  const ModelShape& shape() const { return model_.shape; }
  // Tokens of the longest prompt.
  std::int64_t longest_prompt() const { return model_.longest_sequence() - (beginning_ ? 1 : 0); }

  struct Activations {
    std::vector<float> embedding;  // positions x embed: what goes into block 0
    // A block each, positions x embed.
    std::vector<std::vector<float>> proj;
    std::vector<std::vector<float>> ffwd;
    std::vector<std::vector<float>> residual;

    // REQUIRES: stream is not embedding.
    const std::vector<std::vector<float>>& Of(Stream stream) const;
  };

  // Each throws Error (usage) unless there are 1 to longest_prompt() tokens, all below the vocabulary size.
  Activations Run(std::span<const TokenId> tokens) const;
  // The last position's output of one stream, embed numbers: those of Run, to the last bit; later blocks are not run.
  // REQUIRES: stream is not embedding; there is such a block.
  std::vector<float> LastOutput(std::span<const TokenId> tokens, Stream stream, std::int64_t block) const;
  // positions x embed
  std::vector<float> Embedding(std::span<const TokenId> tokens) const;
  // embed numbers: the last position's, as the unembedding reads it.
  std::vector<float> BeforeUnembedding(std::span<const TokenId> tokens) const;
  // vocabulary_size numbers: the model's own distribution of the token after the last.
  std::vector<float> NextTokenProbabilities(std::span<const TokenId> tokens) const;

  // vocabulary_size numbers, of one such vector.
  std::vector<float> Logits(std::span<const float> before_unembedding) const;
  // The distributions that such vectors stand for, each of them to the last bit what it is alone.
  // before_unembedding: count x embed; out: count x vocabulary_size.
  void NextTokenProbabilities(std::span<const float> before_unembedding, std::span<float> out) const;

 private:
  struct Layer {
    WeightView weight;        // outputs x width
    std::vector<float> bias;  // empty: none
  };
  struct NormLayer {
    Norm kind = Norm::kLayer;
    std::vector<float> weight;
    std::vector<float> bias;  // empty: none
  };
  struct Block {
    NormLayer attention_norm;
    Layer qkv;
    NormLayer query_norm;
    NormLayer key_norm;
    Layer proj;
    NormLayer ffwd_norm;
    Layer ffwd_in;
    Layer ffwd_out;
  };

  Layer FindLayer(const std::string& name) const;
  NormLayer FindNorm(const std::string& name, Norm kind) const;
  void CheckTokens(std::span<const TokenId> tokens) const;
  // What every position of `tokens`, the beginning before them, goes into block 0 with.
  std::vector<float> Embed(std::span<const TokenId> tokens) const;
  // residual: positions x embed, in: the embedding, out: what the last block leaves. Outputs go to `activations` where
  // that is not null, without the beginning's.
  void RunBlocks(std::vector<float>& residual, Activations* activations) const {
    RunBlocks(residual, activations, blocks_.size());
  }
  // The same of the first blocks alone.
  void RunBlocks(std::vector<float>& residual, Activations* activations, std::size_t block_count) const;
  std::vector<float> Attend(const Block& block, std::span<const float> normed, std::size_t positions) const;
  // Norms and turns one head's query or key, in place.
  void FinishHead(float* numbers, const NormLayer& norm, std::size_t position) const;
  // Of a row of as many numbers as the norm has; `out` may be the row.
  void Normalize(const NormLayer& norm, const float* row, float* out) const;
  std::vector<float> NormalizeRows(const NormLayer& norm, std::span<const float> rows) const;

  std::filesystem::path path_;
  ModelFile file_;
  const ModelDescription& model_;
  const std::optional<TokenId> beginning_;
  std::vector<double> frequencies_;  // of rotary positions
  WeightView tokens_;                // vocabulary x embed
  WeightView positions_;             // context x embed, or none
  std::vector<Block> blocks_;
  NormLayer final_norm_;
  Layer unembedding_;  // vocabulary x embed
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_PROMPT_FORWARD_H_
