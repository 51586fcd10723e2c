#include "schema/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

TEST(TextTest, CodePointsAreCountedNotBytes) {
  EXPECT_EQ(CodePoints("a\u00e4\u4e2d\U0001F600", "text").size(), 4U);
  EXPECT_EQ(Utf8(CodePoints("a\u00e4\u4e2d\U0001F600", "text")), "a\u00e4\u4e2d\U0001F600");
}

TEST(TextTest, BrokenUtf8IsNamedWithItsByte) {
  EXPECT_THAT(ErrorOf([] { CodePoints("ab\xff", "f.txt"); }), OneLineWith("f.txt is not UTF-8", "byte 2", "0xFF"));
  EXPECT_THAT(ErrorOf([] { CodePoints("\xed\xa0\x80", "f.txt"); }), OneLineWith("not UTF-8"));  // a surrogate
  EXPECT_THAT(ErrorOf([] { CodePoints("\xc0\xaf", "f.txt"); }), OneLineWith("not UTF-8"));      // overlong
}

TEST(TextTest, QuotesStayOnOneLineAndReadBack) {
  EXPECT_EQ(Quote("Citizen:\nB"), "\"Citizen:\\nB\"");
  EXPECT_EQ(Quote("a\"b\\c\t"), "\"a\\\"b\\\\c\\t\"");
  EXPECT_EQ(Quote("\x01\x7f"), "\"\\x01\\x7f\"");
  EXPECT_EQ(Quote("\u4e2d"), "\"\u4e2d\"");
  EXPECT_EQ(Quote("\u2028"), "\"\\u2028\"");
  EXPECT_EQ(Quote("\xff"), "\"\\xff\"");
  EXPECT_EQ(Unescape("Citizen:\\nB \\\\ \\\" \\t"), "Citizen:\nB \\ \" \t");
}

TEST(TextTest, WhatPeopleReadHasNoControlCharacters) {
  EXPECT_EQ(Printable("a/\x1b[31mb\n\u0085\u2028\x7f"), "a/\\x1b[31mb\\n\\u0085\\u2028\\x7f");
  EXPECT_EQ(Printable("caf\xe9.txt"), "caf\\xe9.txt");
  EXPECT_EQ(Printable("\"a\\b\" \u4e2d"), "\"a\\b\" \u4e2d");
}

TEST(TextTest, BytesThatAreNotUtf8BecomeEscapes) {
  EXPECT_EQ(ValidUtf8("caf\xe9.txt"), "caf\\xe9.txt");
  EXPECT_EQ(ValidUtf8("caf\u00e9\n\x1b"), "caf\u00e9\n\x1b");
  EXPECT_EQ(ValidUtf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(ValidUtf8("\xe4\xb8"), "\\xe4\\xb8");           // cut short
  EXPECT_EQ(ValidUtf8("\xff\u00e9"), "\\xff\u00e9");
}

// The shell itself reads them back.
TEST(TextTest, WordsForAShellAreReadBackByIt) {
  EXPECT_EQ(ShellQuote("/texts/a-b_c.txt"), "/texts/a-b_c.txt");
  EXPECT_EQ(ShellQuote("two words"), "'two words'");
  EXPECT_EQ(ShellQuote(""), "''");
  for (const std::string word :
       {"two words", "it's", "$HOME `id` \\n \"*\" ; # ~", "a\nb'\t\\", "caf\xe9 1", "\u00e4\u4e2d"}) {
    const std::string line = fmt::format("printf %s {}", ShellQuote(word));
    EXPECT_EQ(std::ranges::count(line, '\n'), 0);
    ::setenv("LINE", line.c_str(), 1);
    FILE* const bash = ::popen("exec bash -c \"$LINE\"", "r");
    std::string read(100, '\0');
    read.resize(std::fread(read.data(), 1, read.size(), bash));
    ::pclose(bash);
    EXPECT_EQ(read, word);
  }
}

TEST(TextTest, AnUnknownEscapeIsRefused) {
  EXPECT_THAT(ErrorOf([] { Unescape("a\\q"); }), OneLineWith("an escape is one of"));
  EXPECT_THAT(ErrorOf([] { Unescape("a\\"); }), OneLineWith("an escape is one of"));
}

}  // namespace
}  // namespace actkin
