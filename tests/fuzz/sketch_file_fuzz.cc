// A hostile file of sketches.
#include <numeric>

#include "storage/formats/sketch_file.h"
#include "tests/fuzz/made_section_file.h"

namespace actkin {
namespace {

template <std::size_t kCodes>
void MakeSound(LevelScales<kCodes>& scales) {
  scales.step = 1;
  std::iota(scales.order.begin(), scales.order.end(), 0U);
}

void WriteSoundScales(const SectionFileHeader& header, std::string& file) {
  SketchScales scales;
  MakeSound(scales.coarse);
  MakeSound(scales.fine);
  for (const std::size_t section : {0, 2}) {
    if (header.sections[section].bytes < sizeof(scales)) continue;
    std::memcpy(file.data() + header.sections[section].offset, &scales, sizeof(scales));
  }
}

}  // namespace
}  // namespace actkin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  // Numbers: dimension, rows, coarse and fine coordinates.
  const auto fit = [](HeaderNumbers& numbers) -> SectionBytes {
    const std::uint64_t view = sizeof(SketchScales) + (1 + kSketchAxes) * numbers[0] * sizeof(float);
    const std::uint64_t codes = SketchBlocks(numbers[1]) * kBlockBytes + numbers[1] * kFineCoordinates;
    return {view, codes, view, codes};
  };
  memory.Write(MakeSectionFile(input, FileKind::kSketches, fit, WriteSoundScales));
  AllowError([] {
    const SketchFile file(memory.path());
    for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
      const SketchView& view = file.view(metric);
      Touch(view.center);
      Touch(view.axes);
      Touch(view.coarse);
      Touch(view.fine);
    }
    file.Verify();
  });
  return 0;
}
