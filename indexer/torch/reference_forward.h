#ifndef ACTKIN_INDEXER_TORCH_REFERENCE_FORWARD_H_
#define ACTKIN_INDEXER_TORCH_REFERENCE_FORWARD_H_

#include <cstdint>
#include <span>

#include "indexer/model/torch_backend.h"
#include "indexer/torch/model_weights.h"

namespace actkin {

// The forward pass as the model's definition reads, in LibTorch's own operations: nothing shared between sequences.
// tokens: count x length, row-major. Throws Error when the length is not 1 to context, or a token is no token. Any
// thread.
Transformer::Activations ReferenceForward(const ModelWeights& weights, std::span<const TokenId> tokens,
                                          std::int64_t length);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_REFERENCE_FORWARD_H_
