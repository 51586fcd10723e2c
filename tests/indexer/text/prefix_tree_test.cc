#include "indexer/text/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace actkin {
namespace {

std::vector<TokenId> RandomText(std::size_t size, std::size_t vocabulary, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<TokenId> tokens(size);
  for (TokenId& token : tokens) token = static_cast<TokenId>(generator() % vocabulary);
  return tokens;
}

TEST(PrefixTreeTest, RowsAreTheStringsInLexicographicOrder) {
  const std::vector<TokenId> text = RandomText(300, 3, 1);
  const StringLevels strings(text, 3, 6);
  const PrefixTree tree(strings, 6);
  ASSERT_EQ(tree.depth(), 6);
  for (int t_i = 0; t_i < 6; ++t_i) {
    const std::size_t length = static_cast<std::size_t>(t_i) + 1;
    ASSERT_EQ(tree.row_count(t_i), strings.RowCount(t_i + 1));
    const std::vector<TokenId> tokens = tree.RowTokens(t_i);
    for (std::size_t row = 0; row < tree.row_count(t_i); ++row) {
      const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(row * length);
      const auto end = begin + static_cast<std::ptrdiff_t>(length);
      if (row > 0) {
        EXPECT_TRUE(std::lexicographical_compare(begin - static_cast<std::ptrdiff_t>(length), begin, begin, end));
      }
      const std::uint32_t position = strings.level(t_i + 1).first_positions[tree.row_to_ordinal(t_i)[row]];
      EXPECT_TRUE(std::equal(begin, end, text.begin() + position));
    }
  }
}

// Slices of any size hold whole paths, and together own every row of every level once.
TEST(PrefixTreeTest, SlicesCoverEveryRowOnce) {
  const StringLevels strings(RandomText(400, 4, 2), 4, 5);
  const PrefixTree tree(strings, 5);
  for (const std::uint64_t size : {1U, 2U, 3U, 7U, 64U, 1000U}) {
    std::vector<std::uint64_t> next_owned(5, 0);
    for (std::uint64_t begin = 0; begin < tree.row_count(4); begin += size) {
      const PrefixTree::Slice slice = tree.Take({begin, std::min(begin + size, tree.row_count(4))});
      for (std::size_t t = 0; t < 5; ++t) {
        EXPECT_EQ(slice.owned[t].begin, next_owned[t]) << "slices of " << size << ", level " << t;
        next_owned[t] = slice.owned[t].end;
        EXPECT_EQ(slice.rows[t].end, slice.owned[t].end);
        ASSERT_EQ(slice.forest.levels[t].tokens.size(), slice.rows[t].size());
        const std::vector<TokenId> tokens = tree.RowTokens(static_cast<int>(t));
        for (std::uint64_t node = 0; node < slice.rows[t].size(); ++node) {
          // The node's path in the slice spells the row.
          std::uint64_t at = node;
          for (std::size_t level = t + 1; level-- > 0;) {
            EXPECT_EQ(slice.forest.levels[level].tokens[at], tokens[(slice.rows[t].begin + node) * (t + 1) + level]);
            at = slice.forest.levels[level].parents[at];
          }
        }
      }
    }
    for (std::size_t t = 0; t < 5; ++t) EXPECT_EQ(next_owned[t], tree.row_count(static_cast<int>(t)));
  }
}

TEST(PrefixTreeTest, AShallowTreeHasTheSameRows) {
  const StringLevels strings(RandomText(300, 3, 3), 3, 6);
  EXPECT_EQ(PrefixTree(strings, 3).row_to_ordinal(2), PrefixTree(strings, 6).row_to_ordinal(2));
}

}  // namespace
}  // namespace actkin
