#include "indexer/torch/training/training_weights.h"

#include <ATen/ATen.h>

#include <string>

namespace actkin {
namespace {

Tensor Copied(const at::Tensor& tensor) {
  Tensor copy;
  copy.shape = tensor.sizes().vec();
  const float* values = tensor.data_ptr<float>();
  copy.values.assign(values, values + tensor.numel());
  return copy;
}

}  // namespace

std::vector<TrainedTensor> TrainedTensors(ModelWeights& weights) {
  std::vector<TrainedTensor> tensors{{&weights.tokens}, {&weights.positions}};
  const auto add = [&tensors](LayerWeights& layer, bool decays) {
    tensors.push_back({&layer.weight, decays});
    tensors.push_back({&layer.bias, false});
  };
  for (BlockWeights& block : weights.blocks) {
    add(block.ln1, false);
    tensors.push_back({&block.qkv, true});
    add(block.proj, true);
    add(block.ln2, false);
    add(block.ffwd_in, true);
    add(block.ffwd_out, true);
  }
  add(weights.ln_f, false);
  add(weights.lm_head, true);
  return tensors;
}

StateDict StateOf(const ModelWeights& weights) {
  StateDict state;
  const ModelShape& shape = weights.shape;
  const auto layer = [&state](const std::string& name, const LayerWeights& values) {
    state.tensors[name + ".weight"] = Copied(values.weight);
    state.tensors[name + ".bias"] = Copied(values.bias);
  };
  state.tensors["token_embedding_table.weight"] = Copied(weights.tokens);
  state.tensors["position_embedding_table.weight"] = Copied(weights.positions);
  for (std::int64_t b = 0; b < shape.blocks; ++b) {
    const BlockWeights& block = weights.blocks[static_cast<std::size_t>(b)];
    std::int64_t row = 0;
    for (const char* which : {"query", "key", "value"}) {
      for (std::int64_t head = 0; head < shape.heads; ++head, row += shape.head_size) {
        state.tensors[HeadTensor(b, head, which)] = Copied(block.qkv.narrow(0, row, shape.head_size));
      }
    }
    layer(StudyTensor(b, "ln1"), block.ln1);
    layer(StudyTensor(b, "sa.proj"), block.proj);
    layer(StudyTensor(b, "ln2"), block.ln2);
    layer(StudyTensor(b, "ffwd.net.0"), block.ffwd_in);
    layer(StudyTensor(b, "ffwd.net.2"), block.ffwd_out);
  }
  layer("ln_f", weights.ln_f);
  layer("lm_head", weights.lm_head);
  return state;
}

}  // namespace actkin
