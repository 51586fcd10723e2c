#ifndef ACTKIN_SCHEMA_VOCABULARY_H_
#define ACTKIN_SCHEMA_VOCABULARY_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/site.h"

namespace actkin {

// The tokens: one Unicode code point each, numbered in ascending order. Immutable.
class Vocabulary {
 public:
  // The distinct code points of a text.
  static Vocabulary OfText(std::u32string_view text);
  // Token texts in the order of their ids. Throws Error naming `where` unless they are single code points, ascending.
  static Vocabulary OfTokens(std::span<const std::string> texts, const std::string& where);
  // What a checkpoint's metadata holds: a JSON array of the token texts.
  static Vocabulary OfJson(std::string_view json, const std::string& where);

  std::size_t size() const { return code_points_.size(); }
  // REQUIRES: token < size().
  std::string Text(TokenId token) const;
  std::string Text(std::span<const TokenId> tokens) const;
  std::string Json() const;

  // Throws Error (usage) naming `what` and the first character that is no token.
  std::vector<TokenId> Encode(std::u32string_view text, std::string_view what, std::size_t first = 0) const;
  std::vector<TokenId> Encode(std::string_view utf8, std::string_view what) const;

  friend bool operator==(const Vocabulary&, const Vocabulary&) = default;

 private:
  std::u32string code_points_;  // ascending
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_VOCABULARY_H_
