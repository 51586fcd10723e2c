#ifndef ACTKIN_SCHEMA_TOKENIZER_TOKENIZER_H_
#define ACTKIN_SCHEMA_TOKENIZER_TOKENIZER_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/site.h"

namespace actkin {

// How text is cut into tokens. Immutable; any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids are 0 .. size() - 1. A model may have more rows of embeddings than that, never fewer.
  virtual std::size_t size() const = 0;
  // The bytes that a token stands for in a text; they need not be whole characters. Empty for an id that is not used.
  // REQUIRES: token < size().
  virtual std::string_view Bytes(TokenId token) const = 0;
  // The ids of a text, without what a post-processor adds. Throws Error (usage) naming `what` and the place where the
  // text is no UTF-8 or, where tokens are characters, holds one that is no token.
  virtual std::vector<TokenId> Encode(std::string_view utf8, std::string_view what) const = 0;
  // The token that its post-processor puts before a text, if any.
  virtual std::optional<TokenId> beginning() const = 0;
  // Whether the bytes of a text's tokens are that text, whatever it is. False where a normalizer, a space put before
  // it, or bytes that the vocabulary has no token for may have made them another.
  virtual bool keeps_text() const = 0;
};

// What stands for an id that no token has, for people: "<unused 151669>".
std::string UnusedTokenText(TokenId token);
// The bytes of tokens as a text for people: UTF-8, in which bytes that are none are written \xNN.
std::string TokenText(std::string_view bytes);
// The same of several tokens, whose bytes may make whole characters together.
std::string TokenText(const Tokenizer& tokenizer, std::span<const TokenId> tokens);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_TOKENIZER_H_
