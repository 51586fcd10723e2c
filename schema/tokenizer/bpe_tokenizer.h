#ifndef ACTKIN_SCHEMA_TOKENIZER_BPE_TOKENIZER_H_
#define ACTKIN_SCHEMA_TOKENIZER_BPE_TOKENIZER_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/added_tokens.h"
#include "schema/tokenizer/bpe_model.h"
#include "schema/tokenizer/json_part.h"
#include "schema/tokenizer/normalizer.h"
#include "schema/tokenizer/pre_tokenizer.h"
#include "schema/tokenizer/regex.h"
#include "schema/tokenizer/tokenizer.h"

namespace actkin {

// The chain that a tokenizer.json declares: added tokens are taken out of the text, what is left is normalized, added
// tokens are taken out of that, the rest is cut into words, and each word's pieces are merged. Immutable; any thread.
class BpeTokenizer final : public Tokenizer {
 public:
  // The whole document. Throws Error naming the key.
  explicit BpeTokenizer(const JsonPart& document);

  std::size_t size() const override { return bytes_.size(); }
  std::string_view Bytes(TokenId token) const override { return bytes_[token]; }
  std::vector<TokenId> Encode(std::string_view utf8, std::string_view what) const override;
  std::optional<TokenId> beginning() const override { return beginning_; }
  bool keeps_text() const override { return keeps_text_; }

 private:
  // What one call needs, kept for the next: words met once are met again.
  struct Workspace {
    RegexSearch search;
    BpeModel::Memory memory;
  };
  class Lent;
  class WordEncoder;

  void ReadAddedTokens(const JsonPart& list);
  void FillBytes(const JsonPart& decoder);

  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  BpeModel model_;
  std::vector<AddedToken> added_;  // in the file's order
  AddedTokens added_as_given_;
  AddedTokens added_normalized_;
  std::vector<std::string> bytes_;  // by token
  std::optional<TokenId> beginning_;
  bool keeps_text_ = false;
  mutable std::mutex lock_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_BPE_TOKENIZER_H_
