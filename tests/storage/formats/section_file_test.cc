#include "storage/formats/section_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "storage/formats/code_file.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/row_order_file.h"
#include "storage/formats/suffix_order_file.h"
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

// "ab", nothing, "ba": entries a b . . b a ., which end with separators.
std::filesystem::path MakeCorpusTokens(const TemporaryFolder& folder, std::uint64_t vocabulary_size = 2) {
  const auto path = folder / "corpus.tokens";
  WriteCorpusTokensFile(path, std::vector<TokenId>{0, 1, 1, 0}, std::vector<std::uint64_t>{0, 2, 2, 4},
                        vocabulary_size);
  return path;
}

TEST(SectionFileTest, CorpusTokensReadBackAndEveryDamageIsFound) {
  const TemporaryFolder folder;
  for (const auto& [vocabulary_size, width] : {std::pair{2, 1}, {255, 1}, {256, 2}, {65535, 2}, {65536, 4}}) {
    const CorpusTokensFile file(MakeCorpusTokens(folder, static_cast<std::uint64_t>(vocabulary_size)));
    EXPECT_EQ(file.width(), width);
    EXPECT_EQ(file.token_count(), 4U);
    EXPECT_EQ(file.document_count(), 3U);
    std::vector<int> entries;
    for (std::uint64_t i = 0; i < file.entry_count(); ++i)
      entries.push_back(static_cast<int>(file.Entry(i).value_or(9)));
    EXPECT_EQ(entries, (std::vector<int>{0, 1, 9, 9, 1, 0, 9}));
    EXPECT_EQ(file.DocumentOf(1), 0U);
    EXPECT_EQ(file.DocumentOf(2), 2U);
    EXPECT_EQ(file.Token(2), 1U);
    file.Verify();
  }
  ExpectEveryDamageFound(folder, MakeCorpusTokens(folder),
                         [](const auto& damaged) { CorpusTokensFile(damaged).Verify(); });
}

TEST(SectionFileTest, SuffixOrdersReadBackAndEveryDamageIsFound) {
  const TemporaryFolder folder;
  const CorpusTokensFile tokens(MakeCorpusTokens(folder));
  const auto path = folder / "corpus.suffixes";
  const auto write = [&](const std::vector<std::uint32_t>& begins) { WriteSuffixOrderFile(path, tokens, begins); };
  const auto verify = [&](const std::filesystem::path& of) {
    const SuffixOrderFile file(of);
    file.RequireOf(tokens);
    file.Verify();
    file.VerifyOrder(tokens);
  };
  // "a..": "ab", "a." at the very end; "b..": "ba", "b.."; then those that begin with a separator, the last one first.
  const std::vector<std::uint32_t> order{0, 5, 4, 1, 6, 3, 2};
  write(order);
  EXPECT_EQ(SuffixOrderFile(path).Begin(2), 4U);
  ExpectEveryDamageFound(folder, path, verify);
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    std::vector<std::uint32_t> exchanged = order;
    std::swap(exchanged[i], exchanged[i + 1]);
    write(exchanged);
    EXPECT_THAT(ErrorOf([&] { verify(path); }), OneLineWith(path.string(), "not in its place")) << i;
  }
  write({0, 5, 4, 1, 6, 3, 3});
  EXPECT_THAT(ErrorOf([&] { verify(path); }), OneLineWith(path.string(), "twice"));
  write({0, 5, 4, 1, 6, 3, 7});
  EXPECT_THAT(ErrorOf([&] { verify(path); }), OneLineWith(path.string(), "begins at 7 of 7"));
}

// Of one dimension, token t at t + 0.5.
CodedRows OneDimensionalRows(std::span<const TokenId> tokens, float& room) {
  return {.rows = {0, tokens.size()},
          .positions = 1,
          .embed = 1,
          .tokens = tokens,
          .embedding_of =
              [&room](TokenId token) {
                room = static_cast<float>(token) + 0.5F;
                return std::span<const float>(&room, 1);
              },
          .position_embeddings = {}};
}

TEST(SectionFileTest, CodesReadBackAndEveryDamageIsFound) {
  const TemporaryFolder folder;
  const std::vector<float> embeddings{1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<float> positions{10, 20, 30, 40};
  const std::vector<TokenId> tokens{0, 1, 3, 3, 1, 0};
  const auto path = folder / "embedding-t1.codes";
  WriteCodeFile(path, {.rows = {0, 3},
                       .positions = 2,
                       .embed = 2,
                       .tokens = tokens,
                       .embedding_of = [&](TokenId token) { return std::span(embeddings).subspan(2 * token, 2); },
                       .position_embeddings = positions});
  const CodeFile file(path);
  EXPECT_EQ(file.embed(), 2U);
  EXPECT_EQ(file.positions(), 2U);
  EXPECT_EQ(file.code_bytes(), 1U);
  // Of the tokens that occur alone.
  EXPECT_EQ(file.token_count(), 3U);
  EXPECT_THAT(file.token_ids(), testing::ElementsAre(0, 1, 3));
  EXPECT_THAT(file.token_embeddings(), testing::ElementsAre(1, 2, 3, 4, 7, 8));
  EXPECT_THAT(file.Codes<std::uint8_t>(), testing::ElementsAre(0, 1, 2, 2, 1, 0));
  EXPECT_THAT(file.position_embeddings(), testing::ElementsAreArray(positions));
  ExpectEveryDamageFound(folder, path, [](const auto& damaged) { CodeFile(damaged).Verify(); });
}

TEST(SectionFileTest, CodesTakeAsManyBytesAsTheTokensNeed) {
  const TemporaryFolder folder;
  const auto path = folder / "codes";
  float room = 0;
  for (const std::uint32_t count : {256U, 257U, 65536U, 65537U, 151669U}) {
    // Thinned out, so that ids are larger than codes.
    std::vector<TokenId> tokens;
    for (TokenId token = count; token-- > 0;) tokens.push_back(3 * token + 7);
    WriteCodeFile(path, OneDimensionalRows(tokens, room));
    const CodeFile file(path);
    file.Verify();
    EXPECT_EQ(file.token_count(), count);
    EXPECT_EQ(file.code_bytes(), count <= 256 ? 1U : (count <= 65536 ? 2U : 4U));
    EXPECT_EQ(file.token_ids()[1], 10U);
    EXPECT_EQ(file.token_embeddings()[1], 10.5F);
    EXPECT_THAT(file.position_embeddings(), testing::IsEmpty());
    if (file.code_bytes() == 4) {
      EXPECT_EQ(file.Codes<std::uint32_t>()[0], count - 1);
    }
  }
}

// Two tokens in a table that has room for the largest id alone.
TEST(SectionFileTest, CodesOfFewTokensAreSmallWhateverTheirIds) {
  const TemporaryFolder folder;
  float room = 0;
  WriteCodeFile(folder / "codes", OneDimensionalRows(std::vector<TokenId>{9'000'000, 5, 5}, room));
  EXPECT_THAT(CodeFile(folder / "codes").token_ids(), testing::ElementsAre(5, 9'000'000));
  EXPECT_LT(CodeFile(folder / "codes").file_bytes(), 5 * kSectionAlignment);
}

// In bytes, of mapped files that this process has in memory.
std::uint64_t MappedInMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == "RssFile:" && status >> kilobytes) return kilobytes << 10;
  }
  ADD_FAILURE() << "no RssFile in /proc/self/status";
  return 0;
}

TEST(SectionFileTest, VerifyingALargeFileLetsGoOfWhatItRead) {
  const TemporaryFolder folder;
  const auto path = folder / "large.rows";
  constexpr std::size_t kSize = std::size_t{48} << 20;
  std::vector<std::byte> section(kSize);
  section[kSize - 5] = std::byte{7};
  WriteSectionFile(path, FileKind::kRowOrder, {}, {section, std::span(section).last(10)});
  const SectionFile file(path, FileKind::kRowOrder);
  const std::uint64_t before = MappedInMemory();
  file.VerifyBytes();
  EXPECT_LT(MappedInMemory(), before + kSize / 2);
  // In any of its parts a changed byte is found.
  for (const std::size_t at : {std::size_t{1}, std::size_t{17} << 20, kSize - 1}) {
    std::fstream changed(path, std::ios::binary | std::ios::in | std::ios::out);
    changed.seekp(static_cast<std::streamoff>(kSectionAlignment + at));
    changed.put('x');
    changed.close();
    EXPECT_THAT(ErrorOf([&] { SectionFile(path, FileKind::kRowOrder).VerifyBytes(); }),
                OneLineWith(path.string(), "the checksum of section 0 is wrong"))
        << at;
    changed.open(path, std::ios::binary | std::ios::in | std::ios::out);
    changed.seekp(static_cast<std::streamoff>(kSectionAlignment + at));
    changed.put('\0');
  }
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
