#include "indexer/text/corpus.h"

#include <gmock/gmock.h>

#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

CharacterTokenizer CharactersOf(const Corpus& corpus) {
  return CharacterTokenizer(Vocabulary::OfText(CodePoints(corpus.text, "corpus")));
}

TEST(CorpusTest, CharactersAreCodePoints) {
  const TemporaryFolder folder;
  const Corpus corpus = ReadCorpus(folder.Write("text.txt", "\u00e4\u4e2d\r\nx"));
  EXPECT_EQ(corpus.name, "text.txt");
  EXPECT_EQ(corpus.text, "\u00e4\u4e2d\r\nx");
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
