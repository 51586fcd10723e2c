#ifndef ACTKIN_INDEXER_TORCH_CANONICAL_WEIGHTS_H_
#define ACTKIN_INDEXER_TORCH_CANONICAL_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "storage/formats/model_tensors.h"

namespace actkin {

// The weights of a decoder under canonical names (schema/model_description.h) as LibTorch tensors: float32, contiguous,
// copies. A tensor that the model does not have is undefined. Immutable; any thread.
struct CanonicalWeights {
  explicit CanonicalWeights(const ModelTensors& model);

  struct Layer {
    at::Tensor weight;
    at::Tensor bias;
  };
  struct Block {
    Layer attention_norm;
    Layer qkv;
    Layer query_norm;
    Layer key_norm;
    Layer proj;
    Layer ffwd_norm;
    Layer ffwd_in;
    Layer ffwd_out;
  };

  ModelDescription description;
  at::Tensor tokens;     // vocabulary x embed
  at::Tensor positions;  // context x embed
  std::vector<Block> blocks;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_CANONICAL_WEIGHTS_H_
