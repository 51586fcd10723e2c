#include "query/predict/token_totals.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <cmath>
#include <map>
#include <numeric>

namespace actkin {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kVocabulary = 4;

// String s is followed by token s % 4 s times and by token 0 once.
class MadeCounts : public NextTokenCounts {
 public:
  std::size_t vocabulary_size() const override { return kVocabulary; }
  void Add(StringId string_id, double factor, std::span<double> totals) const override {
    totals[string_id % kVocabulary] += factor * static_cast<double>(string_id);
    totals[0] += factor;
  }
};

TEST(TokenTotalsTest, SumsKernelTimesCount) {
  std::vector<double> totals(kVocabulary);
  const std::vector<PooledNeighbor> neighbors{{2, 0.0}, {3, 1.0}, {2, 3.0}};
  AddNeighbors(neighbors, Kernel::kNone, MadeCounts(), totals);
  EXPECT_THAT(totals, ElementsAre(3, 0, 4, 3));
  std::ranges::fill(totals, 0);
  AddNeighbors(neighbors, Kernel::kInverseDistance, MadeCounts(), totals);
  EXPECT_THAT(totals, ElementsAre(1.75, 0, 2.5, 1.5));
}

TEST(TokenTotalsTest, WeighsTermsIntoOneDistribution) {
  const std::vector<double> totals{1, 0, 3, 0, /* second term */ 0, 2, 0, 0};
  EXPECT_THAT(WeighTotals(std::vector<double>{1, 2}, totals), ElementsAre(0.125, 0.5, 0.375, 0));
  EXPECT_THAT(WeighTotals(std::vector<double>{1, 0}, totals), ElementsAre(0.25, 0, 0.75, 0));
  // Negative weights leave negative values; they still add up to 1.
  EXPECT_THAT(WeighTotals(std::vector<double>{1, -1}, totals), ElementsAre(0.5, -1, 1.5, 0));
}

TEST(TokenTotalsTest, NothingToDivideByIsNoDistribution) {
  EXPECT_THAT(WeighTotals(std::vector<double>{1}, std::vector<double>{0, 0}), IsEmpty());
  EXPECT_THAT(WeighTotals(std::vector<double>{1, -1}, std::vector<double>{0, 1, 1, 0}), IsEmpty());
  EXPECT_THAT(WeighTotals(std::vector<double>{0, 0}, std::vector<double>{0, 1, 1, 0}), IsEmpty());
}

TEST(TokenTotalsTest, TopTokensAreThoseThatAreNotZero) {
  const std::vector<double> values{0, 0.5, -0.25, 0.5, 0.25};
  EXPECT_THAT(TopTokens(values, 10), ElementsAre(1, 3, 4, 2));
  EXPECT_THAT(TopTokens(values, 2), ElementsAre(1, 3));
  EXPECT_THAT(TopTokens(std::vector<double>(), 10), IsEmpty());
}

TEST(TokenTotalsTest, ADistributionAddsUpToOneWhateverTheWeights) {
  EXPECT_TRUE(rc::check([] {
    const auto terms = *rc::gen::inRange<std::size_t>(1, 6);
    const auto number = [](int low) { return rc::gen::map(rc::gen::inRange(low, 50), [](int n) { return n / 8.0; }); };
    const auto weights = *rc::gen::container<std::vector<double>>(terms, number(-50));
    const auto totals = *rc::gen::container<std::vector<double>>(terms * kVocabulary, number(0));
    const std::vector<double> distribution = WeighTotals(weights, totals);
    if (distribution.empty()) return;
    const double sum = std::accumulate(distribution.begin(), distribution.end(), 0.0);
    RC_ASSERT(std::abs(sum - 1) < 1e-9);
    // A common factor of all weights changes nothing.
    std::vector<double> doubled = weights;
    for (double& weight : doubled) weight *= 2;
    RC_ASSERT(WeighTotals(doubled, totals) == distribution);
  }));
}

}  // namespace
}  // namespace actkin
