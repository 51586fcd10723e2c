#ifndef ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_WEIGHTS_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "indexer/torch/model_weights.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// One tensor of ModelWeights, as training sees it.
struct TrainedTensor {
  at::Tensor* tensor = nullptr;
  bool decays = false;  // whether AdamW's weight decay pulls at it: matrices yes; tables, norms and biases no
};

// All tensors of `weights`, always in the same order.
std::vector<TrainedTensor> TrainedTensors(ModelWeights& weights);

// The state dict that ModelWeights(state) was made of, with the values that it has now.
StateDict StateOf(const ModelWeights& weights);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_WEIGHTS_H_
