#include "storage/formats/sketch_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::uint64_t kDimension = 5;
constexpr std::uint64_t kRows = 70;  // two blocks
constexpr SketchLevels kLevels{3, {kCoarseCodes, 48, 64}};

SketchScales MadeScales() {
  SketchScales scales;
  scales.levels[0].step = 0.5;
  scales.levels[0].near_error = 0.25;
  scales.levels[0].exponents[0] = 3;
  scales.levels[1].rest_step = 0.125;
  scales.axis_defect = 1e-7;
  scales.reach = 3;
  return scales;
}

std::vector<std::int8_t> Codes(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<std::int8_t> codes(count);
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(generator() % 255) - 127);
  return codes;
}

std::vector<RowNumber> Order() {
  std::vector<RowNumber> rows(kRows);
  std::iota(rows.begin(), rows.end(), RowNumber{0});
  std::ranges::reverse(rows);
  return rows;
}

std::vector<float> MadeLengths(float first) {
  std::vector<float> lengths(kRows);
  std::iota(lengths.begin(), lengths.end(), first);
  return lengths;
}

std::uint64_t WriteMade(const std::filesystem::path& path, const SketchScales& scales) {
  SketchFileWriter writer(path, kDimension, kRows, kLevels);
  writer.WriteOrder(Order());
  writer.WriteCoarse(Codes(kRows * kCoarseCodes, 1));
  writer.WriteLengths(LengthFrom::kZero, MadeLengths(1));
  writer.WriteLengths(LengthFrom::kMean, MadeLengths(100));
  for (std::size_t level = 0; level < kLevels.count; ++level) {
    const auto number = static_cast<float>(level);
    writer.WriteFarErrors(level, CodesOf::kAxes, std::vector{number + 0.5F, number + 0.25F});
    writer.WriteFarErrors(level, CodesOf::kRest, std::vector{2 * number, 2 * number + 0.5F});
  }
  for (std::size_t level = 1; level < kLevels.count; ++level) {
    // In two parts, the second first.
    const std::vector<std::int8_t> codes = Codes(kRows * kLevels.codes[level], static_cast<unsigned>(level));
    writer.WriteCodes(level, 9, std::span(codes).subspan(9 * kLevels.codes[level]));
    writer.WriteCodes(level, 0, std::span(codes).first(9 * kLevels.codes[level]));
  }
  writer.WriteHead(scales, std::vector<double>(kDimension, 2.5), std::vector<float>(kDimension, 1.5F),
                   std::vector<float>(kLevels.axis_count() * kDimension, 0.25F));
  return writer.Finish();
}

TEST(SketchFileTest, ReadsWhatWasWritten) {
  const TemporaryFolder folder;
  const std::uint64_t checksum = WriteMade(folder / "h", MadeScales());
  const SketchFile file(folder / "h");
  EXPECT_EQ(file.header_checksum(), checksum);
  EXPECT_EQ(file.dimension(), kDimension);
  EXPECT_EQ(file.row_count(), kRows);
  EXPECT_EQ(file.levels(), kLevels);
  EXPECT_EQ(file.block_count(), 2U);
  EXPECT_EQ(file.file_bytes(), SketchFileWriter::FileBytes(kDimension, kRows, kLevels));
  EXPECT_EQ(file.scales().levels[0].step, 0.5);
  EXPECT_EQ(file.scales().levels[0].exponents[0], 3U);
  EXPECT_EQ(file.scales().levels[1].rest_step, 0.125);
  EXPECT_EQ(file.scales().reach, 3);
  EXPECT_EQ(file.mean()[4], 2.5);
  EXPECT_EQ(file.center()[4], 1.5F);
  EXPECT_EQ(file.axes().size(), kLevels.axis_count() * kDimension);
  EXPECT_EQ(file.axes().back(), 0.25F);
  for (RowNumber row = 0; row < kRows; ++row) {
    EXPECT_EQ(file.RowAt(file.PlaceOf(row)), row);
    EXPECT_EQ(file.PlaceOf(row), kRows - 1 - row);
  }
  const std::vector<std::int8_t> coarse = Codes(kRows * kCoarseCodes, 1);
  EXPECT_TRUE(std::equal(coarse.begin(), coarse.end(), file.Codes(0)));
  for (std::size_t level = 1; level < kLevels.count; ++level) {
    const std::vector<std::int8_t> codes = Codes(kRows * kLevels.codes[level], static_cast<unsigned>(level));
    EXPECT_TRUE(std::equal(codes.begin(), codes.end(), file.Codes(level)));
  }
  EXPECT_EQ(file.Lengths(LengthFrom::kZero)[69], 70);
  EXPECT_EQ(file.Lengths(LengthFrom::kMean)[69], 169);
  EXPECT_EQ(file.Shortest(BoxOf::kBlock, LengthFrom::kMean)[1], 164);
  EXPECT_EQ(file.Longest(BoxOf::kBlock, LengthFrom::kZero)[0], 64);
  EXPECT_EQ(file.Shortest(BoxOf::kGroup, LengthFrom::kMean)[0], 100);
  EXPECT_EQ(file.Longest(BoxOf::kGroup, LengthFrom::kZero)[0], 70);
  EXPECT_EQ(file.FarErrors(BoxOf::kBlock, 0, CodesOf::kAxes)[1], 0.25F);
  EXPECT_EQ(file.FarErrors(BoxOf::kBlock, 2, CodesOf::kRest)[0], 4);
  EXPECT_EQ(file.FarErrors(BoxOf::kGroup, 2, CodesOf::kAxes)[0], 2.5F);
  EXPECT_EQ(file.FarErrors(BoxOf::kGroup, 1, CodesOf::kRest)[0], 2.5F);
  file.Verify();
}

TEST(SketchFileTest, BoxesHoldTheCodesOfTheirBlocks) {
  const TemporaryFolder folder;
  WriteMade(folder / "h", MadeScales());
  const SketchFile file(folder / "h");
  for (std::size_t block = 0; block < 2; ++block) {
    for (std::size_t code = 0; code < kCoarseCodes; ++code) {
      int least = 127;
      int most = -127;
      for (std::size_t row = block * kBlockRows; row < std::min((block + 1) * kBlockRows, kRows); ++row) {
        const int one = file.Codes(0)[row * kCoarseCodes + code];
        least = std::min(least, one);
        most = std::max(most, one);
      }
      EXPECT_EQ(file.LowCorners(BoxOf::kBlock, 0)[block * kCoarseCodes + code], least);
      EXPECT_EQ(file.HighCorners(BoxOf::kBlock, 0)[block * kCoarseCodes + code], most);
      EXPECT_LE(file.LowCorners(BoxOf::kGroup, 0)[code], least);
      EXPECT_GE(file.HighCorners(BoxOf::kGroup, 0)[code], most);
      // Behind the last box stand copies of it.
      EXPECT_EQ(file.LowCorners(BoxOf::kBlock, 0)[63 * kCoarseCodes + code],
                file.LowCorners(BoxOf::kBlock, 0)[kCoarseCodes + code]);
    }
  }
}

// Rewrites the header's numbers, with a right checksum.
void ChangeNumber(const std::filesystem::path& path, std::size_t number, std::uint64_t value) {
  SectionFileHeader header = SectionFile(path, FileKind::kSketches).header();
  header.numbers[number] = value;
  OutputFile(path, OutputFile::Mode::kContinue).WriteAt(0, EncodeHeader(header));
}

TEST(SketchFileTest, AnotherVersionAndLevelsThatThereCannotBeAreRefused) {
  const TemporaryFolder folder;
  const auto error = [&](std::size_t number, std::uint64_t value) {
    WriteMade(folder / "h", MadeScales());
    ChangeNumber(folder / "h", number, value);
    return ErrorOf([&] { SketchFile{folder / "h"}; });
  };
  EXPECT_EQ(error(3, 0x040301), "no error");
  EXPECT_THAT(error(2, 0), OneLineWith((folder / "h").string(), "version 0, expected 2", "actkin build"));
  EXPECT_THAT(error(2, 3), OneLineWith((folder / "h").string(), "version 3"));
  for (const std::uint64_t levels :
       std::initializer_list<std::uint64_t>{0x0, 0x2, 0x040300, 0x090301, 0x040001, 0x01010101010101}) {
    EXPECT_THAT(error(3, levels), OneLineWith((folder / "h").string(), "levels")) << levels;
  }
  EXPECT_THAT(error(3, 0x0301), OneLineWith((folder / "h").string(), "sections"));
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
  EXPECT_THAT(error([](SketchScales& scales) { scales.levels[0].step = 0; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.levels[1].near_error = -1; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.levels[2].rest_near_error = std::nan(""); }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.levels[1].exponents[15] = 1; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.axis_defect = 0.7; }), refused);
  EXPECT_THAT(error([](SketchScales& scales) { scales.reach = INFINITY; }), refused);
}

// Right checksums again.
TEST(SketchFileTest, PlacesThatHoldNoRowAreNamed) {
  const TemporaryFolder folder;
  WriteMade(folder / "h", MadeScales());
  const std::uint64_t order = SectionFile(folder / "h", FileKind::kSketches).header().sections[1].offset;
  OutputFile(folder / "h", OutputFile::Mode::kContinue).WriteAt(order + 4 * 7, std::string("\x46\0\0\0", 4));
  OutputFile(folder / "h", OutputFile::Mode::kContinue).WriteAt(order + 4 * (kRows + 8), std::string("\x46\0\0\0", 4));
  const SketchFile file(folder / "h");
  EXPECT_THAT(ErrorOf([&] { file.RowAt(7); }), OneLineWith((folder / "h").string(), "place 7"));
  EXPECT_THAT(ErrorOf([&] { file.PlaceOf(8); }), OneLineWith((folder / "h").string(), "row 8"));
  EXPECT_EQ(file.RowAt(6), kRows - 7);
}

}  // namespace
}  // namespace actkin
