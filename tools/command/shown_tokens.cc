#include "tools/command/shown_tokens.h"

#include <span>

#include "tools/output/visible_text.h"

namespace actkin {
namespace {

std::string ShownTokens(IndexReader& reader, std::span<const TokenId> tokens) {
  return QuotedText(reader.vocabulary().Bytes(tokens));
}

}  // namespace

std::string ShownToken(IndexReader& reader, TokenId token) {
  const std::string bytes = reader.vocabulary().Bytes(std::span(&token, 1));
  return bytes.empty() ? reader.vocabulary().Text(token) : QuotedText(bytes);
}

std::string ShownString(IndexReader& reader, StringId string_id) {
  return ShownTokens(reader, reader.catalog().String(string_id).tokens);
}

std::string ShownPrompt(IndexReader& reader, const Prompt& prompt) {
  const bool of_ids = prompt.text == reader.vocabulary().Text(prompt.tokens);
  return of_ids ? ShownTokens(reader, prompt.tokens) : QuotedText(prompt.text);
}

}  // namespace actkin
