#include "tests/indexer/forward/made_forest.h"

#include <algorithm>
#include <random>
#include <set>

namespace actkin {

std::vector<TokenId> MadeForest::Tokens() const {
  std::vector<TokenId> tokens;
  for (const std::vector<TokenId>& string : strings) tokens.insert(tokens.end(), string.begin(), string.end());
  return tokens;
}

MadeForest MakeForest(std::size_t count, std::size_t length, TokenId vocabulary_size, unsigned seed) {
  std::mt19937 generator(seed);
  std::set<std::vector<TokenId>> strings;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<TokenId> string(length);
    for (TokenId& token : string) token = static_cast<TokenId>(generator() % vocabulary_size);
    strings.insert(string);
  }
  MadeForest made;
  made.strings.assign(strings.begin(), strings.end());
  made.forest.levels.resize(length);
  const std::vector<TokenId>* last = nullptr;
  for (const std::vector<TokenId>& string : made.strings) {
    // Up to where it differs from the string before it, it shares that one's nodes.
    const std::size_t shared = last == nullptr ? 0 : std::ranges::mismatch(string, *last).in1 - string.begin();
    for (std::size_t t = shared; t < length; ++t) {
      PrefixForest::Level& level = made.forest.levels[t];
      level.tokens.push_back(string[t]);
      level.parents.push_back(t == 0 ? 0 : static_cast<std::uint32_t>(made.forest.levels[t - 1].tokens.size() - 1));
    }
    std::vector<std::uint32_t>& nodes = made.nodes.emplace_back();
    for (const PrefixForest::Level& level : made.forest.levels) {
      nodes.push_back(static_cast<std::uint32_t>(level.tokens.size() - 1));
    }
    last = &string;
  }
  return made;
}

}  // namespace actkin
