#include "query/reader/prompt_sample.h"

#include <gmock/gmock.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PromptSampleTest, IsTheBeginningOfTorchsPermutation) {
  EXPECT_THAT(PromptSample(1000, 12), ElementsAre(415, 824, 310, 0, 663, 928, 969, 555, 282, 611, 912, 432));
  EXPECT_THAT(PromptSample(7, 7, 5), ElementsAre(1, 0, 4, 2, 6, 5, 3));
  EXPECT_THAT(PromptSample(7, 7, (std::uint64_t{1} << 32) + 5), ElementsAre(1, 0, 4, 2, 6, 5, 3));
  EXPECT_THAT(PromptSample(1, 1), ElementsAre(0));
  EXPECT_THAT(PromptSample(2, 2, 1), testing::UnorderedElementsAre(0, 1));
  EXPECT_THAT(PromptSample(5, 0), IsEmpty());
}

TEST(PromptSampleTest, NoMoreThanThereAre) {
  EXPECT_THAT(ErrorOf([] { PromptSample(10, 11); }), OneLineWith("sample of 11", "10 strings"));
  EXPECT_THAT(ErrorOf([] { PromptSample(std::uint64_t{1} << 30, 1); }), OneLineWith("214748364"));
}

}  // namespace
}  // namespace actkin
