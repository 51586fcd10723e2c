#include "indexer/text/prefix_tree.h"

namespace actkin {

PrefixTree::PrefixTree(const StringLevels& strings, int depth) {
  // row_of[o]: the row, at the level above, of the string with ordinal o. The empty string is row 0.
  std::vector<RowNumber> row_of{0};
  for (int length = 1; length <= depth; ++length) {
    const std::vector<Continuation> continuations = strings.Continuations(length - 1);  // by parent's ordinal
    const std::uint64_t row_count = strings.RowCount(length);
    const std::size_t parent_rows = levels_.empty() ? 1 : levels_.back().tokens.size();
    // Where the continuations of each parent row begin: a counting sort from the parents' ordinals to their rows.
    std::vector<std::uint32_t> begins(parent_rows + 1, 0);
    for (const Continuation& continuation : continuations) {
      if (continuation.ordinal < row_count) ++begins[row_of[continuation.parent] + 1];
    }
    for (std::size_t row = 0; row < parent_rows; ++row) begins[row + 1] += begins[row];
    Level level;
    level.tokens.resize(row_count);
    level.parents.resize(row_count);
    level.ordinals.resize(row_count);
    std::vector<RowNumber> next_row_of(row_count);
    for (const Continuation& continuation : continuations) {
      if (continuation.ordinal >= row_count) continue;
      const RowNumber parent = row_of[continuation.parent];
      const RowNumber row = begins[parent]++;
      level.tokens[row] = continuation.token;
      level.parents[row] = parent;
      level.ordinals[row] = continuation.ordinal;
      next_row_of[continuation.ordinal] = row;
    }
    levels_.push_back(std::move(level));
    row_of = std::move(next_row_of);
  }
}

std::vector<TokenId> PrefixTree::RowTokens(int t_i) const {
  const std::size_t length = static_cast<std::size_t>(t_i) + 1;
  std::vector<TokenId> tokens(row_count(t_i) * length);
  for (RowNumber row = 0; row < row_count(t_i); ++row) {
    RowNumber node = row;
    for (std::size_t position = length; position-- > 0;) {
      tokens[row * length + position] = levels_[position].tokens[node];
      node = levels_[position].parents[node];
    }
  }
  return tokens;
}

PrefixTree::Slice PrefixTree::Take(RowRange leaves) const {
  Slice slice;
  slice.forest.levels.resize(levels_.size());
  slice.rows.resize(levels_.size());
  slice.owned.resize(levels_.size());
  RowRange rows = leaves;
  bool first_owned = true;
  for (std::size_t t = levels_.size(); t-- > 0;) {
    const Level& level = levels_[t];
    slice.rows[t] = rows;
    slice.owned[t] = {rows.begin + (first_owned ? 0 : 1), rows.end};
    // The first row's parent is part of an earlier slice when the row is, or when the row before it has the same
    // parent.
    first_owned = first_owned && (rows.begin == 0 || level.parents[rows.begin] != level.parents[rows.begin - 1]);
    const RowRange parents =
        t == 0 ? RowRange{0, 1} : RowRange{level.parents[rows.begin], std::uint64_t{level.parents[rows.end - 1]} + 1};
    PrefixForest::Level& out = slice.forest.levels[t];
    out.tokens.assign(level.tokens.begin() + static_cast<std::ptrdiff_t>(rows.begin),
                      level.tokens.begin() + static_cast<std::ptrdiff_t>(rows.end));
    out.parents.resize(rows.size());
    for (std::uint64_t i = 0; i < rows.size(); ++i) {
      out.parents[i] = static_cast<std::uint32_t>(level.parents[rows.begin + i] - parents.begin);
    }
    rows = parents;
  }
  return slice;
}

}  // namespace actkin
