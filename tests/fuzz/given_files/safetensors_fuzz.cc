// A hostile .safetensors checkpoint, read as a build does and as the forward pass of a prompt does.
#include "query/reader/prompt_forward.h"
#include "schema/model_layout.h"
#include "schema/vocabulary.h"
#include "storage/exchange/safetensors.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  memory.Write({reinterpret_cast<const char*>(data), size});
  AllowError([] {
    const SafetensorsFile file(memory.path());
    for (const auto& entry : file.metadata()) {
      AllowError([&] { Vocabulary::OfJson(entry.second, "metadata"); });
    }
    for (const auto& tensor : file.Shapes()) AllowError([&] { Touch(file.Values(tensor.first)); });
    AllowError([&] { InferModelShape(file.Shapes(), "model.safetensors"); });
    AllowError([&] {
      const StateDict state = file.Read();
      for (const auto& [name, tensor] : state.tensors) Touch(std::span<const float>(tensor.values));
    });
  });
  AllowError([] {
    const PromptForward forward(memory.path());
    forward.NextTokenProbabilities(std::vector<TokenId>{0});
  });
  return 0;
}
