// A hostile file of an embedding site's codes.
#include "storage/formats/code_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  // Numbers: embed, positions, tokens, bytes of a code, first row, one past the last, position embeddings.
  memory.Write(MakeSectionFile(input, FileKind::kCodes, [](HeaderNumbers& numbers) -> SectionBytes {
    return {numbers[2] * numbers[0] * 4, numbers[6] * numbers[0] * 4,
            (numbers[5] - numbers[4]) * numbers[1] * numbers[3], numbers[2] * 4};
  }));
  AllowError([] {
    const CodeFile file(memory.path());
    Touch(file.token_embeddings());
    Touch(file.position_embeddings());
    Touch(file.token_ids());
    if (file.code_bytes() == 1) {
      Touch(file.Codes<std::uint8_t>());
    } else if (file.code_bytes() == 2) {
      Touch(file.Codes<std::uint16_t>());
    } else {
      Touch(file.Codes<std::uint32_t>());
    }
    file.Verify();
  });
  return 0;
}
