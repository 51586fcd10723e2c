#include "storage/formats/saved_neighbors_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<std::vector<SavedNeighbor>> kNeighbors{
    {{3, 0.0F}, {1, 0.5F}, {2, 0.5F}}, {}, {{0, 1.5F}}, {{4, 0.25F}, {0, 9.0F}}, {{1, 1.0F}, {2, 2.0F}, {3, 3.0F}}};

std::uint64_t WriteAll(const std::filesystem::path& path) {
  SavedNeighborsWriter writer(path, kNeighbors.size(), 3);
  writer.Write(kNeighbors);
  return writer.Finish();
}

TEST(SavedNeighborsFileTest, ReadsBack) {
  const TemporaryFolder folder;
  const std::uint64_t checksum = WriteAll(folder / "n");
  const SavedNeighborsFile file(folder / "n");
  EXPECT_EQ(file.header_checksum(), checksum);
  EXPECT_EQ(file.file_bytes(), SavedNeighborsWriter::FileBytes(5, 3));
  EXPECT_EQ(file.prompts(), 5U);
  EXPECT_EQ(file.k(), 3U);
  for (std::size_t prompt = 0; prompt < kNeighbors.size(); ++prompt) {
    EXPECT_THAT(file.Of(prompt), testing::ElementsAreArray(kNeighbors[prompt]));
  }
  file.Verify(Metric::kL2, 5);
  EXPECT_THAT(ErrorOf([&] { file.Verify(Metric::kCosine, 5); }), OneLineWith("prompt 0", "nearer neighbor behind"));
  EXPECT_THAT(ErrorOf([&] { file.Verify(Metric::kL2, 4); }), OneLineWith("prompt 3", "no string"));
}

// Eight bytes a neighbor, so that 20,000 prompts x 13 sites x 1,000 neighbors are 2.1 GB.
TEST(SavedNeighborsFileTest, IsCompact) {
  EXPECT_LT(13 * SavedNeighborsWriter::FileBytes(20'000, 1'000), 2'100'000'000U);
}

TEST(SavedNeighborsFileTest, AWriterThatWasInterruptedContinues) {
  const TemporaryFolder folder;
  WriteAll(folder / "whole");
  const std::span<const std::vector<SavedNeighbor>> all(kNeighbors);
  {
    SavedNeighborsWriter writer(folder / "n", 5, 3);
    EXPECT_EQ(writer.done(), 0U);
    writer.Write(all.first(2));
  }
  {
    SavedNeighborsWriter writer(folder / "n", 5, 3);
    EXPECT_EQ(writer.done(), 2U);
    writer.Write(all.subspan(2, 1));
  }
  EXPECT_THAT(ErrorOf([&] { SavedNeighborsFile(folder / "n"); }), OneLineWith("not an actkin file"));
  SavedNeighborsWriter writer(folder / "n", 5, 3);
  EXPECT_EQ(writer.done(), 3U);
  writer.Write(all.subspan(3));
  writer.Finish();
  EXPECT_EQ(ReadFile(folder / "n"), ReadFile(folder / "whole"));
}

TEST(SavedNeighborsFileTest, UnfinishedWorkOfOtherNumbersIsBegunAnew) {
  const TemporaryFolder folder;
  const auto done_after = [&](const auto& damage) {
    {
      SavedNeighborsWriter writer(folder / "n", 5, 3);
      writer.Write(std::span(kNeighbors).first(2));
    }
    damage();
    return SavedNeighborsWriter(folder / "n", 5, 3).done();
  };
  EXPECT_EQ(done_after([] {}), 2U);
  EXPECT_EQ(done_after([&] { SavedNeighborsWriter(folder / "n", 5, 4); }), 0U);
  EXPECT_EQ(done_after([&] { SavedNeighborsWriter(folder / "n", 6, 3); }), 0U);
  EXPECT_EQ(done_after([&] { std::filesystem::resize_file(folder / "n", 4100); }), 0U);
  EXPECT_EQ(done_after([&] { OutputFile(folder / "n", OutputFile::Mode::kContinue).WriteAt(80, "x"); }), 0U);
  EXPECT_EQ(done_after([&] { folder.Write("n", ""); }), 0U);
}

TEST(SavedNeighborsFileTest, DamageIsNamed) {
  const TemporaryFolder folder;
  WriteAll(folder / "n");
  const std::string whole = ReadFile(folder / "n");
  const auto error_with = [&](std::size_t offset, const std::string& bytes) {
    std::string damaged = whole;
    damaged.replace(offset, bytes.size(), bytes);
    const std::filesystem::path path = folder.Write("damaged", damaged);
    return ErrorOf([&] { SavedNeighborsFile(path).Verify(Metric::kL2, 5); });
  };
  // In the header, in the records, in their last byte.
  for (const std::size_t offset :
       {std::size_t{0}, std::size_t{20}, std::size_t{4090}, std::size_t{4096}, std::size_t{4200}, whole.size() - 1}) {
    EXPECT_THAT(error_with(offset, std::string(1, static_cast<char>(whole[offset] ^ 1))), OneLineWith("damaged"))
        << offset;
  }
  EXPECT_THAT(ErrorOf([&] { SavedNeighborsFile(folder.Write("short", whole.substr(0, 4200))); }), OneLineWith("4200"));

  // A file whose checksums are right may still hold nonsense.
  const auto verify = [&](std::vector<SavedNeighbor> neighbors) {
    SavedNeighborsWriter writer(folder / "odd", 1, 3);
    writer.Write(std::span(&neighbors, 1));
    writer.Finish();
    return ErrorOf([&] { SavedNeighborsFile(folder / "odd").Verify(Metric::kL2, 5); });
  };
  EXPECT_EQ(verify({{0, 1.0F}}), "no error");
  EXPECT_THAT(verify({{0, std::numeric_limits<float>::quiet_NaN()}}), OneLineWith("no number"));
  EXPECT_THAT(verify({{0, 1.0F}, {1, 0.5F}}), OneLineWith("nearer neighbor behind"));
  // One that counts more neighbors than there is room for is refused before any is read.
  PromptRecordWriter writer(folder / "odd", FileKind::kSavedNeighbors, 1, 32, {3, 0, 0, 0, 0, 0});
  const std::vector<std::uint64_t> record{4, 0, 0, 0};
  writer.Write(std::as_bytes(std::span(record)));
  writer.Finish();
  EXPECT_THAT(ErrorOf([&] { (void)SavedNeighborsFile(folder / "odd").Of(0); }), OneLineWith("more neighbors"));
  PromptRecordWriter sizes(folder / "odd", FileKind::kSavedNeighbors, 1, 32, {std::uint64_t{1} << 61, 0, 0, 0, 0, 0});
  sizes.Write(std::as_bytes(std::span(record)));
  sizes.Finish();
  EXPECT_THAT(ErrorOf([&] { SavedNeighborsFile(folder / "odd"); }), OneLineWith("records of 32 bytes"));
}

TEST(PredictionsFileTest, ReadsBackAndVerifies) {
  const TemporaryFolder folder;
  const std::vector<float> probabilities{0.25F, 0.5F, 0.25F, 0.0F, 1.0F, 0.0F};
  PredictionsWriter writer(folder / "p", 2, 3);
  writer.Write(std::span(probabilities).first(3));
  writer.Write(std::span(probabilities).last(3));
  writer.Finish();
  const PredictionsFile file(folder / "p");
  file.Verify();
  EXPECT_EQ(file.vocabulary_size(), 3U);
  EXPECT_THAT(file.Of(0), ElementsAre(0.25F, 0.5F, 0.25F));
  EXPECT_THAT(file.Of(1), ElementsAre(0.0F, 1.0F, 0.0F));

  PredictionsWriter odd(folder / "odd", 1, 3);
  odd.Write(std::vector<float>{0.5F, 0.6F, 0.25F});
  odd.Finish();
  EXPECT_THAT(ErrorOf([&] { PredictionsFile(folder / "odd").Verify(); }), OneLineWith("prompt 0", "add up to 1"));
}

TEST(BandTotalsFileTest, ReadsBackAndVerifies) {
  const TemporaryFolder folder;
  BandTotalsWriter writer(folder / "t", 2, 2);
  writer.Write(std::vector<BandTotalsWriter::Totals>{{3, {1, 2, 0.5, 0.25}}, {0, {0, 0, 0, 0}}});
  writer.Finish();
  const BandTotalsFile file(folder / "t");
  file.Verify(3);
  EXPECT_EQ(file.Rows(0), 3U);
  EXPECT_THAT(file.Of(0, 0), ElementsAre(1, 2));
  EXPECT_THAT(file.Of(0, 1), ElementsAre(0.5, 0.25));
  EXPECT_EQ(file.Rows(1), 0U);
  EXPECT_THAT(ErrorOf([&] { file.Verify(2); }), OneLineWith("prompt 0", "more rows"));
}

}  // namespace
}  // namespace actkin
