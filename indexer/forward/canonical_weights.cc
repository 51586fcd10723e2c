#include "indexer/forward/canonical_weights.h"

#include <string>

namespace actkin {

CanonicalWeights::CanonicalWeights(const ModelTensors& model) : description(model.description()) {
  const auto numbers = [&](const std::string& name) {
    return model.Has(name) ? model.ReadFloats(name) : std::vector<float>();
  };
  const auto layer = [&](const std::string& name) -> Layer {
    return {.weight = numbers(name + ".weight"), .bias = numbers(name + ".bias")};
  };
  tokens = numbers("token_embedding.weight");
  positions = numbers("position_embedding.weight");
  for (std::int64_t block = 0; block < description.shape.blocks; ++block) {
    blocks.push_back({.attention_norm = layer(BlockTensor("attention_norm", block)),
                      .qkv = layer(BlockTensor("qkv", block)),
                      .query_norm = layer(BlockTensor("query_norm", block)),
                      .key_norm = layer(BlockTensor("key_norm", block)),
                      .proj = layer(BlockTensor("proj", block)),
                      .ffwd_norm = layer(BlockTensor("ffwd_norm", block)),
                      .ffwd_in = layer(BlockTensor("ffwd_in", block)),
                      .ffwd_out = layer(BlockTensor("ffwd_out", block))});
  }
}

}  // namespace actkin
