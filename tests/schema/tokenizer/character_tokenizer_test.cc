#include "schema/tokenizer/character_tokenizer.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

TEST(CharacterTokenizerTest, ATokenIsACodePoint) {
  const CharacterTokenizer tokenizer(Vocabulary::OfText(U"ban\u4e2d"));
  ASSERT_EQ(tokenizer.size(), 4U);
  EXPECT_EQ(tokenizer.Bytes(3), "\u4e2d");
  EXPECT_THAT(tokenizer.Encode("n\u4e2da", "prompt"), testing::ElementsAre(2, 3, 0));
  EXPECT_EQ(tokenizer.beginning(), std::nullopt);
  EXPECT_TRUE(tokenizer.keeps_text());
}

TEST(CharacterTokenizerTest, WhatIsNoTextAndWhatIsNoTokenAreUsageErrors) {
  const CharacterTokenizer tokenizer(Vocabulary::OfText(U"abc"));
  for (const char* text : {"abd", "ab\xff"}) {
    try {
      tokenizer.Encode(text, "prompt");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::kUsage);
      EXPECT_THAT(std::string(error.what()), OneLineWith("prompt", "2"));
    }
  }
}

TEST(TokenTextTest, BytesOfSeveralTokensMakeCharactersTogether) {
  EXPECT_EQ(TokenText("\xe4\xb8"), "\\xe4\\xb8");
  EXPECT_EQ(TokenText("a\n\xe4\xb8\xad"), "a\n\u4e2d");
  const CharacterTokenizer tokenizer(Vocabulary::OfText(U"ab"));
  EXPECT_EQ(TokenText(tokenizer, std::vector<TokenId>{1, 0, 1}), "bab");
}

}  // namespace
}  // namespace actkin
