#ifndef ACTKIN_INDEXER_TORCH_TRAINING_ADAMW_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_ADAMW_H_

#include <cstddef>
#include <span>

namespace actkin {

// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", algorithm 2), in plain loops over parts of a
// tensor, so that one pass over the memory does all of an update. Different threads may work on different parts.

inline constexpr float kAdamBeta1 = 0.9F;
inline constexpr float kAdamBeta2 = 0.99F;
inline constexpr float kAdamEpsilon = 1e-8F;

struct AdamWStep {
  float learning_rate = 0;
  float weight_decay = 0;
  float gradient_scale = 1;     // what the gradient is multiplied by first: clipping
  float first_correction = 1;   // 1 / (1 - beta1^steps), steps counted from 1
  float second_correction = 1;  // 1 / (1 - beta2^steps)
  float second_beta = kAdamBeta2;
};

// sum += other, for each of `others`, in their order. Returns the sum of the squares of the result.
double AddGradients(float* sum, std::span<const float* const> others, std::size_t count);

void UpdateParameters(const AdamWStep& step, const float* gradient, std::size_t count, float* parameters,
                      float* first_moment, float* second_moment);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_ADAMW_H_
