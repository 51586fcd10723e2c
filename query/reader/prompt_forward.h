#ifndef ACTKIN_QUERY_READER_PROMPT_FORWARD_H_
#define ACTKIN_QUERY_READER_PROMPT_FORWARD_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "schema/model_layout.h"
#include "schema/site.h"
#include "storage/formats/safetensors.h"

namespace actkin {

// The forward pass of the transformer (model_layout.h) for a single prompt. Weights are used where they lie in the
// mapped file; opening reads its header alone. Float32 throughout, one thread a prompt; it agrees with LibTorch to
// 1e-5. Immutable; any thread.
class PromptForward {
 public:
  // Throws Error naming `path` when it is not a float32 checkpoint of a transformer.
  explicit PromptForward(const std::filesystem::path& path);

  const ModelShape& shape() const { return shape_; }

  struct Activations {
    std::vector<float> embedding;          // positions x embed: token + position embedding
    std::vector<std::vector<float>> proj;  // a block: positions x embed; output of the attention projection, with bias
    std::vector<std::vector<float>> ffwd;  // a block: positions x embed; output of the feed-forward network
  };

  // Each throws Error (usage) unless there are 1 to context tokens, all below the vocabulary size.
  Activations Run(std::span<const TokenId> tokens) const;
  // positions x embed: token + position embedding.
  std::vector<float> Embedding(std::span<const TokenId> tokens) const;
  // vocabulary_size numbers: the model's own distribution of the token after the last.
  std::vector<float> NextTokenProbabilities(std::span<const TokenId> tokens) const;

 private:
  struct Layer {
    const float* weight = nullptr;  // outputs x width
    const float* bias = nullptr;    // outputs; for a LayerNorm both have embed numbers
  };
  struct Head {
    const float* key = nullptr;  // each head_size x embed
    const float* query = nullptr;
    const float* value = nullptr;
  };
  struct Block {
    Layer ln1;
    Layer ln2;
    Layer proj;  // embed x heads * head_size
    Layer ffwd_in;
    Layer ffwd_out;
    std::vector<Head> heads;
  };

  const float* Weights(const std::string& name) const;
  Layer FindLayer(const std::string& prefix) const;
  void CheckTokens(std::span<const TokenId> tokens) const;
  // residual: positions x embed, in: the embedding, out: what the last block leaves. Outputs go to `activations` where
  // that is not null.
  void RunBlocks(std::vector<float>& residual, Activations* activations) const;
  std::vector<float> Attend(const Block& block, std::span<const float> normed, std::size_t positions) const;
  std::vector<float> Normalize(const Layer& norm, std::span<const float> rows) const;

  std::filesystem::path path_;
  SafetensorsFile file_;
  ModelShape shape_;
  const float* tokens_ = nullptr;     // vocabulary x embed
  const float* positions_ = nullptr;  // context x embed
  std::vector<Block> blocks_;
  Layer final_norm_;
  Layer head_;  // vocabulary x embed
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_PROMPT_FORWARD_H_
