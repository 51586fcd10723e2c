// What exact search reads, on a site that is always the same: bounds that a worse sketch, order or scan would break.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::size_t kDimension = 192;
constexpr std::size_t kRows = 30'000;
constexpr std::size_t kQueries = 20;

// Around 500 centers, whose variance falls from axis to axis, as rows do that prompts with the same ending have; some
// rows have one number that is far beyond all others on its axis.
std::vector<float> MakeRows(std::size_t count, unsigned seed, unsigned center_seed = 3) {
  std::mt19937 centers_of(center_seed);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  const auto scale = [](std::size_t axis) { return 6 * std::pow(0.97F, static_cast<float>(axis)); };
  std::vector<float> centers(500 * kDimension);
  for (std::size_t i = 0; i < centers.size(); ++i) centers[i] = 2 + normal(centers_of) * scale(i % kDimension);
  std::vector<float> rows;
  for (std::size_t row = 0; row < count; ++row) {
    const std::size_t center = generator() % 500;
    const std::size_t odd = generator() % 500 == 0 ? 16 + generator() % 64 : kDimension;
    for (std::size_t i = 0; i < kDimension; ++i) {
      rows.push_back(centers[center * kDimension + i] + 0.6F * normal(generator) * scale(i) + (i == odd ? 8.0F : 0.0F));
    }
  }
  return rows;
}

struct MadeSite {
  TemporaryFolder folder;
  std::unique_ptr<ExactIndex> index = MakeExactIndex(folder, Element::kFloat32, kDimension, MakeRows(kRows, 1),
                                                     ShuffledOrdinals(kRows), {}, Made::kWithSketches);
};

class SearchCostTest : public testing::Test {
 protected:
  // Made once: no search changes it.
  static void SetUpTestSuite() { site_ = std::make_unique<MadeSite>(); }
  static void TearDownTestSuite() { site_.reset(); }

  // A query's share, of queries that are no rows.
  void ExpectAtMost(SearchRequest request, std::uint64_t boxes, std::uint64_t coarse_bytes, std::uint64_t finer_bytes,
                    std::uint64_t rows, const std::vector<float>& queries = MakeRows(kQueries, 2)) const {
    SearchCost cost;
    request.cost = &cost;
    for (std::size_t i = 0; i < kQueries; ++i) {
      site_->index->Search(std::span(queries).subspan(i * kDimension, kDimension), request);
    }
    const auto& bytes = cost.code_bytes_read;
    const std::uint64_t finer = std::accumulate(bytes.begin() + 1, bytes.end(), std::uint64_t{0});
    EXPECT_LE(cost.boxes_read / kQueries, boxes);
    EXPECT_LE(bytes[0] / kQueries, coarse_bytes);
    EXPECT_LE(finer / kQueries, finer_bytes);
    EXPECT_LE(cost.rows_read / kQueries, rows);
    EXPECT_GE(cost.rows_read / kQueries, *request.k);
  }

  static std::unique_ptr<MadeSite> site_;
};
std::unique_ptr<MadeSite> SearchCostTest::site_;

TEST_F(SearchCostTest, OfTheNearest) {
  ExpectAtMost({.metric = Metric::kL2}, 1150, 500'000, 75'000, 55);
  ExpectAtMost({.metric = Metric::kCosine}, 1300, 500'000, 135'000, 80);
  ExpectAtMost({.metric = Metric::kCenteredCosine}, 1350, 500'000, 150'000, 90);
  ExpectAtMost({.metric = Metric::kDot}, 1300, 500'000, 225'000, 130);
}

TEST_F(SearchCostTest, OfManyNearest) { ExpectAtMost({.k = 1000}, 1300, 630'000, 1'400'000, 4400); }

// Of queries that no row is like, half as far out again: codes count what lies beyond them.
TEST_F(SearchCostTest, OfFarQueries) {
  std::vector<float> queries = MakeRows(kQueries, 2, 4);
  for (float& number : queries) number = 2 + 1.5F * (number - 2);
  ExpectAtMost({.metric = Metric::kL2}, 1200, 500'000, 550'000, 400, queries);
}

// What lies beyond what codes reach spoils the bounds of its own block alone.
TEST_F(SearchCostTest, OfTheFarthest) { ExpectAtMost({.order = Order::kFarthest}, 1350, 500'000, 200'000, 450); }

}  // namespace
}  // namespace actkin
