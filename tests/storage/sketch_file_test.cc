#include "storage/formats/sketch_file.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::uint64_t kDimension = 5;
constexpr std::uint64_t kRows = 70;  // two blocks

SketchScales MadeScales() {
  SketchScales scales;
  scales.coarse.step = 0.5;
  scales.coarse.error = 0.25;
  scales.fine.step = 0.125;
  scales.axis_defect = 1e-7;
  std::iota(scales.coarse.order.rbegin(), scales.coarse.order.rend(), 0U);
  std::iota(scales.fine.order.begin(), scales.fine.order.end(), 0U);
  scales.coarse.exponents[0] = 3;
  return scales;
}

std::vector<std::int8_t> Codes(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<std::int8_t> codes(count);
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(generator() % 255) - 127);
  return codes;
}

std::uint64_t WriteMade(const std::filesystem::path& path, const SketchScales& scales) {
  SketchFileWriter writer(path, kDimension, kRows);
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    const auto seed = static_cast<unsigned>(metric);
    // In two parts, the second first.
    const std::vector<std::int8_t> coarse = Codes(2 * kBlockBytes, seed);
    const std::vector<std::int8_t> fine = Codes(kRows * kFineCoordinates, seed + 10);
    writer.WriteCoarse(metric, 1, std::span(coarse).subspan(kBlockBytes));
    writer.WriteCoarse(metric, 0, std::span(coarse).first(kBlockBytes));
    writer.WriteFine(metric, kBlockRows, std::span(fine).subspan(kBlockRows * kFineCoordinates));
    writer.WriteFine(metric, 0, std::span(fine).first(kBlockRows * kFineCoordinates));
    writer.WriteView(metric, scales, std::vector<float>(kDimension, 1.5F + static_cast<float>(seed)),
                     std::vector<float>(kSketchAxes * kDimension, 0.25F));
  }
  return writer.Finish();
}

TEST(SketchFileTest, ReadsWhatWasWritten) {
  const TemporaryFolder folder;
  const std::uint64_t checksum = WriteMade(folder / "h", MadeScales());
  const SketchFile file(folder / "h");
  EXPECT_EQ(file.header_checksum(), checksum);
  EXPECT_EQ(file.dimension(), kDimension);
  EXPECT_EQ(file.row_count(), kRows);
  EXPECT_EQ(file.file_bytes(), SketchFileWriter::FileBytes(kDimension, kRows));
  for (const Metric metric : {Metric::kL2, Metric::kCosine}) {
    const auto seed = static_cast<unsigned>(metric);
    const SketchView& view = file.view(metric);
    EXPECT_EQ(view.scales.coarse.step, 0.5);
    EXPECT_EQ(view.scales.coarse.order[0], kCoarseCoordinates - 1);
    EXPECT_EQ(view.scales.coarse.exponents[0], 3U);
    EXPECT_EQ(view.center[4], 1.5F + static_cast<float>(seed));
    EXPECT_EQ(view.axes.back(), 0.25F);
    EXPECT_TRUE(std::ranges::equal(view.coarse, Codes(2 * kBlockBytes, seed)));
    EXPECT_TRUE(std::ranges::equal(view.fine, Codes(kRows * kFineCoordinates, seed + 10)));
  }
  file.Verify();
}

TEST(SketchFileTest, EveryDamageIsFound) {
  const TemporaryFolder folder;
  WriteMade(folder / "h", MadeScales());
  const std::string whole = ReadFile(folder / "h");
  for (std::size_t offset = 0; offset < whole.size(); offset += offset < 256 || offset % 4096 > 4080 ? 1 : 37) {
    std::string damaged = whole;
    damaged[offset] = static_cast<char>(damaged[offset] ^ 4);
    const auto path = folder.Write("damaged", damaged);
    EXPECT_THAT(ErrorOf([&] { SketchFile(path).Verify(); }), OneLineWith(path.string())) << offset;
  }
  const auto path = folder.Write("damaged", whole.substr(0, whole.size() - 1));
  EXPECT_THAT(ErrorOf([&] { SketchFile{path}; }), OneLineWith(path.string()));
}

// Their checksums are right, but a search would trust them.
TEST(SketchFileTest, ScalesThatAreNoBoundsAreRefused) {
  const TemporaryFolder folder;
  const auto error = [&](const auto& change) {
    SketchScales scales = MadeScales();
    change(scales);
    WriteMade(folder / "h", scales);
    return ErrorOf([&] { SketchFile{folder / "h"}; });
  };
  const auto refused = OneLineWith((folder / "h").string(), "scales");
  EXPECT_EQ(error([](SketchScales&) {}), "no error");
  EXPECT_THAT(error([](SketchScales& scales) { scales.coarse.step = 0; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.fine.error = -1; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.fine.error = std::nan(""); }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.coarse.order[0] = 16; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.fine.order[0] = 1; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.fine.exponents[31] = 1; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.axis_defect = 0.7; }), refused);
}

}  // namespace
}  // namespace actkin
