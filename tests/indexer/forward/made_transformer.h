#ifndef ACTKIN_TESTS_INDEXER_FORWARD_MADE_TRANSFORMER_H_
#define ACTKIN_TESTS_INDEXER_FORWARD_MADE_TRANSFORMER_H_

#include "schema/model_layout.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// Sizes that fit no vector.
inline constexpr ModelShape kOddShape{
    .vocabulary_size = 11, .context = 9, .embed = 20, .blocks = 3, .heads = 2, .head_size = 7, .hidden = 33};

// Random weights of the usual size for their width.
StateDict MadeTransformer(const ModelShape& shape, unsigned seed);

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_FORWARD_MADE_TRANSFORMER_H_
