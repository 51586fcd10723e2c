#ifndef ACTKIN_SCHEMA_TOKENIZER_CHARACTER_TOKENIZER_H_
#define ACTKIN_SCHEMA_TOKENIZER_CHARACTER_TOKENIZER_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/tokenizer.h"
#include "schema/vocabulary.h"

namespace actkin {

// A token is one code point of a vocabulary: the study's tokenizer. Nothing stands before a text. Immutable; any
// thread.
class CharacterTokenizer final : public Tokenizer {
 public:
  explicit CharacterTokenizer(Vocabulary vocabulary);

  const Vocabulary& vocabulary() const { return vocabulary_; }

  std::size_t size() const override { return vocabulary_.size(); }
  std::string_view Bytes(TokenId token) const override { return texts_[token]; }
  std::vector<TokenId> Encode(std::string_view utf8, std::string_view what) const override;
  std::optional<TokenId> beginning() const override { return std::nullopt; }
  bool keeps_text() const override { return true; }

 private:
  Vocabulary vocabulary_;
  std::vector<std::string> texts_;  // UTF-8, by token
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_CHARACTER_TOKENIZER_H_
