#include "indexer/text/position_choice.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace actkin {
namespace {

TEST(PositionChoiceTest, EveryNthFromTheFirstOn) {
  EXPECT_THAT(ChoosePositions({.every = 4}, 13), testing::ElementsAre(0, 4, 8, 12));
  EXPECT_THAT(ChoosePositions({.every = 4}, 12), testing::ElementsAre(0, 4, 8));
  EXPECT_THAT(ChoosePositions({.every = 40}, 12), testing::ElementsAre(0));
  for (const std::uint64_t count : {1, 3, 4, 5, 99}) {
    EXPECT_EQ(ChosenCount({.every = 4}, count), ChoosePositions({.every = 4}, count).size());
  }
}

TEST(PositionChoiceTest, ASampleHasItsShareAndIsTheSameAnywhere) {
  for (const double share : {0.001, 0.02, 0.5, 0.999}) {
    const PositionChoice choice{.sample = share, .seed = 7};
    const std::vector<std::uint64_t> positions = ChoosePositions(choice, 20000);
    EXPECT_EQ(positions.size(), static_cast<std::size_t>(share * 20000 + 0.5));
    EXPECT_EQ(positions.size(), ChosenCount(choice, 20000));
    EXPECT_EQ(std::ranges::adjacent_find(positions, std::greater_equal{}), positions.end()) << "they rise";
    EXPECT_LT(positions.back(), 20000U);
    EXPECT_EQ(positions, ChoosePositions(choice, 20000));
    EXPECT_NE(positions, ChoosePositions({.sample = share, .seed = 8}, 20000));
    // Every part of the corpus has its share.
    const auto first_half = std::ranges::count_if(positions, [](std::uint64_t position) { return position < 10000; });
    const auto expected = static_cast<double>(positions.size()) / 2;
    EXPECT_NEAR(static_cast<double>(first_half), expected, 5 * std::sqrt(expected));
  }
  EXPECT_EQ(ChoosePositions({.sample = 0.001}, 5).size(), 1U) << "at least one";
}

TEST(PositionChoiceTest, NamesSayWhatWasChosen) {
  EXPECT_EQ(PositionChoice{}.Name(), "all");
  EXPECT_EQ((PositionChoice{.every = 1}).Name(), "all");
  EXPECT_EQ((PositionChoice{.every = 10}).Name(), "every 10");
  EXPECT_EQ((PositionChoice{.sample = 0.02, .seed = 3}).Name(), "sample 0.02 seed 3");
  for (const PositionChoice& choice :
       {PositionChoice{}, PositionChoice{.every = 10}, PositionChoice{.sample = 0.02, .seed = 3},
        PositionChoice{.sample = 0.1}, PositionChoice{.sample = 1e-7, .seed = 1'000'000'000'000}}) {
    EXPECT_EQ(PositionChoice::OfName(choice.Name()), choice) << choice.Name();
  }
  for (const char* name : {"", "given", "every", "every 0", "every -1", "every 10 ", "sample", "sample 2 seed 1",
                           "sample 0.1", "sample 0.1 seed x", "all of them"}) {
    EXPECT_EQ(PositionChoice::OfName(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace actkin
