#ifndef ACTKIN_INDEXER_FORWARD_PREFIX_FORWARD_H_
#define ACTKIN_INDEXER_FORWARD_PREFIX_FORWARD_H_

#include <memory>

#include "indexer/forward/canonical_weights.h"
#include "indexer/model/forward_backend.h"

namespace actkin {

// The prefix-shared forward pass of a model.
std::unique_ptr<PrefixForward> MakePrefixForward(std::shared_ptr<const CanonicalWeights> weights);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_FORWARD_PREFIX_FORWARD_H_
