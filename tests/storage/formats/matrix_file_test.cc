#include "storage/formats/matrix_file.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <vector>

#include "tests/error_matchers.h"
#include "tests/storage/exchange/npy_bytes.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

std::string Safetensors(const std::string& type, std::vector<std::int64_t> shape, const std::string& data) {
  const std::vector<SafetensorsHeaderEntry> entries{{"x", type, std::move(shape), data.size()}};
  return SafetensorsHeader(entries, {}) + data;
}

std::vector<float> Rows(const MatrixFile& matrix, RowRange range) {
  std::vector<float> values(range.size() * matrix.columns());
  matrix.ReadRows(range, values);
  return values;
}

TEST(MatrixFileTest, RowsOfEveryTypeInBothFormats) {
  const TemporaryFolder folder;
  const std::array<float, 6> floats{1, -2, 3, 0.5, 1e-30F, -0.0F};
  const std::array<std::uint16_t, 6> halves{0x3c00, 0xc000, 0x4200, 0x3800, 0x0001, 0x8000};
  const std::array<std::uint16_t, 6> brains{0x3f80, 0xc000, 0x4040, 0x3f00, 0x0001, 0x8000};
  const std::string float_bytes = BytesOf(std::span<const float>(floats));
  const std::string half_bytes = BytesOf(std::span<const std::uint16_t>(halves));

  const MatrixFile npy =
      MatrixFile::Open(folder.Write("a.npy", NpyHeader("<f4", std::array{3UL, 2UL}) + float_bytes), {});
  EXPECT_EQ(npy.type_name(), "float32");
  EXPECT_EQ(npy.rows(), 3U);
  EXPECT_EQ(npy.columns(), 2U);
  EXPECT_THAT(Rows(npy, {0, 3}), testing::ElementsAreArray(floats));
  EXPECT_THAT(Rows(npy, {1, 2}), testing::ElementsAre(3, 0.5F));

  const MatrixFile half =
      MatrixFile::Open(folder.Write("h.npy", NpyHeader("<f2", std::array{2UL, 3UL}) + half_bytes), {});
  EXPECT_EQ(half.element(), Element::kFloat16);
  EXPECT_THAT(Rows(half, {0, 2}), testing::ElementsAre(1, -2, 3, 0.5F, 0x1p-24F, -0.0F));

  const MatrixFile tensor =
      MatrixFile::Open(folder.Write("a.safetensors", Safetensors("F32", {2, 3}, float_bytes)), "x");
  EXPECT_EQ(tensor.element(), Element::kFloat32);
  EXPECT_THAT(Rows(tensor, {1, 2}), testing::ElementsAre(0.5F, 1e-30F, -0.0F));
  const MatrixFile brain = MatrixFile::Open(
      folder.Write("b.safetensors", Safetensors("BF16", {1, 6}, BytesOf(std::span<const std::uint16_t>(brains)))), "x");
  EXPECT_EQ(brain.type_name(), "bfloat16");
  EXPECT_EQ(brain.element(), Element::kFloat32);
  EXPECT_THAT(Rows(brain, {0, 1}), testing::ElementsAre(1, -2, 3, 0.5F, std::bit_cast<float>(0x00010000U), -0.0F));

  // What was dropped from memory is read again.
  npy.Expect({0, 3});
  npy.Forget({0, 3});
  EXPECT_THAT(Rows(npy, {0, 3}), testing::ElementsAreArray(floats));
}

TEST(MatrixFileTest, WhatIsNoMatrixIsRefused) {
  const TemporaryFolder folder;
  const std::string data(16, '\0');
  const auto npy = [&](const char* descr, std::vector<std::uint64_t> shape) {
    const auto path = folder.Write("a.npy", NpyHeader(descr, shape) + data);
    return ErrorOf([&] { MatrixFile::Open(path, {}); });
  };
  const auto tensor = [&](const char* type, std::vector<std::int64_t> shape, std::optional<std::string> name) {
    const auto path = folder.Write("a.safetensors", Safetensors(type, std::move(shape), data));
    return ErrorOf([&] { MatrixFile::Open(path, name); });
  };
  EXPECT_EQ(npy("<f4", {2, 2}), "no error");
  EXPECT_THAT(npy("<f4", {4}), OneLineWith("a.npy", "(4)", "rows x columns"));
  EXPECT_THAT(npy("<f4", {2, 1, 2}), OneLineWith("(2, 1, 2)"));
  EXPECT_THAT(npy("<f8", {1, 2}), OneLineWith("float64", "expected float32 or float16"));
  EXPECT_THAT(npy("<i4", {2, 2}), OneLineWith("int32"));
  EXPECT_EQ(tensor("F32", {2, 2}, "x"), "no error");
  EXPECT_THAT(tensor("F32", {2, 2}, "y"), OneLineWith("a.safetensors", "no tensor \"y\""));
  EXPECT_THAT(tensor("F32", {2, 2}, {}), OneLineWith("expected \"tensor\""));
  EXPECT_THAT(tensor("F32", {4}, "x"), OneLineWith("tensor x", "(4)"));
  EXPECT_THAT(tensor("F64", {1, 2}, "x"), OneLineWith("tensor x", "F64"));
  EXPECT_THAT(ErrorOf([&] { MatrixFile::Open(folder / "a.npy", "x"); }), OneLineWith("one array"));
  EXPECT_THAT(ErrorOf([&] { MatrixFile::Open(folder / "a.pt", {}); }), OneLineWith("NAME.npy or NAME.safetensors"));
  const auto none = folder.Write("none.npy", NpyHeader("<f4", std::array{5UL, 0UL}));
  EXPECT_THAT(ErrorOf([&] { MatrixFile::Open(none, {}); }), OneLineWith("1 to 1048576 columns"));
  const auto wide = folder.Write("wide.npy", NpyHeader("<f4", std::array{0UL, 1048577UL}));
  EXPECT_THAT(ErrorOf([&] { MatrixFile::Open(wide, {}); }), OneLineWith("1 to 1048576 columns"));
}

}  // namespace
}  // namespace actkin
