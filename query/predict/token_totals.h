#ifndef ACTKIN_QUERY_PREDICT_TOKEN_TOTALS_H_
#define ACTKIN_QUERY_PREDICT_TOKEN_TOTALS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "actkin/index.h"
#include "query/predict/neighbor_pool.h"
#include "query/predict/next_token_counts.h"
#include "query/predict/scheme.h"
#include "query/predict/token_values.h"
#include "query/reader/token_table.h"
#include "schema/site.h"

namespace actkin {

// For each term of a scheme, kernel(distance) x next-token count summed over the neighbors of one prompt, apart from
// any weight: whatever is to be weighed, these are made once.
class TokenTotals {
 public:
  // Takes what was added up for the next term; nothing stands for a term without neighbors.
  void AddTerm(TokenAccumulator& sums) {
    sums.Take(values_);
    ends_.push_back(values_.size());
  }

  std::size_t terms() const { return ends_.size(); }
  // REQUIRES: term < terms().
  std::span<const TokenValue> Of(std::size_t term) const {
    const std::size_t begin = term == 0 ? 0 : ends_[term - 1];
    return std::span(values_).subspan(begin, ends_[term] - begin);
  }
  // Of all terms, one after the other.
  std::span<const TokenValue> values() const { return values_; }

 private:
  std::vector<TokenValue> values_;
  std::vector<std::size_t> ends_;  // a term each
};

void AddNeighbors(std::span<const PooledNeighbor> neighbors, Kernel kernel, const NextTokenCounts& counts,
                  TokenAccumulator& sums);

// The distribution of weights x totals: numbers that add up to 1, some of them negative where weights are. Empty where
// nothing follows the neighbors, or where the weighted totals add up to nothing. `sums` holds nothing before and after.
// REQUIRES: as many weights as terms.
std::vector<TokenValue> WeighTotals(std::span<const double> weights, const TokenTotals& totals, TokenAccumulator& sums);

// Divided by their sum; empty where that is zero.
std::vector<TokenValue> Normalize(std::vector<TokenValue> totals);

// The tokens whose value is not zero, the largest first, equal ones by token id; at most `count`. Of a number for each
// token, or of a list.
std::vector<TokenId> TopTokens(std::span<const TokenValue> values, std::size_t count);
std::vector<TokenId> TopTokens(std::span<const float> values, std::size_t count);
// The same with their texts.
std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const TokenValue> probabilities,
                                            std::size_t count);
std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const float> probabilities,
                                            std::size_t count);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_TOKEN_TOTALS_H_
