#include "indexer/torch/blas_row_algebra.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "indexer/torch/torch_error.h"

namespace actkin {
namespace {

at::Tensor Matrix(std::span<const float> numbers, std::size_t columns) {
  return at::from_blob(const_cast<float*>(numbers.data()),
                       {static_cast<std::int64_t>(numbers.size() / columns), static_cast<std::int64_t>(columns)},
                       at::kFloat);
}

}  // namespace

// Eigenvectors of the covariance matrix, largest eigenvalue first.
PrincipalAxes BlasRowAlgebra::FindPrincipalAxes(std::span<const float> rows, std::size_t dimension,
                                                std::size_t axis_count) const {
  return WithOneLineErrors("the principal axes", [&] {
    const at::NoGradGuard no_gradients;
    const at::Tensor sample = Matrix(rows, dimension).to(at::kDouble);
    const at::Tensor center = sample.mean(0);
    const at::Tensor centered = sample - center;
    const at::Tensor vectors = std::get<1>(at::linalg_eigh(at::mm(centered.t(), centered)));
    const auto count = static_cast<std::int64_t>(std::min(axis_count, dimension));
    const at::Tensor axes = vectors.flip(1).slice(1, 0, count).t().to(at::kFloat).contiguous();
    const at::Tensor mean = center.to(at::kFloat).contiguous();
    return PrincipalAxes{{mean.data_ptr<float>(), mean.data_ptr<float>() + mean.numel()},
                         {axes.data_ptr<float>(), axes.data_ptr<float>() + axes.numel()}};
  });
}

void BlasRowAlgebra::Project(std::span<const float> rows, std::span<const float> axes, std::size_t dimension,
                             std::span<float> coordinates) const {
  const at::NoGradGuard no_gradients;
  at::Tensor out = Matrix(coordinates, axes.size() / dimension);
  at::mm_out(out, Matrix(rows, dimension), Matrix(axes, dimension).t());
}

void BlasRowAlgebra::Subtract(std::span<const float> coordinates, std::span<const float> axes, std::size_t dimension,
                              std::span<float> rows) const {
  const at::NoGradGuard no_gradients;
  at::Tensor out = Matrix(rows, dimension);
  out.addmm_(Matrix(coordinates, axes.size() / dimension), Matrix(axes, dimension), 1, -1);
}

}  // namespace actkin
