#include "schema/tokenizer/tokenizer.h"

#include "schema/text.h"

namespace actkin {

std::string UnusedTokenText(TokenId token) { return "<unused " + std::to_string(token) + ">"; }

std::string TokenText(std::string_view bytes) { return ValidUtf8(bytes); }

std::string TokenText(const Tokenizer& tokenizer, std::span<const TokenId> tokens) {
  std::string bytes;
  for (const TokenId token : tokens) bytes += tokenizer.Bytes(token);
  return TokenText(bytes);
}

}  // namespace actkin
