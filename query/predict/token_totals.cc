#include "query/predict/token_totals.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace actkin {
namespace {

bool Larger(const TokenValue& a, const TokenValue& b) {
  return a.value != b.value ? a.value > b.value : a.token < b.token;
}

// The largest of what is offered, at most `count`, in a heap whose front is the least of them.
class LargestValues {
 public:
  explicit LargestValues(std::size_t count) : count_(count) {}

  void Offer(const TokenValue& value) {
    if (value.value == 0 || count_ == 0) return;
    if (heap_.size() == count_) {
      if (!Larger(value, heap_.front())) return;
      std::ranges::pop_heap(heap_, Larger);
      heap_.back() = value;
    } else {
      heap_.push_back(value);
    }
    std::ranges::push_heap(heap_, Larger);
  }
  std::vector<TokenValue> Take() {
    std::ranges::sort_heap(heap_, Larger);
    return std::move(heap_);
  }

 private:
  std::size_t count_;
  std::vector<TokenValue> heap_;
};

std::vector<TokenValue> Top(std::span<const TokenValue> values, std::size_t count) {
  LargestValues largest(count);
  for (const TokenValue& value : values) largest.Offer(value);
  return largest.Take();
}

std::vector<TokenValue> Top(std::span<const float> values, std::size_t count) {
  LargestValues largest(count);
  for (std::size_t token = 0; token < values.size(); ++token) {
    largest.Offer({static_cast<TokenId>(token), values[token]});
  }
  return largest.Take();
}

std::vector<TokenId> TokensOf(const std::vector<TokenValue>& values) {
  std::vector<TokenId> tokens;
  tokens.reserve(values.size());
  for (const TokenValue& value : values) tokens.push_back(value.token);
  return tokens;
}

std::vector<TokenProbability> WithTexts(const TokenTable& vocabulary, const std::vector<TokenValue>& values) {
  std::vector<TokenProbability> tokens;
  tokens.reserve(values.size());
  for (const TokenValue& value : values) tokens.push_back({vocabulary.Text(value.token), value.token, value.value});
  return tokens;
}

}  // namespace

void AddNeighbors(std::span<const PooledNeighbor> neighbors, Kernel kernel, const NextTokenCounts& counts,
                  TokenAccumulator& sums) {
  for (const PooledNeighbor& neighbor : neighbors) {
    counts.Add(neighbor.string_id, KernelValue(kernel, neighbor.distance), sums);
  }
}

std::vector<TokenValue> WeighTotals(std::span<const double> weights, const TokenTotals& totals,
                                    TokenAccumulator& sums) {
  for (std::size_t term = 0; term < weights.size(); ++term) {
    if (weights[term] == 0) continue;
    for (const TokenValue& total : totals.Of(term)) sums.Add(total.token, weights[term] * total.value);
  }
  std::vector<TokenValue> weighed;
  sums.Take(weighed);
  return Normalize(std::move(weighed));
}

std::vector<TokenValue> Normalize(std::vector<TokenValue> totals) {
  double sum = 0;
  for (const TokenValue& total : totals) sum += total.value;
  for (TokenValue& total : totals) total.value /= sum;
  // A sum of zero, or one so small that a quotient is beyond all numbers, makes no distribution.
  const bool finite = std::ranges::all_of(totals, [](const TokenValue& total) { return std::isfinite(total.value); });
  return finite ? totals : std::vector<TokenValue>();
}

std::vector<TokenId> TopTokens(std::span<const TokenValue> values, std::size_t count) {
  return TokensOf(Top(values, count));
}

std::vector<TokenId> TopTokens(std::span<const float> values, std::size_t count) {
  return TokensOf(Top(values, count));
}

std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const TokenValue> probabilities,
                                            std::size_t count) {
  return WithTexts(vocabulary, Top(probabilities, count));
}

std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const float> probabilities,
                                            std::size_t count) {
  return WithTexts(vocabulary, Top(probabilities, count));
}

}  // namespace actkin
