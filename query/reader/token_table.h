#ifndef ACTKIN_QUERY_READER_TOKEN_TABLE_H_
#define ACTKIN_QUERY_READER_TOKEN_TABLE_H_

#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "schema/site.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// The tokens of an index directory, each read from its catalog when first asked for, and kept: opening a directory of
// 150,000 tokens reads none. One thread at a time.
class TokenTable {
 public:
  // Outlived by `catalog`.
  explicit TokenTable(Catalog& catalog);

  // Ids are 0 .. size() - 1: those of the tokenizer, and what rows of embeddings the model has beyond them.
  std::size_t size() const { return size_; }
  // How many the tokenizer has: prompts and strings hold no others.
  std::size_t tokenizer_size() const { return tokenizer_size_; }

  // For people; "<unused 7>" of an id that no token has. REQUIRES: token < size(). Throws Error where the catalog is
  // damaged.
  std::string Text(TokenId token) const { return Row(token).text; }
  // Of several, whose bytes may make whole characters together.
  std::string Text(std::span<const TokenId> tokens) const;
  // What tokens stand for; nothing for an id that no token has. REQUIRES and throws as Text.
  std::string Bytes(std::span<const TokenId> tokens) const;

 private:
  const TokenRow& Row(TokenId token) const;

  Catalog& catalog_;
  std::size_t tokenizer_size_;
  std::size_t size_;
  mutable std::unordered_map<TokenId, TokenRow> kept_;
  mutable std::vector<TokenRow> all_;  // once many have been asked for
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_TOKEN_TABLE_H_
