// A hostile file of sketches.
#include "storage/formats/sketch_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

namespace actkin {
namespace {

void WriteSoundScales(const SectionFileHeader& header, std::string& file) {
  const SketchScales scales;
  if (header.sections[0].bytes < sizeof(scales)) return;
  std::memcpy(file.data() + header.sections[0].offset, &scales, sizeof(scales));
}

// Whether MakeSectionFile makes a file of the input in which nothing is wrong: numbers that fit, sums put right, and no
// byte left to change anything with.
bool IsSound(FuzzInput input) {
  const auto flags = input.Take<std::uint8_t>();
  const std::uint64_t dimension = input.TakeNumber();
  const std::uint64_t rows = input.TakeNumber();
  for (int rest = 2; rest < 8; ++rest) input.TakeNumber();
  constexpr std::uint64_t kMost = 200;  // so that the file is not cut off
  return flags == 0 && input.empty() && dimension > 0 && dimension <= kMost && rows > 0 && rows <= kMost;
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
    for (std::uint64_t rest = numbers[3]; levels.count < kMostLevels && rest % 16 != 0; rest /= 16) {
      levels.Add(((rest % 16 - 1) % (kMostCodes / kCodeUnit) + 1) * kCodeUnit);
    }
    // More than a file may have in any case, and few enough that sizes are no wrapped numbers.
    const SectionFileHeader header = SketchFileWriter::Header(numbers[0] % (1U << 20), numbers[1] % (1U << 24), levels);
    numbers = header.numbers;
    SectionBytes sizes{};
    std::ranges::transform(header.sections, sizes.begin(), &Section::bytes);
    return sizes;
  };
  memory.Write(MakeSectionFile(input, FileKind::kSketches, fit, WriteSoundScales));
  if (IsSound({data, size})) SketchFile(memory.path()).Verify();  // what it throws ends the process
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
    for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kDot}) file.RowsThatFind(metric, 0.5);
    for (std::size_t level = 0; level < file.levels().count; ++level) {
      for (const BoxOf of : {BoxOf::kBlock, BoxOf::kGroup}) {
        for (const CodesOf codes : {CodesOf::kAxes, CodesOf::kRest}) Touch(file.FarErrors(of, level, codes));
      }
      Touch(std::span(file.Codes(level), file.row_count() * file.levels().codes[level]));
    }
    file.Verify();
  });
  return 0;
}
