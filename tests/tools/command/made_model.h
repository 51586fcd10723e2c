#ifndef ACTKIN_TESTS_TOOLS_COMMAND_MADE_MODEL_H_
#define ACTKIN_TESTS_TOOLS_COMMAND_MADE_MODEL_H_

#include <cstdint>
#include <string>

#include "schema/model_layout.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// A text over seven characters, two of them of several bytes, with much repetition.
std::string MadeCorpus(std::size_t characters);

// A model with random weights for that text: 2 blocks, 2 heads, 12 dimensions, context 8.
inline constexpr ModelShape kMadeShape{
    .vocabulary_size = 7, .context = 8, .embed = 12, .blocks = 2, .heads = 2, .head_size = 6, .hidden = 20};
StateDict MadeModel(unsigned seed = 1, const ModelShape& shape = kMadeShape);
// kMadeShape with so many rows of embeddings, one a token id.
ModelShape MadeShapeOf(std::int64_t rows);

}  // namespace actkin

#endif  // ACTKIN_TESTS_TOOLS_COMMAND_MADE_MODEL_H_
