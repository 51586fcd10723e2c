#include "indexer/torch/model_weights.h"

#include <ATen/ATen.h>

#include <string>

namespace actkin {
namespace {

at::Tensor CopyOf(const Tensor& tensor) {
  // from_blob wants a pointer to what it may change; the clone alone is kept.
  return at::from_blob(const_cast<float*>(tensor.values.data()), tensor.shape, at::kFloat).clone();
}

}  // namespace

ModelWeights::ModelWeights(const StateDict& state) : shape(InferModelShape(state.Shapes(), "the model")) {
  const auto tensor = [&](const std::string& name) { return CopyOf(state.tensors.at(name)); };
  const auto layer = [&](const std::string& name) -> LayerWeights {
    return {.weight = tensor(name + ".weight"), .bias = tensor(name + ".bias")};
  };
  tokens = tensor("token_embedding_table.weight");
  positions = tensor("position_embedding_table.weight");
  for (std::int64_t block = 0; block < shape.blocks; ++block) {
    std::vector<at::Tensor> heads;
    for (const char* which : {"query", "key", "value"}) {
      for (std::int64_t head = 0; head < shape.heads; ++head) heads.push_back(tensor(HeadTensor(block, head, which)));
    }
    blocks.push_back({.ln1 = layer(StudyTensor(block, "ln1")),
                      .qkv = at::cat(heads),
                      .proj = layer(StudyTensor(block, "sa.proj")),
                      .ln2 = layer(StudyTensor(block, "ln2")),
                      .ffwd_in = layer(StudyTensor(block, "ffwd.net.0")),
                      .ffwd_out = layer(StudyTensor(block, "ffwd.net.2"))});
  }
  ln_f = layer("ln_f");
  lm_head = layer("lm_head");
}

}  // namespace actkin
