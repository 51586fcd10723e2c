#ifndef ACTKIN_TESTS_INDEXER_TORCH_LOADED_FLOATS_H_
#define ACTKIN_TESTS_INDEXER_TORCH_LOADED_FLOATS_H_

#include <map>
#include <string>

#include "indexer/model/source_tensors.h"
#include "storage/exchange/safetensors.h"

namespace actkin {

// What was loaded, as float32.
inline StateDict LoadedFloats(const std::map<std::string, LoadedTensor>& tensors) {
  StateDict state;
  for (const auto& [name, loaded] : tensors) {
    Tensor& tensor = state.tensors[name];
    tensor.shape = loaded.shape;
    tensor.values.resize(loaded.bytes.size() / PrecisionBytes(PrecisionOf(loaded.type).value()));
    ConvertToFloat(loaded.type, loaded.bytes.data(), tensor.values.size(), tensor.values.data(), name);
  }
  return state;
}

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_TORCH_LOADED_FLOATS_H_
