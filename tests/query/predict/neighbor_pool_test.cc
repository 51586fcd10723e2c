#include "query/predict/neighbor_pool.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>

namespace actkin {
namespace {

using testing::ElementsAre;

// Few distances, so that many are equal.
std::vector<PooledNeighbor> MadePool() {
  return *rc::gen::container<std::vector<PooledNeighbor>>(
      rc::gen::construct<PooledNeighbor>(rc::gen::inRange<StringId>(1, 9), rc::gen::element(0.0, 0.5, 1.0, 2.0)));
}

TEST(NeighborPoolTest, KeepsTheNearestOrTheFarthestOfThePool) {
  const std::vector<PooledNeighbor> pool{{3, 1.0}, {1, 0.0}, {2, 2.0}, {4, 1.0}, {1, 0.0}};
  const auto merged = [&](Metric metric, Merge merge, std::optional<std::uint64_t> k) {
    std::vector<PooledNeighbor> kept = pool;
    MergePool(metric, merge, k, kept);
    std::vector<StringId> ids;
    for (const PooledNeighbor& neighbor : kept) ids.push_back(neighbor.string_id);
    return ids;
  };
  EXPECT_THAT(merged(Metric::kL2, Merge::kNearest, 3), ElementsAre(1, 1, 3));
  EXPECT_THAT(merged(Metric::kL2, Merge::kFarthest, 3), ElementsAre(2, 3, 4));
  EXPECT_THAT(merged(Metric::kCosine, Merge::kNearest, 3), ElementsAre(2, 3, 4));
  EXPECT_THAT(merged(Metric::kCosine, Merge::kFarthest, 3), ElementsAre(1, 1, 3));
  EXPECT_THAT(merged(Metric::kL2, Merge::kFarthest, std::nullopt), ElementsAre(2, 3, 4, 1, 1));
  EXPECT_THAT(merged(Metric::kL2, Merge::kNearest, 9), ElementsAre(1, 1, 3, 4, 2));
}

TEST(NeighborPoolTest, IsTheBeginningOfTheSortedPool) {
  EXPECT_TRUE(rc::check([] {
    std::vector<PooledNeighbor> pool = MadePool();
    const Metric metric = *rc::gen::element(Metric::kL2, Metric::kCosine);
    const Merge merge = *rc::gen::element(Merge::kNearest, Merge::kFarthest);
    const auto k = *rc::gen::inRange<std::uint64_t>(1, 12);
    std::vector<PooledNeighbor> expected = pool;
    const double sign = (metric == Metric::kL2) == (merge == Merge::kNearest) ? 1 : -1;
    std::ranges::sort(expected, {}, [&](const PooledNeighbor& neighbor) {
      return std::pair(sign * neighbor.distance, neighbor.string_id);
    });
    expected.resize(std::min<std::size_t>(k, expected.size()));
    MergePool(metric, merge, k, pool);
    RC_ASSERT(pool == expected);
  }));
}

TEST(NeighborPoolTest, DependsOnNoOrderOfThePool) {
  EXPECT_TRUE(rc::check([] {
    std::vector<PooledNeighbor> pool = MadePool();
    std::vector<PooledNeighbor> shuffled = pool;
    std::ranges::shuffle(shuffled, std::mt19937(*rc::gen::arbitrary<unsigned>()));
    MergePool(Metric::kL2, Merge::kFarthest, 4, pool);
    MergePool(Metric::kL2, Merge::kFarthest, 4, shuffled);
    RC_ASSERT(pool == shuffled);
  }));
}

}  // namespace
}  // namespace actkin
