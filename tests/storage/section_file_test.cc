#include "storage/formats/section_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "storage/formats/code_file.h"
#include "storage/formats/row_order_file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

std::string Bytes(const std::filesystem::path& path) { return ReadFile(path); }

// Whatever byte of a file is changed, opening or verifying names the file.
template <typename Open>
void ExpectEveryDamageFound(const TemporaryFolder& folder, const std::filesystem::path& path, const Open& open) {
  const std::string whole = Bytes(path);
  ASSERT_EQ(ErrorOf([&] { open(path); }), "no error");
  for (std::size_t offset = 0; offset < whole.size(); offset += (offset < 256 || offset % 4096 > 4080) ? 1 : 61) {
    std::string damaged = whole;
    damaged[offset] = static_cast<char>(damaged[offset] ^ 0x10);
    const auto copy = folder.Write("damaged", damaged);
    EXPECT_THAT(ErrorOf([&] { open(copy); }), OneLineWith(copy.string())) << "byte " << offset;
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{4095}, std::size_t{4096}, whole.size() - 1}) {
    const auto copy = folder.Write("damaged", whole.substr(0, size));
    EXPECT_THAT(ErrorOf([&] { open(copy); }), OneLineWith(copy.string())) << size << " bytes";
  }
  const auto longer = folder.Write("damaged", whole + "x");
  EXPECT_THAT(ErrorOf([&] { open(longer); }), OneLineWith(longer.string()));
}

TEST(SectionFileTest, RowOrderReadsBackAndEveryDamageIsFound) {
  const TemporaryFolder folder;
  const std::vector<StringOrdinal> rows{3, 0, 2, 1, 4};
  const auto path = folder / "t9.rows";
  const std::uint64_t checksum = WriteRowOrderFile(path, 10, rows);
  const RowOrderFile file(path);
  EXPECT_EQ(file.header_checksum(), checksum);
  EXPECT_EQ(file.string_length(), 10U);
  ASSERT_EQ(file.row_count(), rows.size());
  for (RowNumber row = 0; row < rows.size(); ++row) {
    EXPECT_EQ(file.Ordinal(row), rows[row]);
    EXPECT_EQ(file.Row(rows[row]), row);
  }
  ExpectEveryDamageFound(folder, path, [](const auto& damaged) { RowOrderFile(damaged).Verify(); });
}

TEST(SectionFileTest, CodesReadBackAndEveryDamageIsFound) {
  const TemporaryFolder folder;
  const std::vector<float> tokens{1, 2, 3, 4, 5, 6};
  const std::vector<float> positions{10, 20, 30, 40};
  const auto path = folder / "embedding-t1.codes";
  WriteCodeFile(path, 2, tokens, positions, std::vector<TokenId>{0, 1, 2, 2, 1, 0}, {0, 3});
  const CodeFile file(path);
  EXPECT_EQ(file.embed(), 2U);
  EXPECT_EQ(file.positions(), 2U);
  EXPECT_EQ(file.vocabulary_size(), 3U);
  EXPECT_EQ(file.code_bytes(), 1U);
  EXPECT_THAT(file.Codes8(), testing::ElementsAre(0, 1, 2, 2, 1, 0));
  EXPECT_THAT(file.tokens(), testing::ElementsAreArray(tokens));
  EXPECT_THAT(file.position_embeddings(), testing::ElementsAreArray(positions));
  ExpectEveryDamageFound(folder, path, [](const auto& damaged) { CodeFile(damaged).Verify(); });
}

TEST(SectionFileTest, CodesTakeTwoBytesAbove256Tokens) {
  const TemporaryFolder folder;
  const auto path = folder / "codes";
  WriteCodeFile(path, 1, std::vector<float>(300, 1), std::vector<float>(1, 0), std::vector<TokenId>{299, 0}, {0, 2});
  EXPECT_EQ(CodeFile(path).code_bytes(), 2U);
  EXPECT_THAT(CodeFile(path).Codes16(), testing::ElementsAre(299, 0));
}

TEST(SectionFileTest, MoreThan65536TokensAreRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf([&] {
                WriteCodeFile(folder / "codes", 1, std::vector<float>(65537), std::vector<float>(1),
                              std::vector<TokenId>{0}, {0, 1});
              }),
              OneLineWith("65537", "at most 65536"));
}

TEST(SectionFileTest, ANewerFormatAndAnotherKindAreRefused) {
  const TemporaryFolder folder;
  const auto path = folder / "t0.rows";
  WriteRowOrderFile(path, 1, std::vector<StringOrdinal>{0});
  EXPECT_THAT(ErrorOf([&] { CodeFile{path}; }), OneLineWith(path.string(), "another kind"));
  std::string bytes = Bytes(path);
  bytes[8] = 2;
  const auto newer = folder.Write("newer", bytes);
  EXPECT_THAT(ErrorOf([&] { RowOrderFile{newer}; }), OneLineWith("version 2 is newer"));
}

TEST(SectionFileTest, WhatIsNoFileIsRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf([&] { RowOrderFile{folder / "absent"}; }), OneLineWith("absent", "No such file"));
  EXPECT_THAT(ErrorOf([&] { RowOrderFile{folder.path()}; }), OneLineWith("expected a file"));
  const auto text = folder.Write("text", std::string(10'000, 'x'));
  EXPECT_THAT(ErrorOf([&] { RowOrderFile{text}; }), OneLineWith("not an actkin file"));
}

}  // namespace
}  // namespace actkin
