#ifndef ACTKIN_SCHEMA_TOKENIZER_MERGES_H_
#define ACTKIN_SCHEMA_TOKENIZER_MERGES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "schema/site.h"
#include "schema/tokenizer/pair_table.h"

namespace actkin {

// Byte pair encoding (Sennrich, Haddow and Birch 2016): of all neighbors that may be merged those of the lowest rank
// are, the leftmost first, until none may be.
class Merges {
 public:
  // A pair that is put twice has the last rank. REQUIRES: ranks ascend.
  void Put(TokenId left, TokenId right, std::uint32_t rank, TokenId merged) { pairs_.Put(left, right, {rank, merged}); }
  std::size_t size() const { return pairs_.size(); }

  // Appends the tokens that `symbols` become, in time n log n. `symbols` is left in an undefined state.
  // Throws Error (usage) beyond 2^32 - 2 symbols.
  void Apply(std::span<TokenId> symbols, std::vector<TokenId>& tokens) const;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Merge {
    std::uint32_t rank = kNone;
    TokenId merged = 0;
  };

  Merge Of(TokenId left, TokenId right) const {
    const Merge* found = pairs_.Find(left, right);
    return found == nullptr ? Merge{} : *found;
  }
  void ApplyToFew(std::span<TokenId> symbols, std::vector<TokenId>& tokens) const;
  void ApplyToMany(std::span<TokenId> symbols, std::vector<TokenId>& tokens) const;

  PairTable<Merge> pairs_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_MERGES_H_
