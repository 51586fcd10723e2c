#include "tests/indexer/forward/made_transformer.h"

#include <cmath>
#include <random>

namespace actkin {

StateDict MadeTransformer(const ModelShape& shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  StateDict state;
  for (const auto& [name, sizes] : ExpectedTensors(shape)) {
    Tensor& tensor = state.tensors[name];
    tensor.shape = sizes;
    std::size_t count = 1;
    for (const std::int64_t size : sizes) count *= static_cast<std::size_t>(size);
    const float scale = sizes.size() == 2 ? 1.5F / std::sqrt(static_cast<float>(sizes[1])) : 0.2F;
    const bool gain = name.find("ln") != std::string::npos && name.ends_with("weight");
    for (std::size_t i = 0; i < count; ++i) tensor.values.push_back((gain ? 1.0F : 0.0F) + scale * normal(generator));
  }
  return state;
}

}  // namespace actkin
