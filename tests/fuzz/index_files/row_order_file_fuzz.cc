// A hostile file of row orders.
#include "storage/formats/row_order_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  // Numbers: string length, rows.
  memory.Write(MakeSectionFile(input, FileKind::kRowOrder, [](HeaderNumbers& numbers) -> SectionBytes {
    return {numbers[1] * 4, numbers[1] * 4, 0, 0};
  }));
  AllowError([] {
    const RowOrderFile file(memory.path());
    for (std::uint64_t row = 0; row < file.row_count(); ++row) {
      AllowError([&] { file.Row(file.Ordinal(static_cast<RowNumber>(row))); });
    }
    file.Verify();
  });
  return 0;
}
