#include "tools/output/visible_text.h"

#include <gtest/gtest.h>

#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

TEST(VisibleTextTest, EverythingCanBeSeen) {
  EXPECT_EQ(VisibleText(" a b"), "\u2423a\u2423b");
  EXPECT_EQ(VisibleText("\n\t\r\\"), "\\n\\t\\r\\\\");
  EXPECT_EQ(VisibleText("\xe4\xb8"), "\\xe4\\xb8");
  EXPECT_EQ(VisibleText("\u4e2d\xff"), "\u4e2d\\xff");
  EXPECT_EQ(VisibleText("\u0301"), "\u25cc\u0301");
  EXPECT_EQ(VisibleText("e\u0301"), "e\u0301");
  EXPECT_EQ(VisibleText("\u00a0\u200b\u202e"), "\\u00a0\\u200b\\u202e");
  EXPECT_EQ(VisibleText("\U000e0001"), "\\U000e0001");
}

TEST(QuotedTextTest, SpacesStayAndEverythingElseCanBeSeen) {
  EXPECT_EQ(QuotedText(" a b "), "\" a b \"");
  EXPECT_EQ(QuotedText("say \"so\"\n\\n"), "\"say \\\"so\\\"\\n\\\\n\"");
  EXPECT_EQ(QuotedText("\xe4\xb8"), "\"\\xe4\\xb8\"");
  EXPECT_EQ(QuotedText("\u0301\u00a0"), "\"\u25cc\u0301\\u00a0\"");
}

TEST(DisplayWidthTest, WideCharactersAreTwoCellsAndMarksNone) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("\u4e2d\u6587"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);
  EXPECT_EQ(DisplayWidth("\U0001f600"), 2);
}

TEST(DisplayWidthTest, TextIsCutBetweenCharacters) {
  EXPECT_EQ(FirstCells("abc", 2), "ab");
  EXPECT_EQ(FirstCells("abc", 5), "abc");
  EXPECT_EQ(FirstCells("abc", -1), "");
  EXPECT_EQ(FirstCells("\u4e2d\u6587", 3), "\u4e2d");
  EXPECT_EQ(FirstCells("e\u0301a", 1), "e\u0301");
}

TEST(DisplayWidthTest, ColumnsOfATableAreAligned) {
  Table table({{"text"}, {"bytes"}});
  table.Add({"\u4e2d\u6587", "1"});
  table.Add({"e\u0301", "2"});
  EXPECT_EQ(table.Text(), "text  bytes\n\u4e2d\u6587  1\ne\u0301     2\n");
}

}  // namespace
}  // namespace actkin
