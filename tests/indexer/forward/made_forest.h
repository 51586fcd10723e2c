#ifndef ACTKIN_TESTS_INDEXER_FORWARD_MADE_FOREST_H_
#define ACTKIN_TESTS_INDEXER_FORWARD_MADE_FOREST_H_

#include <cstdint>
#include <vector>

#include "indexer/model/forward_backend.h"

namespace actkin {

// Random distinct strings of one length, sorted, and the forest of their prefixes.
struct MadeForest {
  std::vector<std::vector<TokenId>> strings;
  PrefixForest forest;
  std::vector<std::vector<std::uint32_t>> nodes;  // nodes[s][t]: the node of level t on string s's path

  std::vector<TokenId> Tokens() const;  // of all strings, row-major
};

// Up to `count` strings.
MadeForest MakeForest(std::size_t count, std::size_t length, TokenId vocabulary_size, unsigned seed);

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_FORWARD_MADE_FOREST_H_
