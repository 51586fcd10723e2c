#include "schema/number_list.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

using testing::ElementsAre;

TEST(NumberListTest, ReadsNumbersRangesAndNegatives) {
  EXPECT_THAT(ParseNumberList("9", "--t-i"), ElementsAre(9));
  EXPECT_THAT(ParseNumberList("7,8,9", "--t-i"), ElementsAre(7, 8, 9));
  EXPECT_THAT(ParseNumberList("0-3", "--t-i"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(ParseNumberList("-1", "--t-i"), ElementsAre(-1));
  EXPECT_THAT(ParseNumberList("-3--1,5", "--t-i"), ElementsAre(-3, -2, -1, 5));
  EXPECT_THAT(ParseNumberList("9,8-9", "--t-i"), ElementsAre(9, 8));
}

TEST(NumberListTest, RefusesWhatIsNoList) {
  for (const char* text : {"", ",", "1,", "x", "3-", "5-3", "1 2", "1.5", "0-999999999", "99999999999"}) {
    EXPECT_THAT(ErrorOf([&] { ParseNumberList(text, "--t-i"); }), OneLineWith("--t-i", "expected numbers")) << text;
  }
}

TEST(NumberListTest, WritesShortly) {
  EXPECT_EQ(FormatNumberList({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
  EXPECT_EQ(FormatNumberList({9}), "9");
}

}  // namespace
}  // namespace actkin
