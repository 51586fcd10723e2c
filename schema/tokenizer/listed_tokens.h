#ifndef ACTKIN_SCHEMA_TOKENIZER_LISTED_TOKENS_H_
#define ACTKIN_SCHEMA_TOKENIZER_LISTED_TOKENS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/tokenizer.h"

namespace actkin {

// Tokens of which the texts alone are known, not how a text is cut into them: those of recorded activations that came
// without a tokenizer. Two may have the same text, and one may have none. Immutable; any thread.
class ListedTokens final : public Tokenizer {
 public:
  // Texts in the order of their ids, as a JSON array. Throws Error naming `where`.
  static std::vector<std::string> TextsOfJson(std::string_view json, const std::string& where);

  explicit ListedTokens(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  std::size_t size() const override { return texts_.size(); }
  std::string_view Bytes(TokenId token) const override { return texts_[token]; }
  // Always throws Error (usage).
  std::vector<TokenId> Encode(std::string_view utf8, std::string_view what) const override;
  std::optional<TokenId> beginning() const override { return std::nullopt; }
  bool keeps_text() const override { return false; }

 private:
  std::vector<std::string> texts_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_LISTED_TOKENS_H_
