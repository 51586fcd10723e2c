#ifndef ACTKIN_INDEXER_TEXT_PREFIX_TREE_H_
#define ACTKIN_INDEXER_TEXT_PREFIX_TREE_H_

#include <cstdint>
#include <vector>

#include "indexer/model/forward_backend.h"
#include "indexer/text/string_levels.h"
#include "schema/site.h"

namespace actkin {

// All prefixes of the rows of one length, in lexicographic order of their token ids at every level: node n of level t
// is row n of the sites at t_i t. Immutable. 12 bytes a prefix.
class PrefixTree {
 public:
  // Levels 0..depth-1. REQUIRES: 1 <= depth <= strings.string_length().
  PrefixTree(const StringLevels& strings, int depth);

  int depth() const { return static_cast<int>(levels_.size()); }
  std::uint64_t row_count(int t_i) const { return levels_[static_cast<std::size_t>(t_i)].tokens.size(); }
  const std::vector<StringOrdinal>& row_to_ordinal(int t_i) const {
    return levels_[static_cast<std::size_t>(t_i)].ordinals;
  }
  // The token ids of every row: rows x (t_i + 1), row-major.
  std::vector<TokenId> RowTokens(int t_i) const;

  // The prefixes of rows [leaves.begin, leaves.end) of the last level, which is made of whole paths: the first prefix
  // of a level may have been part of the slice before.
  struct Slice {
    PrefixForest forest;
    std::vector<RowRange> rows;   // a level: the rows that its nodes are
    std::vector<RowRange> owned;  // a level: those that no earlier slice holds (when slices are taken in order)
  };
  Slice Take(RowRange leaves) const;

 private:
  struct Level {
    std::vector<TokenId> tokens;
    std::vector<RowNumber> parents;
    std::vector<StringOrdinal> ordinals;
  };
  std::vector<Level> levels_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_PREFIX_TREE_H_
