#include "indexer/forward/prefix_plan.h"

#include <gmock/gmock.h>

namespace actkin {
namespace {

using testing::ElementsAre;
using Work = BlockWork;

constexpr Work kKeysOnly{};
constexpr Work kPassing{.proj = true, .ffwd = true};

// The work of a block, level by level.
std::vector<Work> Levels(const PrefixPlan& plan, std::size_t block) {
  std::vector<Work> works;
  for (const PrefixPlan::Segment& segment : plan.segments(block)) {
    EXPECT_EQ(segment.begin, works.size());
    EXPECT_TRUE(works.empty() || works.back() != segment.work) << "two segments that are one";
    works.resize(segment.end, segment.work);
  }
  return works;
}

TEST(PrefixPlanTest, TheLastBlockMakesOnlyKeysWhereNothingIsAsked) {
  const PrefixPlan plan(std::vector<Site>{{Stream::kFfwd, 1, 2}});
  ASSERT_EQ(plan.blocks(), 2);
  EXPECT_THAT(Levels(plan, 0), ElementsAre(kPassing, kPassing, kPassing));
  EXPECT_THAT(Levels(plan, 1), ElementsAre(kKeysOnly, kKeysOnly, Work{.proj = true, .ffwd = true, .keep_ffwd = true}));
}

TEST(PrefixPlanTest, TheFeedForwardNetworkIsLeftOutWhereOnlyTheProjectionIsAsked) {
  const PrefixPlan plan(std::vector<Site>{{Stream::kProj, 0, 1}, {Stream::kProj, 0, 0}});
  ASSERT_EQ(plan.blocks(), 1);
  EXPECT_THAT(Levels(plan, 0),
              ElementsAre(Work{.proj = true, .keep_proj = true}, Work{.proj = true, .keep_proj = true}));
}

TEST(PrefixPlanTest, ALevelIsComputedAsFarAsSomeBlockNeedsIt) {
  const PrefixPlan plan(std::vector<Site>{{Stream::kProj, 0, 3}, {Stream::kFfwd, 2, 1}, {Stream::kProj, 0, 0}});
  ASSERT_EQ(plan.blocks(), 3);
  EXPECT_EQ(plan.levels(0), 4);
  EXPECT_EQ(plan.levels(1), 2);
  EXPECT_EQ(plan.levels(2), 2);
  EXPECT_THAT(Levels(plan, 0), ElementsAre(Work{.proj = true, .ffwd = true, .keep_proj = true}, kPassing, kKeysOnly,
                                           Work{.proj = true, .keep_proj = true}));
  EXPECT_THAT(Levels(plan, 1), ElementsAre(kPassing, kPassing));
}

TEST(PrefixPlanTest, SitesComeOnceProjBeforeFfwdThenByPosition) {
  const Site ffwd0{Stream::kFfwd, 0, 0};
  const Site proj1{Stream::kProj, 0, 1};
  const Site proj0{Stream::kProj, 0, 0};
  EXPECT_THAT(PrefixPlan(std::vector<Site>{ffwd0, proj1, proj0, proj1}).sites(0), ElementsAre(proj0, proj1, ffwd0));
}

TEST(PrefixPlanTest, NoSitesNeedNoBlock) { EXPECT_EQ(PrefixPlan({}).blocks(), 0); }

}  // namespace
}  // namespace actkin
