// The one object that the library exports.
#include <memory>

#include "indexer/forward/blas_row_algebra.h"
#include "indexer/forward/canonical_weights.h"
#include "indexer/forward/prefix_forward.h"
#include "indexer/forward/window_forward.h"
#include "indexer/model/forward_backend.h"

// Of OpenBLAS.
extern "C" void openblas_set_num_threads(int threads);

namespace actkin {
namespace {

class BlasTransformer : public Transformer {
 public:
  explicit BlasTransformer(const ModelTensors& model) : weights_(std::make_shared<const CanonicalWeights>(model)) {}

  const ModelDescription& description() const override { return weights_->description; }
  std::unique_ptr<PrefixForward> NewPrefixForward() const override { return MakePrefixForward(weights_); }
  std::unique_ptr<WindowForward> NewWindowForward() const override { return MakeWindowForward(weights_); }

 private:
  std::shared_ptr<const CanonicalWeights> weights_;
};

class Backend : public ForwardBackend {
 public:
  // Parallel work is by forests, in the caller's threads: a second layer of threads would compete with them.
  Backend() { openblas_set_num_threads(1); }

  std::unique_ptr<Transformer> NewTransformer(const ModelTensors& model) const override {
    return std::make_unique<BlasTransformer>(model);
  }
  const RowAlgebra& row_algebra() const override { return row_algebra_; }

 private:
  BlasRowAlgebra row_algebra_;
};

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) const actkin::ForwardBackend* actkin_forward_backend() {
  static const actkin::Backend backend;
  return &backend;
}
