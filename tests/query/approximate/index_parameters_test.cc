#include "query/approximate/index_parameters.h"

#include <gmock/gmock.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(IndexParametersTest, AreReadAndWritten) {
  EXPECT_THAT(ParseIndexParameters(""), IsEmpty());
  EXPECT_THAT(ParseIndexParameters("efSearch=64"), ElementsAre(Pair("efSearch", 64)));
  EXPECT_THAT(ParseIndexParameters("nprobe=16,ht=1.5"), ElementsAre(Pair("nprobe", 16), Pair("ht", 1.5)));
  EXPECT_EQ(FormatIndexParameters({{"nprobe", 16}, {"ht", 1.5}}), "nprobe=16,ht=1.5");
  EXPECT_EQ(FormatIndexParameters({}), "");
}

TEST(IndexParametersTest, AnythingElseIsAnError) {
  for (const char* text : {"efSearch", "=4", "efSearch=", "efSearch=x", "efSearch=1,", ",efSearch=1", "efSearch=1 ",
                           "efSearch=nan", "efSearch=inf", "efSearch=1,2", "64"}) {
    EXPECT_THAT(ErrorOf([&] { ParseIndexParameters(text); }), OneLineWith("NAME=NUMBER")) << text;
  }
  EXPECT_THAT(ErrorOf([] { ParseIndexParameters("a=1,a=2"); }), OneLineWith("twice"));
}

TEST(IndexParametersTest, ASweepIsAllCombinations) {
  const auto sweep = [](const std::vector<std::string>& texts) {
    std::vector<std::string> formatted;
    for (const IndexParameters& parameters : ParseParameterSweep(texts)) {
      formatted.push_back(FormatIndexParameters(parameters));
    }
    return formatted;
  };
  EXPECT_THAT(sweep({}), ElementsAre(""));
  EXPECT_THAT(sweep({""}), ElementsAre(""));
  EXPECT_THAT(sweep({"efSearch=16,32,64"}), ElementsAre("efSearch=16", "efSearch=32", "efSearch=64"));
  EXPECT_THAT(sweep({"nprobe=4,8,ht=1,2"}),
              ElementsAre("nprobe=4,ht=1", "nprobe=4,ht=2", "nprobe=8,ht=1", "nprobe=8,ht=2"));
  EXPECT_THAT(sweep({"nprobe=4,8", "ht=1"}), ElementsAre("nprobe=4,ht=1", "nprobe=8,ht=1"));
  EXPECT_THAT(ErrorOf([&] { sweep({"16,32"}); }), OneLineWith("NAME=NUMBER"));
}

}  // namespace
}  // namespace actkin
