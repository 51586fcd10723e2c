#include "indexer/torch/training/dropout_masks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "schema/random.h"

namespace actkin {

DropoutMasks::DropoutMasks(double probability, std::uint64_t seed, std::uint64_t step, std::uint64_t replica)
    : zeros_(static_cast<std::uint32_t>(std::lround(probability * 65536))) {
  zeros_ = std::min<std::uint32_t>(zeros_, 65535);
  kept_ = 65536.0F / static_cast<float>(65536 - zeros_);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    // Never zero, where xorshift would stay.
    state_[lane] =
        static_cast<std::uint32_t>(MixedBits(MixedBits(MixedBits(seed) + step) + replica * kLanes + lane)) | 1U;
  }
}

at::Tensor DropoutMasks::Next(at::IntArrayRef sizes) {
  if (zeros_ == 0) return {};
  const at::Tensor mask = at::empty(sizes, at::kFloat);
  float* values = mask.data_ptr<float>();
  const auto count = static_cast<std::size_t>(mask.numel());
  std::array<float, 2 * kLanes> next{};
  const auto draw = [&](float* out) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      std::uint32_t bits = state_[lane];
      bits ^= bits << 13;
      bits ^= bits >> 17;
      bits ^= bits << 5;
      state_[lane] = bits;
      out[lane] = (bits & 0xffffU) >= zeros_ ? kept_ : 0.0F;
      out[lane + kLanes] = (bits >> 16) >= zeros_ ? kept_ : 0.0F;
    }
  };
  std::size_t filled = 0;
  for (; filled + next.size() <= count; filled += next.size()) draw(values + filled);
  if (filled < count) {
    draw(next.data());
    std::copy_n(next.begin(), count - filled, values + filled);
  }
  return mask;
}

}  // namespace actkin
