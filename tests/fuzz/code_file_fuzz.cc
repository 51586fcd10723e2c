// A hostile file of an embedding site's codes.
#include "storage/formats/code_file.h"
#include "tests/fuzz/made_section_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  // Numbers: embed, positions, vocabulary size, bytes of a code, first row, one past the last.
  memory.Write(MakeSectionFile(input, FileKind::kCodes, [](HeaderNumbers& numbers) -> SectionBytes {
    return {numbers[2] * numbers[0] * 4, numbers[1] * numbers[0] * 4,
            (numbers[5] - numbers[4]) * numbers[1] * numbers[3], 0};
  }));
  AllowError([] {
    const CodeFile file(memory.path());
    Touch(file.tokens());
    Touch(file.position_embeddings());
    if (file.code_bytes() == 1) {
      Touch(file.Codes8());
    } else {
      Touch(file.Codes16());
    }
    file.Verify();
  });
  return 0;
}
