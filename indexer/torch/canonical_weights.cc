#include "indexer/torch/canonical_weights.h"

#include <ATen/ATen.h>

#include <span>
#include <string>

namespace actkin {
namespace {

at::Tensor TensorOf(const ModelTensors& model, const std::string& name) {
  if (!model.Has(name)) return {};
  const WeightType& type = model.types().at(name);
  if (type.precision != Precision::kFloat32) {
    // LibTorch's own numbers of two bytes take these bytes as they are.
    const at::ScalarType half = type.precision == Precision::kFloat16 ? at::kHalf : at::kBFloat16;
    const at::Tensor read = at::empty(type.shape, half);
    model.Read(name, {static_cast<std::byte*>(read.data_ptr()), type.bytes()});
    return read.to(at::kFloat);
  }
  at::Tensor read = at::empty(type.shape, at::kFloat);
  model.Read(name, {static_cast<std::byte*>(read.data_ptr()), type.bytes()});
  return read;
}

}  // namespace

CanonicalWeights::CanonicalWeights(const ModelTensors& model) : description(model.description()) {
  const auto layer = [&](const std::string& name) -> Layer {
    return {.weight = TensorOf(model, name + ".weight"), .bias = TensorOf(model, name + ".bias")};
  };
  tokens = TensorOf(model, "token_embedding.weight");
  positions = TensorOf(model, "position_embedding.weight");
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
