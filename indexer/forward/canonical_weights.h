#ifndef ACTKIN_INDEXER_FORWARD_CANONICAL_WEIGHTS_H_
#define ACTKIN_INDEXER_FORWARD_CANONICAL_WEIGHTS_H_

#include <vector>

#include "storage/formats/model_tensors.h"

namespace actkin {

// The weights of a decoder under canonical names (schema/model_description.h) as float32 numbers,
// copies. A tensor that the model does not have is empty. Immutable; any thread.
struct CanonicalWeights {
  explicit CanonicalWeights(const ModelTensors& model);

  struct Layer {
    std::vector<float> weight;  // outputs x inputs
    std::vector<float> bias;
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
  std::vector<float> tokens;     // vocabulary x embed
  std::vector<float> positions;  // context x embed
  std::vector<Block> blocks;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_CANONICAL_WEIGHTS_H_
