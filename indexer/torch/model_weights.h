#ifndef ACTKIN_INDEXER_TORCH_MODEL_WEIGHTS_H_
#define ACTKIN_INDEXER_TORCH_MODEL_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "schema/model_layout.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// A layer's weight, outputs x inputs as PyTorch stores it (of a LayerNorm and a table: as they are), and its bias.
struct LayerWeights {
  at::Tensor weight;
  at::Tensor bias;
};

struct BlockWeights {
  LayerWeights ln1;
  // All heads' queries, then keys, then values: 3 * heads * head_size x embed. Without bias.
  at::Tensor qkv;
  LayerWeights proj;
  LayerWeights ln2;
  LayerWeights ffwd_in;
  LayerWeights ffwd_out;
};

// The weights of a transformer as LibTorch tensors: float32, contiguous, copies of the state dict's. Immutable; any
// thread.
struct ModelWeights {
  // REQUIRES: `state` passes InferModelShape.
  explicit ModelWeights(const StateDict& state);

  ModelShape shape;
  at::Tensor tokens;     // vocabulary x embed
  at::Tensor positions;  // context x embed
  std::vector<BlockWeights> blocks;
  LayerWeights ln_f;
  LayerWeights lm_head;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_MODEL_WEIGHTS_H_
