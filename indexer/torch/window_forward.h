#ifndef ACTKIN_INDEXER_TORCH_WINDOW_FORWARD_H_
#define ACTKIN_INDEXER_TORCH_WINDOW_FORWARD_H_

#include <memory>

#include "indexer/model/torch_backend.h"
#include "indexer/torch/canonical_weights.h"

namespace actkin {

// The forward pass of whole windows of a model.
std::unique_ptr<WindowForward> MakeWindowForward(std::shared_ptr<const CanonicalWeights> weights);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_WINDOW_FORWARD_H_
