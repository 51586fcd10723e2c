#include "indexer/torch/training/training_attention.h"

#include <ATen/ATen.h>
#include <cblas.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

namespace actkin {
namespace {

// Where the matrices of one sequence and one head lie.
struct AttentionSizes {
  std::int64_t heads = 0;
  std::int64_t head_size = 0;
  std::int64_t length = 0;
  std::int64_t batch = 0;

  std::int64_t width() const { return heads * head_size; }
  // The first number of a head's queries in a tensor whose rows hold `row_width` numbers.
  std::int64_t Offset(std::int64_t sequence, std::int64_t head, std::int64_t row_width) const {
    return sequence * length * row_width + head * head_size;
  }
};

struct HeadMatrix {
  const float* values;
  std::int64_t stride;
  bool transposed;
};

// out (rows x columns) = scale * left x right, inner being the size that is summed over.
void Multiply(const HeadMatrix& left, const HeadMatrix& right, std::int64_t rows, std::int64_t columns,
              std::int64_t inner, float scale, float* out, std::int64_t out_stride) {
  cblas_sgemm(CblasRowMajor, left.transposed ? CblasTrans : CblasNoTrans, right.transposed ? CblasTrans : CblasNoTrans,
              static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(inner), scale, left.values,
              static_cast<int>(left.stride), right.values, static_cast<int>(right.stride), 0.0F, out,
              static_cast<int>(out_stride));
}

template <typename Action>
void ForEachHead(const AttentionSizes& sizes, const Action& action) {
  for (std::int64_t sequence = 0; sequence < sizes.batch; ++sequence) {
    for (std::int64_t head = 0; head < sizes.heads; ++head) action(sequence, head, sequence * sizes.heads + head);
  }
}

class Attention : public torch::autograd::Function<Attention> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& qkv,
                            const c10::optional<at::Tensor>& given_mask, std::int64_t heads, std::int64_t head_size,
                            std::int64_t length) {
    const at::Tensor mask = given_mask.value_or(at::Tensor());
    const AttentionSizes sizes{heads, head_size, length, qkv.size(0) / length};
    const std::int64_t width = sizes.width();
    const float* in = qkv.data_ptr<float>();
    const float scale = 1.0F / std::sqrt(static_cast<float>(head_size));
    const at::Tensor scores = at::empty({sizes.batch * heads, length, length}, qkv.options());
    ForEachHead(sizes, [&](std::int64_t sequence, std::int64_t head, std::int64_t number) {
      const float* queries = in + sizes.Offset(sequence, head, 3 * width);
      float* out = scores.data_ptr<float>() + number * length * length;
      Multiply({queries, 3 * width, false}, {queries + width, 3 * width, true}, length, length, head_size, scale, out,
               length);
      for (std::int64_t row = 0; row < length; ++row) {
        std::fill(out + row * length + row + 1, out + (row + 1) * length, -std::numeric_limits<float>::infinity());
      }
    });
    const at::Tensor weights = at::_softmax(scores, -1, false);
    const at::Tensor used = mask.defined() ? weights * mask : weights;
    at::Tensor result = at::empty({qkv.size(0), width}, qkv.options());
    ForEachHead(sizes, [&](std::int64_t sequence, std::int64_t head, std::int64_t number) {
      Multiply({used.data_ptr<float>() + number * length * length, length, false},
               {in + sizes.Offset(sequence, head, 3 * width) + 2 * width, 3 * width, false}, length, head_size, length,
               1.0F, result.data_ptr<float>() + sizes.Offset(sequence, head, width), width);
    });
    context->save_for_backward({qkv, weights, used, mask});
    context->saved_data["heads"] = heads;
    context->saved_data["head_size"] = head_size;
    context->saved_data["length"] = length;
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& qkv = saved[0];
    const at::Tensor& weights = saved[1];
    const at::Tensor& used = saved[2];
    const at::Tensor& mask = saved[3];
    const std::int64_t length = context->saved_data["length"].toInt();
    const AttentionSizes sizes{context->saved_data["heads"].toInt(), context->saved_data["head_size"].toInt(), length,
                               qkv.size(0) / length};
    const std::int64_t width = sizes.width();
    const float scale = 1.0F / std::sqrt(static_cast<float>(sizes.head_size));
    const at::Tensor gradient = gradients[0].contiguous();
    const float* in = qkv.data_ptr<float>();
    at::Tensor result = at::empty(qkv.sizes(), qkv.options());
    at::Tensor used_gradient = at::empty(weights.sizes(), qkv.options());
    ForEachHead(sizes, [&](std::int64_t sequence, std::int64_t head, std::int64_t number) {
      const std::int64_t values = sizes.Offset(sequence, head, 3 * width) + 2 * width;
      const float* out_gradient = gradient.data_ptr<float>() + sizes.Offset(sequence, head, width);
      const std::int64_t square = number * length * length;
      Multiply({out_gradient, width, false}, {in + values, 3 * width, true}, length, length, sizes.head_size, 1.0F,
               used_gradient.data_ptr<float>() + square, length);
      Multiply({used.data_ptr<float>() + square, length, true}, {out_gradient, width, false}, length, sizes.head_size,
               length, 1.0F, result.data_ptr<float>() + values, 3 * width);
    });
    if (mask.defined()) used_gradient.mul_(mask);
    const at::Tensor score_gradient = at::_softmax_backward_data(used_gradient, weights, -1, at::kFloat);
    ForEachHead(sizes, [&](std::int64_t sequence, std::int64_t head, std::int64_t number) {
      const std::int64_t queries = sizes.Offset(sequence, head, 3 * width);
      const float* square = score_gradient.data_ptr<float>() + number * length * length;
      Multiply({square, length, false}, {in + queries + width, 3 * width, false}, length, sizes.head_size, length,
               scale, result.data_ptr<float>() + queries, 3 * width);
      Multiply({square, length, true}, {in + queries, 3 * width, false}, length, sizes.head_size, length, scale,
               result.data_ptr<float>() + queries + width, 3 * width);
    });
    return {result, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor TrainingAttention(const at::Tensor& qkv, const at::Tensor& mask, const ModelShape& shape,
                             std::int64_t length) {
  // A tensor that is undefined cannot be handed on as such.
  const c10::optional<at::Tensor> given = mask.defined() ? c10::make_optional(mask) : c10::nullopt;
  return Attention::apply(qkv, given, shape.heads, shape.head_size, length);
}

}  // namespace actkin
