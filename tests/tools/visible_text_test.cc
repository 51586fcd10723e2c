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

TEST(DisplayWidthTest, WideCharactersAreTwoCellsAndMarksNone) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("\u4e2d\u6587"), 4);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1);
  EXPECT_EQ(DisplayWidth("\U0001f600"), 2);
}

TEST(DisplayWidthTest, ColumnsOfATableAreAligned) {
  Table table({{"text"}, {"bytes"}});
  table.Add({"\u4e2d\u6587", "1"});
  table.Add({"e\u0301", "2"});
  EXPECT_EQ(table.Text(), "text  bytes\n\u4e2d\u6587  1\ne\u0301     2\n");
}

}  // namespace
}  // namespace actkin
