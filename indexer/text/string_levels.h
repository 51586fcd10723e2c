#ifndef ACTKIN_INDEXER_TEXT_STRING_LEVELS_H_
#define ACTKIN_INDEXER_TEXT_STRING_LEVELS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "schema/site.h"

namespace actkin {

// The unique strings of one length, by ordinal: in order of first occurrence, those last that no string of length L
// begins with (near the ends of documents).
struct StringLevel {
  std::vector<StringOrdinal> parents;  // ordinal, one length shorter, of the string without its last token
  std::vector<TokenId> last_tokens;
  std::vector<std::uint32_t> occurrences;
  std::vector<std::uint32_t> first_positions;  // in the corpus

  std::size_t size() const { return last_tokens.size(); }
};

// One string that follows another: the string longer by one token.
struct Continuation {
  StringOrdinal parent = 0;
  TokenId token = 0;
  StringOrdinal ordinal = 0;  // of the longer string
};

// The unique strings of every length 1..L of a corpus, and of length L+1, which are the next-token counts of those of
// length L. None crosses the end of a document. About 16 bytes a string. Immutable.
class StringLevels {
 public:
  // documents: the positions of each, one after the other, all tokens together.
  // REQUIRES: string_length >= 1, and some document has as many tokens; tokens are below vocabulary_size.
  StringLevels(std::span<const TokenId> tokens, std::span<const RowRange> documents, std::size_t vocabulary_size,
               int string_length);
  // Of one document.
  StringLevels(std::span<const TokenId> tokens, std::size_t vocabulary_size, int string_length);

  int string_length() const { return static_cast<int>(levels_.size()) - 1; }
  // REQUIRES: 1 <= length <= string_length() + 1.
  const StringLevel& level(int length) const { return levels_[static_cast<std::size_t>(length) - 1]; }

  // The strings of `length` that are prefixes of strings of length L: the first RowCount(length) of them. REQUIRES:
  // 1 <= length <= string_length().
  std::uint64_t RowCount(int length) const { return row_counts_[static_cast<std::size_t>(length) - 1]; }
  StringId FirstStringId(int length) const;

  // The strings of length+1 by their parent, then by token. A parent's occurrences are its next-token counts.
  // REQUIRES: 0 <= length <= string_length(). Length 0 is the empty string, parent of all of length 1.
  std::vector<Continuation> Continuations(int length) const;

 private:
  std::size_t vocabulary_size_;
  std::vector<StringLevel> levels_;  // of length 1 + index
  std::vector<std::uint64_t> row_counts_;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_STRING_LEVELS_H_
