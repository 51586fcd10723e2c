#include "query/predict/token_totals.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <cmath>
#include <map>
#include <random>

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kVocabulary = 4;

// String s is followed by token s % 4 s times and by token 0 once.
class MadeCounts : public NextTokenCounts {
 public:
  std::size_t vocabulary_size() const override { return kVocabulary; }
  void Add(StringId string_id, double factor, TokenAccumulator& totals) const override {
    totals.Add(string_id % kVocabulary, factor * static_cast<double>(string_id));
    totals.Add(0, factor);
  }
};

std::vector<TokenValue> Take(TokenAccumulator& sums) {
  std::vector<TokenValue> taken;
  sums.Take(taken);
  return taken;
}

// Of numbers for every token, term after term.
TokenTotals MakeTotals(const std::vector<double>& numbers) {
  TokenTotals totals;
  TokenAccumulator sums(kVocabulary);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    sums.Add(static_cast<TokenId>(i % kVocabulary), numbers[i]);
    if (i % kVocabulary == kVocabulary - 1) totals.AddTerm(sums);
  }
  return totals;
}

std::vector<TokenValue> Weigh(const std::vector<double>& weights, const TokenTotals& totals) {
  TokenAccumulator sums(kVocabulary);
  const std::vector<TokenValue> weighed = WeighTotals(weights, totals, sums);
  EXPECT_THAT(Take(sums), IsEmpty());
  return weighed;
}

TEST(TokenTotalsTest, SumsKernelTimesCount) {
  TokenAccumulator sums(kVocabulary);
  const std::vector<PooledNeighbor> neighbors{{2, 0.0}, {3, 1.0}, {2, 3.0}};
  AddNeighbors(neighbors, Kernel::kNone, MadeCounts(), sums);
  EXPECT_THAT(Take(sums), ElementsAre(TokenValue{0, 3}, TokenValue{2, 4}, TokenValue{3, 3}));
  AddNeighbors(neighbors, Kernel::kInverseDistance, MadeCounts(), sums);
  EXPECT_THAT(Take(sums), ElementsAre(TokenValue{0, 1.75}, TokenValue{2, 2.5}, TokenValue{3, 1.5}));
}

// Whatever tokens come in, wherever they stand in words and pages of bits.
TEST(TokenTotalsTest, AnAccumulatorGivesWhatCameInAndHoldsNothingAfterwards) {
  std::mt19937 generator(1);
  for (const std::size_t vocabulary : {1UL, 63UL, 64UL, 65UL, 4096UL, 4097UL, 151669UL}) {
    TokenAccumulator sums(vocabulary);
    for (const std::size_t count : {0UL, 1UL, 5UL, 3000UL}) {
      std::map<TokenId, double> expected;
      for (std::size_t i = 0; i < count; ++i) {
        const auto token =
            static_cast<TokenId>(i % 3 == 0 ? vocabulary - 1 - i % vocabulary : generator() % vocabulary);
        const double value = static_cast<double>(generator() % 9) - 4;
        sums.Add(token, value);
        expected[token] += value;
      }
      std::erase_if(expected, [](const auto& entry) { return entry.second == 0; });
      const std::vector<TokenValue> taken = Take(sums);
      ASSERT_EQ(taken.size(), expected.size()) << vocabulary;
      auto next = expected.begin();
      for (const TokenValue& value : taken) {
        EXPECT_EQ(value.token, next->first);
        EXPECT_EQ(value.value, next->second);
        ++next;
      }
    }
  }
}

TEST(TokenTotalsTest, WeighsTermsIntoOneDistribution) {
  const TokenTotals totals = MakeTotals({1, 0, 3, 0, /* second term */ 0, 2, 0, 0});
  EXPECT_EQ(totals.terms(), 2U);
  EXPECT_THAT(totals.Of(0), ElementsAre(TokenValue{0, 1}, TokenValue{2, 3}));
  EXPECT_THAT(totals.Of(1), ElementsAre(TokenValue{1, 2}));
  EXPECT_THAT(Weigh({1, 2}, totals), ElementsAre(TokenValue{0, 0.125}, TokenValue{1, 0.5}, TokenValue{2, 0.375}));
  EXPECT_THAT(Weigh({1, 0}, totals), ElementsAre(TokenValue{0, 0.25}, TokenValue{2, 0.75}));
  // Negative weights leave negative values; they still add up to 1.
  EXPECT_THAT(Weigh({1, -1}, totals), ElementsAre(TokenValue{0, 0.5}, TokenValue{1, -1}, TokenValue{2, 1.5}));
}

TEST(TokenTotalsTest, NothingToDivideByIsNoDistribution) {
  EXPECT_THAT(Weigh({1}, MakeTotals({0, 0, 0, 0})), IsEmpty());
  EXPECT_THAT(Weigh({1, -1}, MakeTotals({0, 1, 0, 0, 1, 0, 0, 0})), IsEmpty());
  EXPECT_THAT(Weigh({0, 0}, MakeTotals({0, 1, 0, 0, 1, 0, 0, 0})), IsEmpty());
}

TEST(TokenTotalsTest, TopTokensAreThoseThatAreNotZero) {
  const std::vector<TokenValue> values{{1, 0.5}, {2, -0.25}, {3, 0.5}, {4, 0.25}, {7, 0}};
  EXPECT_THAT(TopTokens(values, 10), ElementsAre(1, 3, 4, 2));
  EXPECT_THAT(TopTokens(values, 2), ElementsAre(1, 3));
  EXPECT_THAT(TopTokens(values, 0), IsEmpty());
  EXPECT_THAT(TopTokens(std::vector<TokenValue>(), 10), IsEmpty());
  const std::vector<float> dense{0, 0.5, -0.25, 0.5, 0.25};
  EXPECT_THAT(TopTokens(dense, 10), ElementsAre(1, 3, 4, 2));
  EXPECT_THAT(TopTokens(dense, 3), ElementsAre(1, 3, 4));
  EXPECT_EQ(ValueOf(values, 2), -0.25);
  EXPECT_EQ(ValueOf(values, 5), 0);
  EXPECT_EQ(ValueOf(values, 9), 0);
}

TEST(TokenTotalsTest, ADistributionAddsUpToOneWhateverTheWeights) {
  EXPECT_TRUE(rc::check([] {
    const auto terms = *rc::gen::inRange<std::size_t>(1, 6);
    const auto number = [](int low) { return rc::gen::map(rc::gen::inRange(low, 50), [](int n) { return n / 8.0; }); };
    const auto weights = *rc::gen::container<std::vector<double>>(terms, number(-50));
    const TokenTotals totals = MakeTotals(*rc::gen::container<std::vector<double>>(terms * kVocabulary, number(0)));
    const std::vector<TokenValue> distribution = Weigh(weights, totals);
    if (distribution.empty()) return;
    double sum = 0;
    for (const TokenValue& value : distribution) sum += value.value;
    RC_ASSERT(std::abs(sum - 1) < 1e-9);
    // A common factor of all weights changes nothing.
    std::vector<double> doubled = weights;
    for (double& weight : doubled) weight *= 2;
    RC_ASSERT(Weigh(doubled, totals) == distribution);
  }));
}

}  // namespace
}  // namespace actkin
