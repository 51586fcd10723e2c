// Hostile JSON of a scheme.
#include "query/predict/scheme.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  constexpr int kBlocks = 3;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  AllowError([&] {
    const Scheme scheme = ParseScheme(json, "mine", "mine.json", kBlocks);
    const std::string again = SchemeJson(scheme);
    if (again.find('\n') != std::string::npos) Wrong(again);
    if (ParseScheme(again, "mine", "mine.json", kBlocks) != scheme) Wrong("a scheme that does not read back: " + again);
  });
  return 0;
}
