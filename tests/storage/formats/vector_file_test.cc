#include "storage/formats/vector_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "storage/machine/int8_rows.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

std::vector<float> RandomValues(std::size_t count) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

TEST(VectorFileTest, RowsReadBackFromAnyRange) {
  const TemporaryFolder folder;
  const std::vector<float> values = RandomValues(7 * 5);
  VectorFileWriter writer(folder / "v", Element::kFloat32, 5, {100, 107});
  writer.AddChecksum(writer.WriteRows(100, values));
  const std::uint64_t checksum = writer.Finish();

  const VectorFile file(folder / "v");
  EXPECT_EQ(file.header_checksum(), checksum);
  EXPECT_EQ(file.rows(), (RowRange{100, 107}));
  EXPECT_EQ(file.dimension(), 5U);
  EXPECT_THAT(file.Float32(), testing::ElementsAreArray(values));
  EXPECT_THAT(file.Row(103), testing::ElementsAreArray(values.begin() + 15, values.begin() + 20));
  file.Verify();
}

TEST(VectorFileTest, Float16KeepsElevenBits) {
  const TemporaryFolder folder;
  const std::vector<float> values = RandomValues(40);
  VectorFileWriter writer(folder / "v", Element::kFloat16, 8, {0, 5});
  writer.AddChecksum(writer.WriteRows(0, values));
  writer.Finish();
  const VectorFile file(folder / "v");
  file.Verify();
  EXPECT_EQ(file.file_bytes(), VectorFileWriter::FileBytes(Element::kFloat16, 8, 5));
  for (RowNumber row = 0; row < 5; ++row) {
    const std::vector<float> stored = file.Row(row);
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_NEAR(stored[i], values[row * 8 + i], std::abs(values[row * 8 + i]) * 0x1p-11 + 1e-7);
    }
  }
}

TEST(VectorFileTest, Int8RowsAreReadAsTheyWereRounded) {
  const TemporaryFolder folder;
  constexpr std::size_t kDimension = 150;
  const std::vector<float> values = RandomValues(9 * kDimension);
  VectorFileWriter writer(folder / "v", Element::kInt8, kDimension, {4, 13});
  writer.AddChecksum(writer.WriteRows(4, values));
  writer.Finish();
  const VectorFile file(folder / "v");
  file.Verify();
  EXPECT_EQ(file.file_bytes(), VectorFileWriter::FileBytes(Element::kInt8, kDimension, 9));
  EXPECT_LT(StoredRowBytes(Element::kInt8, 768), 768 * 4 * 0.28);
  std::vector<float> all(values.size());
  file.ReadRows(file.rows(), all);
  for (RowNumber row = 0; row < 9; ++row) {
    std::vector<std::byte> bytes(Int8RowBytes(kDimension));
    std::vector<float> rounded(kDimension);
    EncodeInt8Row(values.data() + row * kDimension, kDimension, bytes.data());
    DecodeInt8Row(bytes.data(), kDimension, rounded.data());
    EXPECT_EQ(file.Row(4 + row), rounded);
    EXPECT_TRUE(std::ranges::equal(std::span(all).subspan(row * kDimension, kDimension), rounded));
  }
}

// The same bytes, whatever the order of the rows, the number of threads, and where a build was interrupted.
TEST(VectorFileTest, BytesDoNotDependOnTheOrderOfWriting) {
  const TemporaryFolder folder;
  const std::vector<float> values = RandomValues(64 * 3);
  const auto rows = [&](std::size_t first, std::size_t count) {
    return std::span(values).subspan(first * 3, count * 3);
  };
  {
    VectorFileWriter writer(folder / "forward", Element::kFloat32, 3, {0, 64});
    writer.AddChecksum(writer.WriteRows(0, rows(0, 64)));
    writer.Finish();
  }
  {
    VectorFileWriter writer(folder / "threads", Element::kFloat32, 3, {0, 64});
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t row = 16 * (4 - t); row-- > 16 * (3 - t);) {
          writer.AddChecksum(writer.WriteRows(static_cast<RowNumber>(row), rows(row, 1)));
        }
      });
    }
    threads.clear();
    writer.Finish();
  }
  std::uint64_t checksum = 0;
  {
    VectorFileWriter writer(folder / "resumed", Element::kFloat32, 3, {0, 64});
    writer.AddChecksum(writer.WriteRows(0, rows(0, 10)));
    checksum = writer.checksum();
    writer.WriteRows(10, rows(10, 5));  // written, but not counted, when the build is killed
  }
  {
    VectorFileWriter writer(folder / "resumed", Element::kFloat32, 3, {0, 64}, true, checksum);
    writer.AddChecksum(writer.WriteRows(10, rows(10, 54)));
    writer.Finish();
  }
  EXPECT_EQ(ReadFile(folder / "forward"), ReadFile(folder / "threads"));
  EXPECT_EQ(ReadFile(folder / "forward"), ReadFile(folder / "resumed"));
}

TEST(VectorFileTest, EveryDamageIsFound) {
  const TemporaryFolder folder;
  for (const Element element : {Element::kFloat32, Element::kFloat16, Element::kInt8}) {
    VectorFileWriter writer(folder / "v", element, 16, {0, 20});
    writer.AddChecksum(writer.WriteRows(0, RandomValues(20 * 16)));
    writer.Finish();
    const std::string whole = ReadFile(folder / "v");
    for (std::size_t offset = 0; offset < whole.size(); offset += offset < 256 || offset > 4080 ? 1 : 97) {
      std::string damaged = whole;
      damaged[offset] = static_cast<char>(damaged[offset] ^ 1);
      const auto path = folder.Write("damaged", damaged);
      EXPECT_THAT(ErrorOf([&] { VectorFile(path).Verify(); }), OneLineWith(path.string())) << offset;
    }
    // Two rows that changed places are two damaged rows.
    std::string swapped = whole;
    const std::size_t row_bytes = StoredRowBytes(element, 16);
    std::swap_ranges(swapped.begin() + 4096, swapped.begin() + 4096 + static_cast<std::ptrdiff_t>(row_bytes),
                     swapped.begin() + 4096 + static_cast<std::ptrdiff_t>(row_bytes));
    const auto path = folder.Write("damaged", swapped);
    EXPECT_THAT(ErrorOf([&] { VectorFile(path).Verify(); }), OneLineWith("checksum of its rows"));
  }
}

TEST(VectorFileTest, WhatCannotBeStoredIsRefused) {
  const TemporaryFolder folder;
  VectorFileWriter writer(folder / "v", Element::kFloat32, 2, {0, 4});
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(ErrorOf([&] {
                  writer.WriteRows(1, std::vector<float>{0, 0, 0, value});
                }),
                OneLineWith("row 2", "only finite numbers"));
  }
  VectorFileWriter half(folder / "h", Element::kFloat16, 2, {0, 4});
  EXPECT_THAT(ErrorOf([&] { half.WriteRows(0, std::vector<float>{1, 70'000}); }), OneLineWith("exceeds float16"));
}

}  // namespace
}  // namespace actkin
