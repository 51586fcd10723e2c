#ifndef ACTKIN_QUERY_PREDICT_TOKEN_VALUES_H_
#define ACTKIN_QUERY_PREDICT_TOKEN_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "schema/site.h"

namespace actkin {

// A number of a token. Lists of them stand for a number of each token of a vocabulary: tokens ascend, those that are
// missing have zero. A distribution is such a list whose values add up to 1; one that cannot be made is empty.
struct TokenValue {
  TokenId token = 0;
  double value = 0;

  friend bool operator==(const TokenValue&, const TokenValue&) = default;
};

// 0 for a token that is not in the list.
double ValueOf(std::span<const TokenValue> values, TokenId token);

// Adds up numbers by token. Takes room for a whole vocabulary, once a thread, and time for the tokens that come in
// alone. One thread.
class TokenAccumulator {
 public:
  explicit TokenAccumulator(std::size_t vocabulary_size);

  // How many tokens there are.
  std::size_t vocabulary_size() const { return values_.size(); }
  // REQUIRES: token < vocabulary_size().
  void Add(TokenId token, double value) {
    values_[token] += value;
    words_[token / kBits] |= std::uint64_t{1} << token % kBits;
    pages_[token / kBits / kBits] |= std::uint64_t{1} << token / kBits % kBits;
  }
  // Appends the sums that are not zero, tokens ascending, and holds nothing from then on.
  void Take(std::vector<TokenValue>& sums);

 private:
  static constexpr std::size_t kBits = 64;

  std::vector<double> values_;
  std::vector<std::uint64_t> words_;  // a bit for each token that came in
  std::vector<std::uint64_t> pages_;  // a bit for each word that has one
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_TOKEN_VALUES_H_
