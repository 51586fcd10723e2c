#include "indexer/torch/reference_forward.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "schema/error.h"

namespace actkin {
namespace {

// Tokens of a batch: bounds the memory that all its intermediate tensors take.
constexpr std::int64_t kBatchTokens = 8192;

at::Tensor Normalize(const LayerWeights& layer, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, layer.weight, layer.bias, kLayerNormEpsilon);
}

at::Tensor Linear(const LayerWeights& layer, const at::Tensor& x) { return at::linear(x, layer.weight, layer.bias); }

// x: batch x length x embed, normalized. Returns the heads' outputs side by side, before the projection.
at::Tensor Attend(const at::Tensor& qkv_weight, const ModelShape& shape, const at::Tensor& x) {
  const std::int64_t batch = x.size(0);
  const std::int64_t length = x.size(1);
  // 3 x batch x heads x length x head_size
  const at::Tensor qkv =
      at::linear(x, qkv_weight).view({batch, length, 3, shape.heads, shape.head_size}).permute({2, 0, 3, 1, 4});
  const at::Tensor future = at::ones({length, length}, at::kBool).triu(1);
  const at::Tensor scores =
      at::matmul(qkv[0], qkv[1].transpose(-2, -1)) / std::sqrt(static_cast<double>(shape.head_size));
  const at::Tensor weights = at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
  return at::matmul(weights, qkv[2]).transpose(1, 2).reshape({batch, length, shape.heads * shape.head_size});
}

// Copies a batch's rows to where they belong among all.
void Place(const at::Tensor& rows, std::vector<float>& all, std::int64_t first_element) {
  const at::Tensor contiguous = rows.contiguous();
  std::copy_n(contiguous.data_ptr<float>(), contiguous.numel(), all.begin() + first_element);
}

}  // namespace

Transformer::Activations ReferenceForward(const ModelWeights& weights, std::span<const TokenId> tokens,
                                          std::int64_t length) {
  const ModelShape& shape = weights.shape;
  if (length < 1 || length > shape.context) {
    Fail("sequences of {} tokens do not fit the model's context of {}", length, shape.context);
  }
  const auto total = static_cast<std::int64_t>(tokens.size());
  if (total % length != 0) Fail("{} tokens are no whole number of sequences of {}", total, length);
  for (const TokenId token : tokens) {
    if (token >= shape.vocabulary_size) Fail("token {} is not in the vocabulary of {}", token, shape.vocabulary_size);
  }

  const c10::InferenceMode no_gradients;
  const auto blocks = static_cast<std::size_t>(shape.blocks);
  Transformer::Activations activations;
  activations.logits.resize(tokens.size() * static_cast<std::size_t>(shape.vocabulary_size));
  activations.proj.assign(blocks, std::vector<float>(tokens.size() * static_cast<std::size_t>(shape.embed)));
  activations.ffwd = activations.proj;

  const std::int64_t count = total / length;
  const std::int64_t batch = std::max<std::int64_t>(kBatchTokens / length, 1);
  const at::Tensor ids = at::empty({count, length}, at::kLong);
  std::copy(tokens.begin(), tokens.end(), ids.data_ptr<std::int64_t>());
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const at::Tensor batch_ids = ids.narrow(0, begin, std::min(batch, count - begin));
    const std::int64_t first = begin * length;
    at::Tensor x = at::embedding(weights.tokens, batch_ids) + weights.positions.narrow(0, 0, length);
    for (std::size_t b = 0; b < blocks; ++b) {
      const BlockWeights& block = weights.blocks[b];
      const at::Tensor proj = Linear(block.proj, Attend(block.qkv, shape, Normalize(block.ln1, x)));
      x = x + proj;
      const at::Tensor ffwd = Linear(block.ffwd_out, at::relu(Linear(block.ffwd_in, Normalize(block.ln2, x))));
      x = x + ffwd;
      Place(proj, activations.proj[b], first * shape.embed);
      Place(ffwd, activations.ffwd[b], first * shape.embed);
    }
    Place(Linear(weights.lm_head, Normalize(weights.ln_f, x)), activations.logits, first * shape.vocabulary_size);
  }
  return activations;
}

}  // namespace actkin
