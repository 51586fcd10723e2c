// A hostile file of vectors.
#include "storage/formats/vector_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  // Numbers: element, dimension, first row, one past the last.
  memory.Write(MakeSectionFile(input, FileKind::kVectors, [](HeaderNumbers& numbers) -> SectionBytes {
    const bool known = numbers[0] <= static_cast<std::uint64_t>(Element::kInt8);
    const Element element = known ? static_cast<Element>(numbers[0]) : Element::kFloat32;
    return {0, (numbers[3] - numbers[2]) * StoredRowBytes(element, numbers[1]), 0, 0};
  }));
  AllowError([] {
    const VectorFile file(memory.path());
    if (file.element() == Element::kFloat32) {
      Touch(file.Float32());
    } else if (file.element() == Element::kFloat16) {
      Touch(file.Float16());
    } else {
      Touch(file.stored());
    }
    if (file.rows().size() > 0) {
      Touch(std::span<const float>(file.Row(static_cast<RowNumber>(file.rows().begin))));
      Touch(std::span<const float>(file.Row(static_cast<RowNumber>(file.rows().end - 1))));
    }
    file.Verify();
  });
  return 0;
}
