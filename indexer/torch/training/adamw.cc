#include "indexer/torch/training/adamw.h"

#include <array>
#include <cmath>

namespace actkin {

double AddGradients(float* sum, std::span<const float* const> others, std::size_t count) {
  for (const float* other : others) {
    for (std::size_t i = 0; i < count; ++i) sum[i] += other[i];
  }
  // Lanes of their own, since a compiler may not reorder a sum.
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> squares{};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      squares[lane] += static_cast<double>(sum[i + lane]) * sum[i + lane];
    }
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(sum[i]) * sum[i];
  for (const double square : squares) total += square;
  return total;
}

void UpdateParameters(const AdamWStep& step, const float* gradient, std::size_t count, float* parameters,
                      float* first_moment, float* second_moment) {
  const float kept = 1.0F - step.learning_rate * step.weight_decay;
  const float rate = step.learning_rate * step.first_correction;
  for (std::size_t i = 0; i < count; ++i) {
    const float slope = gradient[i] * step.gradient_scale;
    const float first = kAdamBeta1 * first_moment[i] + (1.0F - kAdamBeta1) * slope;
    const float second = step.second_beta * second_moment[i] + (1.0F - step.second_beta) * slope * slope;
    first_moment[i] = first;
    second_moment[i] = second;
    parameters[i] = kept * parameters[i] - rate * first / (std::sqrt(second * step.second_correction) + kAdamEpsilon);
  }
}

}  // namespace actkin
