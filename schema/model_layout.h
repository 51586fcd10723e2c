#ifndef ACTKIN_SCHEMA_MODEL_LAYOUT_H_
#define ACTKIN_SCHEMA_MODEL_LAYOUT_H_

#include <cstdint>
#include <string>

#include "schema/model_description.h"

namespace actkin {

// The study's architecture, which is the one that is trained here: its sizes are all read off the state dict. Per block
// x += proj(attention(ln1(x))) and x += ffwd(ln2(x)); attention is causal with heads of head_size, key/query/value
// without bias, scale 1/sqrt(head_size); ffwd is Linear(embed, hidden), ReLU, Linear(hidden, embed); LayerNorm eps
// 1e-5; then ln_f and lm_head with bias.

inline constexpr float kLayerNormEpsilon = 1e-5F;

// Names of the state dict. Weights of a linear layer are (output x input), row-major, as PyTorch stores them.
std::string HeadTensor(std::int64_t block, std::int64_t head, const char* which);  // which: "key", "query", "value"
std::string StudyTensor(std::int64_t block, const char* rest);  // rest: "sa.proj.weight", "ln1.bias", ...

// Tensors that a state dict may hold and nobody reads: the causal masks `.tril`.
bool IsIgnoredTensor(const std::string& name);

// Every tensor that a model of `shape` has.
TensorShapes ExpectedTensors(const ModelShape& shape);

// The sizes of the model whose state dict has these tensors (ignored ones may be among them). Throws Error naming the
// first missing, surplus or misshapen tensor, and `file`.
ModelShape InferModelShape(const TensorShapes& tensors, const std::string& file);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_MODEL_LAYOUT_H_
