// Hostile JSON of similar strings: a file of neighbors, a map of batches, and a file's name.
#include "storage/exchange/similar_strings_file.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  memory.Write(text);
  AllowError([] {
    const SimilarStrings similar = ReadSimilarStrings(memory.path());
    const std::size_t count = similar.prompts.size() * similar.k;
    if (similar.string_count() != count || similar.distances.size() != count) Wrong("not k neighbors for each prompt");
    for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
      for (std::size_t rank = 0; rank < similar.k; ++rank) {
        const std::string_view string = similar.String(prompt, rank);
        Touch(std::span<const char>(string.data(), string.size()));
      }
    }
  });
  AllowError([] { ReadBatchMap(memory.path()); });
  if (const auto name = ParseSimilarStringsFileName(text)) {
    if (SimilarStringsFileName(name->site, name->batch) != text) Wrong("a name that is not written as it was read");
  }
  return 0;
}
