#ifndef ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_ATTENTION_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_ATTENTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "schema/model_layout.h"

namespace actkin {

// Causal attention that gradients flow through. qkv: batch * length x 3 * heads * head_size, a row being all heads'
// queries, then keys, then values, contiguous. mask: batch * heads x length x length, what the attention weights are
// multiplied by (dropout), or undefined. Returns batch * length x heads * head_size. Any thread.
//
// It reads and writes the heads where they lie: LibTorch's own batched product would copy them apart, and call BLAS
// through the dispatcher for every head of every sequence.
at::Tensor TrainingAttention(const at::Tensor& qkv, const at::Tensor& mask, const ModelShape& shape,
                             std::int64_t length);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_ATTENTION_H_
