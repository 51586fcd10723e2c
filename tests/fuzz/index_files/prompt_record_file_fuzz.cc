// Hostile files of what experiments keep for each prompt: neighbors, predictions, totals of bands.
#include "storage/formats/saved_neighbors_file.h"
#include "tests/fuzz/index_files/made_section_file.h"

namespace actkin {
namespace {

constexpr std::uint64_t kStrings = 50;

std::string MakeFile(FuzzInput& input, FileKind kind) {
  // Numbers: prompts, bytes of a record, k, embed or the vocabulary size.
  const std::uint64_t list_bytes = kind == FileKind::kBandTotals ? 16 * std::uint64_t{input.Take<std::uint8_t>()} : 0;
  return MakeSectionFile(input, kind, [&](HeaderNumbers& numbers) -> SectionBytes {
    return {numbers[0] * numbers[1], list_bytes, 0, 0};
  });
}

}  // namespace
}  // namespace actkin

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  FuzzInput input(data, size);
  switch (input.Take<std::uint8_t>() % 3) {
    case 0:
      memory.Write(MakeFile(input, FileKind::kSavedNeighbors));
      AllowError([] {
        const SavedNeighborsFile file(memory.path());
        for (std::uint64_t prompt = 0; prompt < file.prompts(); ++prompt) {
          AllowError([&] { Touch(file.Of(prompt)); });
        }
        file.Verify(Metric::kL2, kStrings);
      });
      break;
    case 1:
      memory.Write(MakeFile(input, FileKind::kPredictions));
      AllowError([] {
        const PredictionsFile file(memory.path());
        for (std::uint64_t prompt = 0; prompt < file.prompts(); ++prompt) Touch(file.BeforeUnembedding(prompt));
        file.Verify();
      });
      break;
    default:
      memory.Write(MakeFile(input, FileKind::kBandTotals));
      AllowError([] {
        const BandTotalsFile file(memory.path());
        for (std::uint64_t prompt = 0; prompt < file.prompts(); ++prompt) {
          AllowError([&] { Touch(file.Of(prompt)); });
        }
        file.Verify(kStrings);
      });
  }
  return 0;
}
