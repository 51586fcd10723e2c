#include "query/exact/top_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::size_t kRows = 30000;

// Rows whose distances are given, offered with their squares as raw values.
class TopRowsTest : public testing::Test {
 protected:
  TopRowsTest() {
    std::mt19937 generator(1);
    std::uniform_real_distribution<float> uniform(0, 100);
    for (std::size_t row = 0; row < kRows; ++row) distances_.push_back(uniform(generator));
  }

  std::vector<Match> Choose(const SearchRequest& request) {
    raw_.resize(distances_.size());
    for (std::size_t row = 0; row < raw_.size(); ++row) {
      if (!std::isnan(raw_[row])) raw_[row] = distances_[row] * distances_[row];
    }
    finished_ = 0;
    TopRows top(request, ScanBounds::SquaredL2(1), *order_, [this](RowNumber row) {
      ++finished_;
      return static_cast<double>(distances_[row]);
    });
    for (std::size_t row = 0; row < raw_.size(); row += 1000) {
      top.Offer(static_cast<RowNumber>(row), std::span(raw_).subspan(row, 1000));
    }
    return top.Finish();
  }

  void ExpectRight(const SearchRequest& request) {
    const std::vector<Match> found = Choose(request);
    // Rows of one number, compared with zero: their distance is that number.
    const std::vector<Match> expected = BruteForce(distances_, ordinals_, std::vector<float>{0}, request);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].row, expected[i].row) << "rank " << i;
      ASSERT_EQ(found[i].number, expected[i].number) << "rank " << i;
    }
  }

  TemporaryFolder folder_;
  std::vector<StringOrdinal> ordinals_ = ShuffledOrdinals(kRows);
  std::shared_ptr<const RowOrderFile> order_ = MakeRowOrder(folder_, ordinals_);
  std::vector<float> distances_;
  std::vector<float> raw_;
  std::size_t finished_ = 0;  // exact distances that were asked for
};

// In a band, and without one, among far more rows than are held at once.
TEST_F(TopRowsTest, ChoosesAmongMoreRowsThanItHolds) {
  for (const Order order : {Order::kNearest, Order::kFarthest}) {
    for (const std::uint64_t k : {std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{9000}, std::uint64_t{kRows}}) {
      ExpectRight({.order = order, .k = k});
      ExpectRight({.order = order, .k = k, .within = Band{10, 95}});
    }
    ExpectRight({.order = order, .k = std::nullopt, .within = Band{10, 95}});
    ExpectRight({.order = order, .k = std::nullopt});
  }
}

TEST_F(TopRowsTest, ChoosesByOrdinalAmongEqualRows) {
  std::ranges::fill(distances_, 7.0F);
  for (const Order order : {Order::kNearest, Order::kFarthest}) {
    ExpectRight({.order = order, .k = 10});
    ExpectRight({.order = order, .k = 10, .within = Band{7, 7}});
  }
  EXPECT_LE(finished_, kRows);
}

TEST_F(TopRowsTest, WorstComeFirst) {
  std::ranges::sort(distances_, std::greater());
  ExpectRight({.k = 10});
  std::ranges::sort(distances_);
  ExpectRight({.order = Order::kFarthest, .k = 10});
}

TEST_F(TopRowsTest, FinishesFewRowsWhereRawValuesTellThemApart) {
  Choose({.k = 10});
  EXPECT_LT(finished_, 20U);
  Choose({.k = std::nullopt, .within = Band{99, 100}});
  EXPECT_LT(finished_, kRows / 50);
}

// A raw value of NaN says nothing: the row may still be the best.
TEST_F(TopRowsTest, RowsWithoutARawValueTakePart) {
  raw_.assign(kRows, 0.0F);
  for (std::size_t row = 0; row < kRows; row += 5) raw_[row] = std::numeric_limits<float>::quiet_NaN();
  distances_[17000] = 0;
  distances_[21000] = 200;
  for (const Order order : {Order::kNearest, Order::kFarthest}) {
    ExpectRight({.order = order, .k = 10});
    ExpectRight({.order = order, .k = std::nullopt, .within = Band{.high = 5}});
  }
  EXPECT_EQ(Choose({.k = 1})[0].row, 17000U);
  EXPECT_EQ(Choose({.order = Order::kFarthest, .k = 1})[0].row, 21000U);
}

}  // namespace
}  // namespace actkin
