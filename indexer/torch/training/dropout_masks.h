#ifndef ACTKIN_INDEXER_TORCH_TRAINING_DROPOUT_MASKS_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_DROPOUT_MASKS_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace actkin {

// Makes the masks of one forward pass: the same arguments always make the same ones, so that nothing about them needs
// to be stored. One thread at a time.
class DropoutMasks {
 public:
  // probability: of a zero, rounded to a multiple of 1/65536. `step` and `replica` select an independent sequence.
  DropoutMasks(double probability, std::uint64_t seed, std::uint64_t step, std::uint64_t replica);

  // Float32, each element 0 or 1 / (1 - probability). Undefined, which stands for ones, where the probability is 0.
  at::Tensor Next(at::IntArrayRef sizes);

 private:
  // Independent xorshift generators (Marsaglia, "Xorshift RNGs"), side by side for the compiler to vectorize.
  static constexpr std::size_t kLanes = 16;
  std::array<std::uint32_t, kLanes> state_{};
  std::uint32_t zeros_ = 0;  // how many of 65,536 values make a zero
  float kept_ = 1;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_DROPOUT_MASKS_H_
