#include "storage/formats/row_source.h"

#include <gmock/gmock.h>

#include <vector>

#include "storage/formats/vector_file.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::size_t kDimension = 5;

// Row r is 10 r, 10 r + 1, ...: numbers that float16 holds.
std::vector<float> Numbers(RowRange rows) {
  std::vector<float> numbers;
  for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
    for (std::size_t i = 0; i < kDimension; ++i) numbers.push_back(static_cast<float>(10 * row + i));
  }
  return numbers;
}

// Rows in files that begin at each of `begins` and end where the next begins, the last of them at the end.
RowSource InFiles(const TemporaryFolder& folder, Element element, const std::vector<std::uint64_t>& begins) {
  std::vector<VectorFile> files;
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    const RowRange rows{begins[i], begins[i + 1]};
    VectorFileWriter writer(folder / std::to_string(i), element, kDimension, rows);
    writer.AddChecksum(writer.WriteRows(static_cast<RowNumber>(rows.begin), Numbers(rows)));
    writer.Finish();
    files.insert(files.begin(), VectorFile(folder / std::to_string(i)));
  }
  return RowSource(std::move(files));
}

// Whatever is asked for comes out as `Numbers` has it.
void ExpectNumbers(const RowSource& source) {
  for (const RowRange rows : {RowRange{0, 9}, RowRange{0, 1}, RowRange{2, 7}, RowRange{8, 9}, RowRange{4, 4}}) {
    std::vector<float> read(rows.size() * kDimension);
    source.Read(rows, read);
    EXPECT_EQ(read, Numbers(rows)) << rows.begin << "-" << rows.end;
  }
  const std::vector<RowNumber> scattered = {8, 0, 5, 5, 3};
  std::vector<float> read(scattered.size() * kDimension);
  source.Read(scattered, read);
  for (std::size_t i = 0; i < scattered.size(); ++i) {
    const std::vector<float> row(read.begin() + static_cast<std::ptrdiff_t>(i * kDimension),
                                 read.begin() + static_cast<std::ptrdiff_t>((i + 1) * kDimension));
    EXPECT_EQ(row, Numbers({scattered[i], scattered[i] + 1ULL})) << scattered[i];
  }
}

TEST(RowSourceTest, SeveralFilesAreOneMatrix) {
  for (const Element element : {Element::kFloat32, Element::kFloat16}) {
    for (const auto& begins : {std::vector<std::uint64_t>{0, 9}, {0, 3, 9}, {0, 0, 1, 5, 8, 9, 9}}) {
      const TemporaryFolder folder;
      const RowSource source = InFiles(folder, element, begins);
      EXPECT_EQ(source.row_count(), 9U);
      EXPECT_EQ(source.dimension(), kDimension);
      ExpectNumbers(source);
      std::uint64_t next = 0;
      for (const RowSource::Part& part : source.parts()) {
        EXPECT_EQ(part.rows.begin, next);
        EXPECT_GT(part.rows.size(), 0U);
        for (std::uint64_t row = part.rows.begin; row < part.rows.end; ++row) {
          EXPECT_EQ(source.Stored(static_cast<RowNumber>(row)),
                    part.stored + (row - part.rows.begin) * source.row_bytes());
        }
        next = part.rows.end;
      }
      EXPECT_EQ(next, 9U);
    }
  }
}

TEST(RowSourceTest, MessagesNameTheFileOfARow) {
  const TemporaryFolder folder;
  const RowSource source = InFiles(folder, Element::kFloat32, {0, 3, 9});
  EXPECT_EQ(source.Path(2), folder / "0");
  EXPECT_EQ(source.Path(3), folder / "1");
  EXPECT_EQ(source.Path(8), folder / "1");
}

TEST(RowSourceTest, OtherRowsHaveAnotherChecksum) {
  const TemporaryFolder folder;
  const TemporaryFolder other;
  const std::uint64_t checksum = InFiles(folder, Element::kFloat32, {0, 9}).checksum();
  EXPECT_EQ(InFiles(other, Element::kFloat32, {0, 9}).checksum(), checksum);
  EXPECT_NE(InFiles(other, Element::kFloat16, {0, 9}).checksum(), checksum);
  EXPECT_NE(InFiles(other, Element::kFloat32, {0, 8}).checksum(), checksum);
}

TEST(RowSourceTest, RowsThatAreKeptNowhereAreMadeTogether) {
  std::vector<std::vector<RowNumber>> asked;
  const RowSource source(9, kDimension, "made here", [&](std::span<const RowNumber> rows, std::span<float> out) {
    asked.emplace_back(rows.begin(), rows.end());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::vector<float> row = Numbers({rows[i], rows[i] + 1ULL});
      std::ranges::copy(row, out.begin() + static_cast<std::ptrdiff_t>(i * kDimension));
    }
  });
  EXPECT_TRUE(source.computed());
  EXPECT_THAT(source.parts(), testing::IsEmpty());
  EXPECT_EQ(source.Path(4), "made here");
  ExpectNumbers(source);
  EXPECT_THAT(asked, testing::Contains(testing::ElementsAre(2, 3, 4, 5, 6)));
  EXPECT_THAT(asked, testing::Contains(testing::ElementsAre(8, 0, 5, 5, 3)));
}

}  // namespace
}  // namespace actkin
