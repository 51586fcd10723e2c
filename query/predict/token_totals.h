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
#include "query/reader/token_table.h"
#include "schema/site.h"

namespace actkin {

// For each of some prompts and each term of a scheme, kernel(distance) x next-token count summed over the term's
// neighbors, apart from any weight: whatever is to be weighed, these are made once.
class TokenTotals {
 public:
  // All zero.
  TokenTotals(std::uint64_t prompts, std::size_t terms, std::size_t vocabulary_size)
      : terms_(terms), vocabulary_size_(vocabulary_size), values_(prompts * terms * vocabulary_size) {}

  std::uint64_t prompts() const { return values_.size() / (terms_ * vocabulary_size_); }
  std::size_t terms() const { return terms_; }
  std::size_t vocabulary_size() const { return vocabulary_size_; }

  // vocabulary_size() numbers.
  std::span<double> Of(std::uint64_t prompt, std::size_t term) {
    return std::span(values_).subspan((prompt * terms_ + term) * vocabulary_size_, vocabulary_size_);
  }
  // terms() x vocabulary_size().
  std::span<const double> Of(std::uint64_t prompt) const {
    return std::span(values_).subspan(prompt * terms_ * vocabulary_size_, terms_ * vocabulary_size_);
  }
  // prompts() x terms() x vocabulary_size().
  std::span<const double> values() const { return values_; }

 private:
  std::size_t terms_;
  std::size_t vocabulary_size_;
  std::vector<double> values_;
};

// totals: vocabulary numbers.
void AddNeighbors(std::span<const PooledNeighbor> neighbors, Kernel kernel, const NextTokenCounts& counts,
                  std::span<double> totals);

// The distribution of weights x totals: vocabulary numbers that add up to 1, some of them negative where weights are.
// Empty where nothing follows the neighbors, or where the weighted totals add up to nothing. totals: terms x
// vocabulary. REQUIRES: as many weights as terms.
std::vector<double> WeighTotals(std::span<const double> weights, std::span<const double> totals);

// Divided by their sum; empty where that is zero.
std::vector<double> Normalize(std::vector<double> totals);

// The tokens whose value is not zero, the largest first, equal ones by token id; at most `count`.
std::vector<TokenId> TopTokens(std::span<const double> values, std::size_t count);
std::vector<TokenId> TopTokens(std::span<const float> values, std::size_t count);
// The same with their texts.
std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const double> probabilities,
                                            std::size_t count);
std::vector<TokenProbability> ByProbability(const TokenTable& vocabulary, std::span<const float> probabilities,
                                            std::size_t count);

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_TOKEN_TOTALS_H_
