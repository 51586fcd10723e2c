// A hostile pickle: the part of a .pt checkpoint that is a program. (The zip archive around it is LibTorch's to read.)
#include "indexer/torch/pickle/pickle_state_dict.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  AllowError([&] {
    const PickledStateDict state = ParsePickle({reinterpret_cast<const std::byte*>(data), size}, "model.pt");
    if (state.bytes > size) Wrong("a pickle longer than what holds it");
    for (const auto& [name, tensor] : state.tensors) {
      if (tensor.shape.size() != tensor.strides.size()) Wrong("a tensor whose strides are not those of its shape");
      // The last element that shape and strides address.
      std::uint64_t last = tensor.offset;
      for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        if (tensor.Count() == 0) break;
        last += static_cast<std::uint64_t>(tensor.shape[i] - 1) * static_cast<std::uint64_t>(tensor.strides[i]);
      }
      if (tensor.Count() > 0 && last >= tensor.storage_count) Wrong("a tensor that reaches out of its storage");
    }
  });
  // nanoGPT's meta.pkl, from the same bytes.
  AllowError([&] { ParseVocabularyPickle({reinterpret_cast<const std::byte*>(data), size}, "meta.pkl"); });
  return 0;
}
