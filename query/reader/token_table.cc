#include "query/reader/token_table.h"

#include <algorithm>
#include <optional>

#include "schema/tokenizer/tokenizer.h"

namespace actkin {
namespace {

// So many single look-ups take about as long as reading a large vocabulary in one go.
constexpr std::size_t kMostKept = 1 << 12;

}  // namespace

TokenTable::TokenTable(Catalog& catalog)
    : catalog_(catalog), tokenizer_size_(catalog.TokenCount()), size_(tokenizer_size_) {
  if (const std::optional<ModelRow> model = catalog.Model()) {
    size_ = std::max(size_, static_cast<std::size_t>(model->shape.vocabulary_size));
  }
}

std::string TokenTable::Text(std::span<const TokenId> tokens) const { return TokenText(Bytes(tokens)); }

std::string TokenTable::Bytes(std::span<const TokenId> tokens) const {
  std::string bytes;
  for (const TokenId token : tokens) bytes += Row(token).bytes;
  return bytes;
}

const TokenRow& TokenTable::Row(TokenId token) const {
  if (!all_.empty() && token < all_.size()) return all_[token];
  const auto there = kept_.find(token);
  if (there != kept_.end()) return there->second;
  if (token >= tokenizer_size_) return kept_.emplace(token, TokenRow{UnusedTokenText(token), ""}).first->second;
  if (kept_.size() < kMostKept) return kept_.emplace(token, catalog_.Token(token)).first->second;
  all_ = catalog_.Tokens();
  return all_.at(token);
}

}  // namespace actkin
