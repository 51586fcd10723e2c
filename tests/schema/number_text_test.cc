#include "schema/number_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace actkin {
namespace {

// As Python 3 prints them.
TEST(NumberTextTest, WritesAsPythonDoes) {
  EXPECT_EQ(ShortestText(0), "0.0");
  EXPECT_EQ(ShortestText(-0.0), "-0.0");
  EXPECT_EQ(ShortestText(1), "1.0");
  EXPECT_EQ(ShortestText(-2.5), "-2.5");
  EXPECT_EQ(ShortestText(45.280941009521484), "45.280941009521484");
  EXPECT_EQ(ShortestText(2.4088689087875537e-07), "2.4088689087875537e-07");
  EXPECT_EQ(ShortestText(1e-5), "1e-05");
  EXPECT_EQ(ShortestText(1e-4), "0.0001");
  EXPECT_EQ(ShortestText(1e15), "1000000000000000.0");
  EXPECT_EQ(ShortestText(9007199254740993.0), "9007199254740992.0");
  EXPECT_EQ(ShortestText(1e16), "1e+16");
  EXPECT_EQ(ShortestText(1.5e300), "1.5e+300");
  EXPECT_EQ(ShortestText(5e-324), "5e-324");
  EXPECT_EQ(ShortestText(1e22), "1e+22");
  EXPECT_EQ(ShortestText(double{1.0000001F}), "1.0000001192092896");
  EXPECT_EQ(ShortestText(std::nan("")), "NaN");
  EXPECT_EQ(ShortestText(-std::numeric_limits<double>::infinity()), "-Infinity");
}

}  // namespace
}  // namespace actkin
