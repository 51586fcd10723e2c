#include "indexer/text/corpus.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

TEST(CorpusTest, CharactersAreCodePoints) {
  const TemporaryFolder folder;
  const Corpus corpus = ReadCorpus(folder.Write("text.txt", "\u00e4\u4e2d\r\nx"), 5);
  EXPECT_EQ(corpus.name, "text.txt");
  EXPECT_EQ(corpus.text, U"\u00e4\u4e2d\r\nx");
}

TEST(CorpusTest, WhatIsNoCorpusIsRefused) {
  const TemporaryFolder folder;
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder / "absent.txt", 1); }), OneLineWith("absent.txt", "No such file"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.path(), 1); }), OneLineWith("this is a folder"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("e", ""), 1); }), OneLineWith("the corpus is empty"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("s", "short"), 10); }),
              OneLineWith("5 characters are fewer than the string length 10"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("b", "text \xff\xfe"), 1); }), OneLineWith("not UTF-8", "byte 5"));
  EXPECT_THAT(ErrorOf([&] { ReadCorpus(folder.Write("n", std::string("a\0b", 3)), 1); }), OneLineWith("byte 1 is NUL"));
}

}  // namespace
}  // namespace actkin
