// A hostile file of sketches.
#include "storage/formats/sketch_file.h"
#include "tests/fuzz/made_section_file.h"

namespace actkin {
namespace {

void WriteSoundScales(const SectionFileHeader& header, std::string& file) {
  const SketchScales scales;
  if (header.sections[0].bytes < sizeof(scales)) return;
  std::memcpy(file.data() + header.sections[0].offset, &scales, sizeof(scales));
}

}  // namespace
}  // namespace actkin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  // Numbers: dimension, rows, version, levels.
  const auto fit = [](HeaderNumbers& numbers) -> SectionBytes {
    SketchLevels levels;
    std::uint64_t encoded = 1;
    for (std::uint64_t rest = numbers[3]; levels.count < kMostLevels && rest % 16 != 0; rest /= 16) {
      const std::uint64_t units = (rest % 16 - 1) % (kMostCodes / kCodeUnit) + 1;
      encoded |= units << (8 * levels.count);
      levels.Add(units * kCodeUnit);
    }
    numbers[2] = 1;
    numbers[3] = encoded;
    const std::uint64_t blocks = SketchBlocks(numbers[1]);
    const std::uint64_t groups = SketchBlocks(blocks);
    std::uint64_t codes = 0;
    for (std::size_t level = 0; level < levels.count; ++level) codes += numbers[1] * levels.codes[level];
    return {sizeof(SketchScales) + numbers[0] * sizeof(double) + (1 + levels.axis_count()) * numbers[0] * sizeof(float),
            2 * numbers[1] * sizeof(std::uint32_t),
            (groups + SketchBlocks(groups)) * kBlockRows * (2 * kCoarseCodes + 4 * sizeof(float)) +
                2 * blocks * kBlockRows * sizeof(float),
            codes};
  };
  memory.Write(MakeSectionFile(input, FileKind::kSketches, fit, WriteSoundScales));
  AllowError([] {
    const SketchFile file(memory.path());
    Touch(file.mean());
    Touch(file.center());
    Touch(file.axes());
    for (std::uint64_t row = 0; row < file.row_count(); ++row) {
      AllowError([&] { file.RowAt(row); });
      AllowError([&] { file.PlaceOf(static_cast<RowNumber>(row)); });
    }
    for (const BoxOf of : {BoxOf::kBlock, BoxOf::kGroup}) {
      const std::uint64_t parts = SketchBlocks(of == BoxOf::kBlock ? file.block_count() : file.group_count());
      Touch(std::span(file.LowCorners(of, 0), parts * 2 * kBlockBytes));
      for (const LengthFrom from : {LengthFrom::kZero, LengthFrom::kMean}) {
        Touch(file.Shortest(of, from));
        Touch(file.Longest(of, from));
      }
    }
    for (const LengthFrom from : {LengthFrom::kZero, LengthFrom::kMean}) Touch(file.Lengths(from));
    for (std::size_t level = 0; level < file.levels().count; ++level) {
      Touch(std::span(file.Codes(level), file.row_count() * file.levels().codes[level]));
    }
    file.Verify();
  });
  return 0;
}
