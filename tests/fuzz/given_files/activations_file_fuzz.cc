// A hostile activations.json; what is read is written, and read as the same.
#include "storage/exchange/activations_file.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  AllowError([&] {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const ActivationsFile file = ParseActivationsFile(text, "activations.json");
    const std::string written = SerializeActivationsFile(file);
    if (SerializeActivationsFile(ParseActivationsFile(written, "written")) != written) Wrong("read back as another");
  });
  return 0;
}
