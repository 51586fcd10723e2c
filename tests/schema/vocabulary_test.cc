#include "schema/vocabulary.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

TEST(VocabularyTest, IdsAreTheSortedDistinctCodePoints) {
  const Vocabulary vocabulary = Vocabulary::OfText(U"banana\u4e2d!");
  ASSERT_EQ(vocabulary.size(), 5U);
  EXPECT_EQ(vocabulary.Text(0), "!");
  EXPECT_EQ(vocabulary.Text(4), "\u4e2d");
  EXPECT_THAT(vocabulary.Encode("nab", "prompt"), testing::ElementsAre(3, 1, 2));
  EXPECT_EQ(vocabulary.Text(std::vector<TokenId>{2, 1, 3}), "ban");
}

TEST(VocabularyTest, ACharacterOutsideIsNamedWithItsPlace) {
  const Vocabulary vocabulary = Vocabulary::OfText(U"abc");
  EXPECT_THAT(ErrorOf([&] { vocabulary.Encode("ab\u20ac", "prompt \"ab\u20ac\""); }),
              OneLineWith("U+20AC", "position 2", "3 tokens"));
}

TEST(VocabularyTest, JsonReadsBack) {
  const Vocabulary vocabulary = Vocabulary::OfText(U"a\n\"\\\u4e2d");
  EXPECT_EQ(Vocabulary::OfJson(vocabulary.Json(), "m.safetensors"), vocabulary);
}

TEST(VocabularyTest, WhatIsNoVocabularyIsRefused) {
  for (const char* text : {"", "{}", "[1]", "[\"ab\"]", "[\"\"]", "[\"b\",\"a\"]", "[\"a\",\"a\"]"}) {
    EXPECT_THAT(ErrorOf([&] { Vocabulary::OfJson(text, "m.safetensors"); }), OneLineWith("m.safetensors")) << text;
  }
}

}  // namespace
}  // namespace actkin
