#include "tests/tools/command/made_model.h"

#include <random>

namespace actkin {

std::string MadeCorpus(std::size_t characters) {
  const std::vector<std::string> words{"abba ", "cab ", "d\u00e4 ", "bad\n", "\u00e4", "c"};
  std::mt19937 generator(3);
  std::string text;
  std::size_t count = 0;
  while (count < characters) {
    const std::string& word = words[generator() % words.size()];
    for (const char c : word) count += (c & 0xC0) != 0x80 ? 1 : 0;
    text += word;
  }
  return text;
}

ModelShape MadeShapeOf(std::int64_t rows) {
  ModelShape shape = kMadeShape;
  shape.vocabulary_size = rows;
  return shape;
}

StateDict MadeModel(unsigned seed, const ModelShape& shape) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  StateDict state;
  for (const auto& [name, sizes] : ExpectedTensors(shape)) {
    Tensor& tensor = state.tensors[name];
    tensor.shape = sizes;
    std::size_t count = 1;
    for (const std::int64_t size : sizes) count *= static_cast<std::size_t>(size);
    const bool gain = name.find("ln") != std::string::npos && name.ends_with("weight");
    for (std::size_t i = 0; i < count; ++i) tensor.values.push_back((gain ? 1.0F : 0.0F) + 0.3F * normal(generator));
  }
  return state;
}

}  // namespace actkin
