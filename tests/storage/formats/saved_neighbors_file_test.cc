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
    writer.Write(all.first(2));
  }
  {
    SavedNeighborsWriter writer(folder / "n", 5, 3, {2, 0});
    writer.Write(all.subspan(2, 2));
  }
  EXPECT_THAT(ErrorOf([&] { SavedNeighborsFile(folder / "n"); }), OneLineWith("not an actkin file"));
  // One of the two was not noted as written, and is written again.
  SavedNeighborsWriter writer(folder / "n", 5, 3, {3, 0});
  writer.Write(all.subspan(3));
  writer.Finish();
  EXPECT_EQ(ReadFile(folder / "n"), ReadFile(folder / "whole"));
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
  const std::vector<float> numbers{0.25F, -5, 0.25F, 0, 1, 0};
  PredictionsWriter writer(folder / "p", 2, 3);
  writer.Write(std::span(numbers).first(3));
  writer.Write(std::span(numbers).last(3));
  writer.Finish();
  const PredictionsFile file(folder / "p");
  file.Verify();
  EXPECT_EQ(file.embed(), 3U);
  EXPECT_THAT(file.BeforeUnembedding(0), ElementsAre(0.25F, -5, 0.25F));
  EXPECT_THAT(file.BeforeUnembedding(1), ElementsAre(0, 1, 0));

  PredictionsWriter odd(folder / "odd", 1, 3);
  odd.Write(std::vector<float>{0.5F, std::numeric_limits<float>::infinity(), 0.25F});
  odd.Finish();
  EXPECT_THAT(ErrorOf([&] { PredictionsFile(folder / "odd").Verify(); }), OneLineWith("prompt 0", "not finite"));
}

const std::vector<std::vector<BandTotal>> kTotals{{{1, 2, 0.5}, {4000, 1, 0.25}}, {}, {{0, 7, 7.5}}};

void WriteTotals(BandTotalsWriter& writer, std::size_t begin, std::size_t end) {
  std::vector<BandTotalsWriter::Totals> totals;
  for (std::size_t prompt = begin; prompt < end; ++prompt) totals.push_back({3 - prompt, kTotals[prompt]});
  writer.Write(totals);
}

TEST(BandTotalsFileTest, ReadsBackAndVerifies) {
  const TemporaryFolder folder;
  BandTotalsWriter writer(folder / "t", 3, 4001);
  WriteTotals(writer, 0, 3);
  writer.Finish();
  const BandTotalsFile file(folder / "t");
  file.Verify(3);
  for (std::size_t prompt = 0; prompt < 3; ++prompt) {
    EXPECT_EQ(file.Rows(prompt), 3 - prompt);
    EXPECT_THAT(file.Of(prompt), testing::ElementsAreArray(kTotals[prompt]));
  }
  EXPECT_THAT(ErrorOf([&] { file.Verify(2); }), OneLineWith("prompt 0", "more rows"));
  // What follows takes room, not what might: records and totals, 16 bytes each.
  EXPECT_EQ(file.file_bytes(), 2 * kSectionAlignment + 3 * sizeof(BandTotal));
}

TEST(BandTotalsFileTest, AWriterThatWasInterruptedContinues) {
  const TemporaryFolder folder;
  BandTotalsWriter whole(folder / "whole", 3, 4001);
  WriteTotals(whole, 0, 3);
  whole.Finish();
  for (const std::size_t stop : {0, 1, 2, 3}) {
    std::filesystem::remove(folder / "t");
    std::uint64_t list_bytes = 0;
    {
      BandTotalsWriter writer(folder / "t", 3, 4001);
      WriteTotals(writer, 0, stop);
      list_bytes = writer.records().list_bytes();
    }
    // Lists of a write that was stopped before it was noted.
    std::filesystem::resize_file(folder / "t", std::filesystem::file_size(folder / "t") + 5000);
    BandTotalsWriter writer(folder / "t", 3, 4001, {stop, list_bytes});
    WriteTotals(writer, stop, 3);
    writer.Finish();
    EXPECT_EQ(ReadFile(folder / "t"), ReadFile(folder / "whole")) << stop;
  }
}

TEST(BandTotalsFileTest, NonsenseWhoseChecksumsAreRightIsNamed) {
  const TemporaryFolder folder;
  const auto verify = [&](const std::vector<std::uint64_t>& records, const std::vector<BandTotal>& totals) {
    PromptRecordWriter writer(folder / "t", FileKind::kBandTotals, records.size() / 2, 16, {5, 0, 0, 0, 0, 0});
    writer.Write(std::as_bytes(std::span(records)), std::as_bytes(std::span(totals)));
    writer.Finish();
    return ErrorOf([&] { BandTotalsFile(folder / "t").Verify(3); });
  };
  EXPECT_EQ(verify({3, 1, 1, 2}, {{1, 2, 0.5}, {1, 2, 0.5}}), "no error");
  EXPECT_THAT(verify({3, 2}, {{1, 2, 0.5}, {1, 2, 0.5}}), OneLineWith("prompt 0", "ascend"));
  EXPECT_THAT(verify({3, 1}, {{5, 2, 0.5}}), OneLineWith("prompt 0", "token that is none"));
  EXPECT_THAT(verify({3, 1}, {{1, 2, -0.5}}), OneLineWith("prompt 0", "no count"));
  EXPECT_THAT(verify({3, 2}, {{1, 2, 0.5}}), OneLineWith("prompt 0", "not in its lists"));
  EXPECT_THAT(verify({3, 1, 3, 0}, {{1, 2, 0.5}}), OneLineWith("prompt 1", "not in its lists"));
  EXPECT_THAT(verify({3, 0}, {{1, 2, 0.5}}), OneLineWith("1 totals, expected 0"));
}

}  // namespace
}  // namespace actkin
