#include "query/predict/token_values.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace actkin {
namespace {

// Calls visit(number) for each bit that is set, from the lowest on.
template <typename Visit>
void ForEachBit(std::uint64_t bits, const Visit& visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<std::size_t>(std::countr_zero(bits)));
}

}  // namespace

double ValueOf(std::span<const TokenValue> values, TokenId token) {
  const auto found = std::ranges::lower_bound(values, token, {}, &TokenValue::token);
  return found != values.end() && found->token == token ? found->value : 0;
}

TokenAccumulator::TokenAccumulator(std::size_t vocabulary_size)
    : values_(vocabulary_size), words_(vocabulary_size / kBits + 1), pages_(words_.size() / kBits + 1) {}

void TokenAccumulator::Take(std::vector<TokenValue>& sums) {
  for (std::size_t page = 0; page < pages_.size(); ++page) {
    ForEachBit(std::exchange(pages_[page], 0), [&](std::size_t in_page) {
      const std::size_t word = page * kBits + in_page;
      ForEachBit(std::exchange(words_[word], 0), [&](std::size_t in_word) {
        const std::size_t token = word * kBits + in_word;
        const double value = std::exchange(values_[token], 0);
        if (value != 0) sums.push_back({static_cast<TokenId>(token), value});
      });
    });
  }
}

}  // namespace actkin
