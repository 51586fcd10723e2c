// Queries that lie where no row does: beyond the codes of single coordinates, beyond what the axes leave of rows,
// beyond all rows; and rows that do so themselves. What bounds are said to be there must still be bounds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/query/exact/made_site.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::size_t kDimension = 40;
constexpr std::size_t kRows = 1500;

// Of falling variance, so that coordinates and rests have their own widths. tails: one number in so many is 20 times as
// large, and one row.
std::vector<float> MakeRows(std::size_t count, unsigned tails, std::mt19937& generator) {
  std::normal_distribution<float> normal;
  std::vector<float> rows;
  for (std::size_t row = 0; row < count; ++row) {
    const float size = tails > 0 && generator() % tails == 0 ? 20.0F : 1.0F;
    for (std::size_t i = 0; i < kDimension; ++i) {
      const float odd = tails > 0 && generator() % tails == 0 ? 20.0F : 1.0F;
      rows.push_back(3 + size * odd * normal(generator) * 8 / static_cast<float>(4 + i));
    }
  }
  return rows;
}

TEST(FarQueriesTest, GetTheBruteForceAnswer) {
  std::mt19937 generator(11);
  for (const unsigned tails : {0U, 300U, 40U}) {
    const TemporaryFolder folder;
    const std::vector<StringOrdinal> ordinals = ShuffledOrdinals(kRows);
    const std::vector<float> rows = MakeRows(kRows, tails, generator);
    const auto index = MakeExactIndex(folder, Element::kFloat32, kDimension, rows, ordinals, {}, Made::kWithSketches);
    for (const float times : {1.0F, 1.5F, 3.0F, 20.0F, 1000.0F}) {
      // Every third query is far out along one coordinate alone.
      std::vector<float> queries = MakeRows(6, tails, generator);
      for (std::size_t i = 0; i < queries.size(); ++i) {
        const std::size_t query = i / kDimension;
        if (query % 3 != 0 || i % kDimension == query) queries[i] = 3 + times * (queries[i] - 3);
      }
      for (const Metric metric : kMetrics) {
        for (const Order order : {Order::kNearest, Order::kFarthest}) {
          for (const std::uint64_t k : {1, 20}) {
            const SearchRequest request{.metric = metric, .order = order, .k = k};
            const auto together = index->Search(queries, request);
            for (std::size_t query = 0; query < 6; ++query) {
              const auto one = std::span(queries).subspan(query * kDimension, kDimension);
              const std::string what = fmt::format("tails {} times {} {} {} k {} query {}", tails, times, Name(metric),
                                                   Name(order), k, query);
              const auto alone = index->Search(one, request);
              ASSERT_TRUE(ExpectRightAnswer(alone[0], rows, ordinals, one, request, 1e-12, what));
              ASSERT_TRUE(ExpectRightAnswer(together[query], rows, ordinals, one, request, 1e-12, what + " of six"));
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace actkin
