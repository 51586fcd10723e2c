// A hostile file around a FAISS index: FAISS is given its bytes only once Verify has returned.
#include "storage/formats/faiss_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  memory.Write(MakeSectionFile(input, FileKind::kFaiss, [](HeaderNumbers& numbers) -> SectionBytes {
    return {numbers[7], 0, 0, 0};
  }));
  AllowError([] {
    const FaissFile file(memory.path());
    Touch(file.bytes());
    file.Verify();
  });
  return 0;
}
