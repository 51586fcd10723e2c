#include "indexer/torch/training/trainer.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "indexer/torch/model_weights.h"
#include "indexer/torch/torch_error.h"
#include "indexer/torch/training/adamw.h"
#include "indexer/torch/training/dropout_masks.h"
#include "indexer/torch/training/training_attention.h"
#include "indexer/torch/training/training_threads.h"
#include "indexer/torch/training/training_weights.h"

namespace actkin {
namespace {

constexpr double kLargestGradientNorm = 1.0;
constexpr float kWeightDecay = 0.1F;
// Tokens that a replica looks at in one piece where no gradients are kept: bounds the memory.
constexpr std::int64_t kLossTokens = 8192;
// Numbers of a tensor that are updated in one piece. Fixed, so that sums do not depend on the number of threads.
constexpr std::int64_t kPieceNumbers = 1 << 15;

at::Tensor Normalize(const LayerWeights& layer, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, layer.weight, layer.bias, kLayerNormEpsilon);
}

at::Tensor Linear(const LayerWeights& layer, const at::Tensor& x) { return at::addmm(layer.bias, x, layer.weight.t()); }

// residual + mask * change, where an undefined mask stands for ones.
at::Tensor AddToResidual(const at::Tensor& residual, const at::Tensor& change, const at::Tensor& mask) {
  return mask.defined() ? at::addcmul(residual, change, mask) : residual + change;
}

struct Batch {
  at::Tensor inputs;   // sequences x context
  at::Tensor targets;  // sequences * context
};

Batch MakeBatch(std::span<const TokenId> sequences, std::int64_t context) {
  const std::int64_t count = static_cast<std::int64_t>(sequences.size()) / (context + 1);
  Batch batch{at::empty({count, context}, at::kLong), at::empty({count * context}, at::kLong)};
  auto* inputs = batch.inputs.data_ptr<std::int64_t>();
  auto* targets = batch.targets.data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < count; ++row) {
    const TokenId* sequence = sequences.data() + row * (context + 1);
    std::copy_n(sequence, context, inputs + row * context);
    std::copy_n(sequence + 1, context, targets + row * context);
  }
  return batch;
}

// The mean cross-entropy over a batch.
at::Tensor BatchLoss(const ModelWeights& weights, const Batch& batch, DropoutMasks& masks) {
  const ModelShape& shape = weights.shape;
  const std::int64_t count = batch.inputs.size(0);
  const std::int64_t tokens = count * shape.context;
  at::Tensor x = (at::embedding(weights.tokens, batch.inputs) + weights.positions).view({tokens, shape.embed});
  for (const BlockWeights& block : weights.blocks) {
    const at::Tensor qkv = at::mm(Normalize(block.ln1, x), block.qkv.t());
    const at::Tensor attention =
        TrainingAttention(qkv, masks.Next({count * shape.heads, shape.context, shape.context}), shape, shape.context);
    x = AddToResidual(x, Linear(block.proj, attention), masks.Next({tokens, shape.embed}));
    const at::Tensor hidden = Linear(block.ffwd_in, Normalize(block.ln2, x)).relu_();
    x = AddToResidual(x, Linear(block.ffwd_out, hidden), masks.Next({tokens, shape.embed}));
  }
  return at::cross_entropy_loss(Linear(weights.lm_head, Normalize(weights.ln_f, x)), batch.targets);
}

// A part of a tensor.
struct Piece {
  std::size_t tensor = 0;
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

// Sequences [begin, end) of `count` are replica `number`'s.
std::pair<std::size_t, std::size_t> Share(std::size_t count, int number, int replicas) {
  const auto n = static_cast<std::size_t>(number);
  const auto all = static_cast<std::size_t>(replicas);
  return {count * n / all, count * (n + 1) / all};
}

class TorchTrainer : public Trainer {
 public:
  TorchTrainer(const TrainerOptions& options, const TrainingState& state)
      : options_(options),
        steps_(state.steps),
        weights_(state.parameters),
        first_(state.first_moments.tensors.empty() ? weights_ : ModelWeights(state.first_moments)),
        second_(state.second_moments.tensors.empty() ? weights_ : ModelWeights(state.second_moments)),
        threads_(options.threads) {
    tensors_ = TrainedTensors(weights_);
    first_tensors_ = Moments(first_, state.first_moments);
    second_tensors_ = Moments(second_, state.second_moments);
    for (int number = 0; number < threads_.count(); ++number) {
      ModelWeights& replica = replicas_.emplace_back(weights_);
      for (const TrainedTensor& trained : TrainedTensors(replica)) {
        *trained.tensor = trained.tensor->detach().requires_grad_(true);
      }
    }
    for (std::size_t tensor = 0; tensor < tensors_.size(); ++tensor) {
      const std::int64_t numbers = tensors_[tensor].tensor->numel();
      for (std::int64_t begin = 0; begin < numbers; begin += kPieceNumbers) {
        pieces_.push_back({tensor, begin, std::min(kPieceNumbers, numbers - begin)});
      }
    }
    squares_.resize(pieces_.size());
  }

  double Step(std::span<const TokenId> sequences, double learning_rate) override {
    return WithOneLineErrors("the training", [&] {
      const double loss = Backward(sequences);
      const double norm = ReduceGradients();
      if (!std::isfinite(loss) || !std::isfinite(norm)) return std::numeric_limits<double>::quiet_NaN();
      ++steps_;
      Update(learning_rate, norm);
      return loss;
    });
  }

  double Loss(std::span<const TokenId> sequences) override {
    return WithOneLineErrors("the validation", [&] {
      const std::size_t row = RowTokens();
      const std::size_t count = sequences.size() / row;
      const auto piece = static_cast<std::size_t>(std::max<std::int64_t>(kLossTokens / weights_.shape.context, 1));
      std::vector<double> sums((count + piece - 1) / piece);
      threads_.Run([&](int number) {
        const c10::InferenceMode no_gradients;
        DropoutMasks none(0, 0, 0, 0);
        for (auto p = static_cast<std::size_t>(number); p < sums.size();
             p += static_cast<std::size_t>(threads_.count())) {
          const std::size_t begin = p * piece;
          const std::size_t size = std::min(piece, count - begin);
          const Batch batch = MakeBatch(sequences.subspan(begin * row, size * row), weights_.shape.context);
          sums[p] = BatchLoss(weights_, batch, none).item<double>() * static_cast<double>(size);
        }
      });
      double sum = 0;
      for (const double part : sums) sum += part;
      return sum / static_cast<double>(count);
    });
  }

  TrainingState State() const override { return {steps_, StateOf(weights_), StateOf(first_), StateOf(second_)}; }

  double MatrixProductSeconds(std::size_t sequence_count) override;

 private:
  using Clock = std::chrono::steady_clock;

  // The moments' tensors; those that the state does not hold become zeros. Until then they share the parameters'
  // memory.
  static std::vector<TrainedTensor> Moments(ModelWeights& moments, const StateDict& state) {
    std::vector<TrainedTensor> tensors = TrainedTensors(moments);
    if (state.tensors.empty()) {
      for (const TrainedTensor& trained : tensors) *trained.tensor = at::zeros_like(*trained.tensor);
    }
    return tensors;
  }

  std::size_t RowTokens() const { return static_cast<std::size_t>(weights_.shape.context) + 1; }

  // Leaves each replica's part of the mean loss's gradient in its tensors; returns the mean loss.
  double Backward(std::span<const TokenId> sequences) {
    const std::size_t row = RowTokens();
    const std::size_t count = sequences.size() / row;
    std::vector<double> losses(static_cast<std::size_t>(threads_.count()));
    threads_.Run([&](int number) {
      ModelWeights& replica = replicas_[static_cast<std::size_t>(number)];
      for (const TrainedTensor& trained : TrainedTensors(replica)) trained.tensor->mutable_grad().reset();
      const auto [begin, end] = Share(count, number, threads_.count());
      if (begin == end) return;
      const double part = static_cast<double>(end - begin) / static_cast<double>(count);
      const Batch batch = MakeBatch(sequences.subspan(begin * row, (end - begin) * row), weights_.shape.context);
      DropoutMasks masks(options_.dropout, options_.seed, steps_, static_cast<std::uint64_t>(number));
      const at::Tensor loss = BatchLoss(replica, batch, masks) * part;
      losses[static_cast<std::size_t>(number)] = loss.item<double>();
      loss.backward();
    });
    double sum = 0;
    for (const double loss : losses) sum += loss;
    return sum;
  }

  // Adds the replicas' gradients up, in their order; returns the sum's Euclidean norm.
  double ReduceGradients() {
    gradients_.assign(tensors_.size(), {});
    for (ModelWeights& replica : replicas_) {
      const std::vector<TrainedTensor> trained = TrainedTensors(replica);
      for (std::size_t tensor = 0; tensor < trained.size(); ++tensor) {
        const at::Tensor gradient = trained[tensor].tensor->grad();
        if (gradient.defined()) gradients_[tensor].push_back(gradient.contiguous());
      }
    }
    ForMyPieces([&](std::size_t number, const Piece& piece) {
      const std::vector<at::Tensor>& gradients = gradients_[piece.tensor];
      std::vector<const float*> others;
      for (std::size_t i = 1; i < gradients.size(); ++i) others.push_back(gradients[i].data_ptr<float>() + piece.begin);
      squares_[number] =
          AddGradients(gradients[0].data_ptr<float>() + piece.begin, others, static_cast<std::size_t>(piece.count));
    });
    double sum = 0;
    for (const double square : squares_) sum += square;
    return std::sqrt(sum);
  }

  void Update(double learning_rate, double norm) {
    const auto steps = static_cast<double>(steps_);
    const AdamWStep step{
        .learning_rate = static_cast<float>(learning_rate),
        .weight_decay = 0,
        .gradient_scale = norm > kLargestGradientNorm ? static_cast<float>(kLargestGradientNorm / norm) : 1.0F,
        .first_correction = static_cast<float>(1 / (1 - std::pow(double{kAdamBeta1}, steps))),
        .second_correction = static_cast<float>(1 / (1 - std::pow(double{kAdamBeta2}, steps)))};
    ForMyPieces([&](std::size_t, const Piece& piece) {
      AdamWStep own = step;
      own.weight_decay = tensors_[piece.tensor].decays ? kWeightDecay : 0;
      const auto at = [&piece](const at::Tensor& tensor) { return tensor.data_ptr<float>() + piece.begin; };
      UpdateParameters(own, at(gradients_[piece.tensor][0]), static_cast<std::size_t>(piece.count),
                       at(*tensors_[piece.tensor].tensor), at(*first_tensors_[piece.tensor].tensor),
                       at(*second_tensors_[piece.tensor].tensor));
    });
  }

  template <typename Action>
  void ForMyPieces(const Action& action) {
    threads_.Run([&](int number) {
      const auto [begin, end] = Share(pieces_.size(), number, threads_.count());
      for (std::size_t i = begin; i < end; ++i) action(i, pieces_[i]);
    });
  }

  const TrainerOptions options_;
  std::uint64_t steps_;
  ModelWeights weights_;
  ModelWeights first_;
  ModelWeights second_;
  TrainingThreads threads_;
  std::vector<TrainedTensor> tensors_;
  std::vector<TrainedTensor> first_tensors_;
  std::vector<TrainedTensor> second_tensors_;
  // Share the memory of weights_; each has gradients of its own.
  std::vector<ModelWeights> replicas_;
  std::vector<Piece> pieces_;
  std::vector<double> squares_;                     // a piece: the sum of its gradient's squares
  std::vector<std::vector<at::Tensor>> gradients_;  // a tensor: of each replica that has one
};

double TorchTrainer::MatrixProductSeconds(std::size_t sequence_count) {
  constexpr auto kEnough = std::chrono::milliseconds(250);
  const ModelShape& shape = weights_.shape;
  std::vector<at::Tensor> layers;
  for (const BlockWeights& block : weights_.blocks) {
    layers.insert(layers.end(), {block.qkv, block.proj.weight, block.ffwd_in.weight, block.ffwd_out.weight});
  }
  layers.push_back(weights_.lm_head.weight);
  const auto run = [&] {
    threads_.Run([&](int number) {
      const c10::InferenceMode no_gradients;
      const auto [begin, end] = Share(sequence_count, number, threads_.count());
      const std::int64_t tokens = static_cast<std::int64_t>(end - begin) * shape.context;
      for (const at::Tensor& layer : layers) {
        const at::Tensor in = at::zeros({tokens, layer.size(1)});
        const at::Tensor out = at::mm(in, layer.t());
        at::mm(out, layer);
        at::mm(in.t(), out);
      }
    });
  };
  run();
  // The fastest of several, since other programs can only slow it down.
  double best = std::numeric_limits<double>::infinity();
  const Clock::time_point start = Clock::now();
  for (int round = 0; round < 3 || Clock::now() - start < 2 * kEnough; ++round) {
    const Clock::time_point begin = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

// A thread's own arena of glibc's gives memory back to the kernel whenever it is empty, whatever M_TRIM_THRESHOLD says,
// and every step would fetch all its pages again.
void KeepMemoryOfAllThreads() { mallopt(M_ARENA_MAX, 1); }

}  // namespace

std::unique_ptr<Trainer> MakeTrainer(const TrainerOptions& options, const TrainingState& state) {
  KeepMemoryOfAllThreads();
  return std::make_unique<TorchTrainer>(options, state);
}

}  // namespace actkin
