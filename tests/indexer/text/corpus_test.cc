#include "indexer/text/corpus.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <random>

#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "storage/machine/sha256.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

CharacterTokenizer CharactersOf(const Corpus& corpus) {
  return CharacterTokenizer(Vocabulary::OfText(corpus.alphabet));
}

TEST(CorpusTest, CharactersAreCodePoints) {
  const TemporaryFolder folder;
  const Corpus corpus = ReadCorpus(folder.Write("text.txt", "\u00e4\u4e2d\r\nx"));
  EXPECT_EQ(corpus.name, "text.txt");
  EXPECT_EQ(corpus.alphabet, U"\n\rx\u00e4\u4e2d");
  EXPECT_EQ(corpus.bytes, 8U);
  EXPECT_EQ(corpus.characters, 5U);
  const CorpusTokens tokens = Tokenize(corpus, CharactersOf(corpus), 5, "text.txt");
  EXPECT_THAT(tokens.tokens, testing::ElementsAre(3, 4, 1, 0, 2));
  ASSERT_EQ(tokens.documents.size(), 1U);
  EXPECT_EQ(tokens.documents[0].name, "text.txt");
  EXPECT_EQ(tokens.documents[0].token_count, 5U);
  EXPECT_TRUE(tokens.same_text);
}

// Two characters a token, in capitals: what a normalizer may do.
class Pairs : public Tokenizer {
 public:
  std::size_t size() const override { return 1; }
  std::string_view Bytes(TokenId) const override { return "AB"; }
  std::vector<TokenId> Encode(std::string_view utf8, std::string_view) const override {
    return std::vector<TokenId>(utf8.size() / 2, 0);
  }
  std::optional<TokenId> beginning() const override { return std::nullopt; }
  bool keeps_text() const override { return false; }
};

TEST(CorpusTest, ItsLengthIsThatOfItsTokens) {
  const TemporaryFolder folder;
  const Corpus corpus = ReadCorpus(folder.Write("text.txt", "ABABAB"));
  EXPECT_THAT(ErrorOf([&] { Tokenize(corpus, Pairs(), 4, "text.txt"); }),
              OneLineWith("text.txt: 3 tokens are fewer than the string length 4"));
  const CorpusTokens tokens = Tokenize(corpus, Pairs(), 3, "text.txt");
  EXPECT_EQ(tokens.documents.at(0).token_count, 3U);
  EXPECT_TRUE(tokens.same_text);
  EXPECT_FALSE(Tokenize(ReadCorpus(folder.Write("text.txt", "ABAbAB")), Pairs(), 3, "text.txt").same_text);
}

// Characters and separators lie across the megabytes that are read at once.
TEST(CorpusTest, IsTheSameHoweverItIsRead) {
  const TemporaryFolder folder;
  const std::string separator = "\u00e9-\u00e9\n";
  std::string text;
  std::vector<std::string> documents{""};
  std::mt19937 random(1);
  while (text.size() < (std::size_t{5} << 19)) {
    const unsigned choice = random() % 2000;
    if (choice == 0) {
      text += separator;
      documents.emplace_back();
    } else {
      const char* const piece = choice < 600 ? "\u00e9" : choice < 900 ? "\U0001f600" : choice < 1200 ? "\u4e2d" : "-";
      text += piece;
      documents.back() += piece;
    }
  }
  // Whatever its length is, some of them are cut there.
  for (int shift = 0; shift < 4; ++shift) {
    text.insert(0, "x");
    documents.front().insert(0, "x");
    CorpusSource source;
    source.inputs.push_back(folder.Write("text.txt", text));
    const Corpus one = ReadCorpus(source);
    EXPECT_EQ(one.bytes, text.size());
    EXPECT_EQ(one.characters, CodePoints(text, "text").size());
    EXPECT_EQ(one.sha256, Sha256(text));
    const CharacterTokenizer characters = CharactersOf(one);
    EXPECT_EQ(Tokenize(one, characters, 1, "text").tokens, characters.Encode(text, "text"));
    source.separator = separator;
    const Corpus several = ReadCorpus(source);
    const CorpusTokens tokens = Tokenize(several, characters, 1, "text");
    if (documents.back().empty()) documents.pop_back();
    ASSERT_EQ(tokens.documents.size(), documents.size());
    std::vector<TokenId> expected;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      EXPECT_EQ(tokens.documents[i].first_position, expected.size());
      std::ranges::copy(characters.Encode(documents[i], "document"), std::back_inserter(expected));
    }
    EXPECT_EQ(tokens.tokens, expected);
  }
}

TEST(CorpusTest, PlacesAreCountedFromItsBeginning) {
  const TemporaryFolder folder;
  const std::string much = std::string(std::size_t{3} << 19, 'a') + "\u4e2d";
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("b", much + "\xff")); }), OneLineWith("byte 1572867 is 0xFF"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("n", much + '\0')); }), OneLineWith("byte 1572867 is NUL"));
  const Corpus corpus = ReadCorpus(folder.Write("x", much + "b"));
  EXPECT_THAT(ErrorOf([&] { Tokenize(corpus, CharacterTokenizer(Vocabulary::OfText(U"a\u4e2d")), 1, "x"); }),
              OneLineWith("\"b\" (U+0062) at position 1572865 is not one of the vocabulary's 2 tokens"));
}

TEST(CorpusTest, AChangeBetweenTheReadingsIsFound) {
  const TemporaryFolder folder;
  const Corpus corpus = ReadCorpus(folder.Write("text.txt", "abab"));
  folder.Write("text.txt", "abba");
  EXPECT_THAT(ErrorOf([&] { Tokenize(corpus, CharactersOf(corpus), 1, "text.txt"); }),
              OneLineWith("text.txt: was changed while it was read"));
}

TEST(CorpusTest, WhatIsNoCorpusIsRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder / "absent.txt"); }), OneLineWith("absent.txt", "No such file"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.path()); }), OneLineWith("this is a folder"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("e", "")); }), OneLineWith("the corpus is empty"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("b", "text \xff\xfe")); }), OneLineWith("not UTF-8", "byte 5"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("n", std::string("a\0b", 3))); }), OneLineWith("byte 1 is NUL"));
  const Corpus corpus = ReadCorpus(folder.Write("s", "short"));
  EXPECT_THAT(ErrorOf([&] { Tokenize(corpus, CharactersOf(corpus), 10, "s"); }),
              OneLineWith("5 characters are fewer than the string length 10"));
}

}  // namespace
}  // namespace actkin
