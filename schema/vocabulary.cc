#include "schema/vocabulary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

Vocabulary Vocabulary::OfText(std::u32string_view text) {
  constexpr std::size_t kCodePoints = 0x110000;
  std::vector<bool> present(kCodePoints);
  for (const char32_t point : text) present.at(point) = true;
  Vocabulary vocabulary;
  for (std::size_t point = 0; point < kCodePoints; ++point) {
    if (present[point]) vocabulary.code_points_ += static_cast<char32_t>(point);
  }
  return vocabulary;
}

Vocabulary Vocabulary::OfTokens(std::span<const std::string> texts, const std::string& where) {
  Vocabulary vocabulary;
  for (const std::string& text : texts) {
    const std::u32string points = CodePoints(text, fmt::format("{}: a token", where));
    if (points.size() != 1 || (!vocabulary.code_points_.empty() && vocabulary.code_points_.back() >= points[0])) {
      Fail("{}: token {} is {}: expected single characters in ascending order", where, vocabulary.size(), Quote(text));
    }
    vocabulary.code_points_ += points[0];
  }
  return vocabulary;
}

Vocabulary Vocabulary::OfJson(std::string_view json, const std::string& where) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array()) Fail("{}: the metadata's vocabulary is not a JSON array", where);
  std::vector<std::string> texts;
  for (const auto& token : parsed) {
    if (!token.is_string()) Fail("{}: the metadata's vocabulary holds {}, expected strings", where, token.dump());
    texts.push_back(token.get<std::string>());
  }
  return OfTokens(texts, where);
}

std::string Vocabulary::Text(TokenId token) const { return Utf8({&code_points_[token], 1}); }

std::string Vocabulary::Text(std::span<const TokenId> tokens) const {
  std::u32string points;
  for (const TokenId token : tokens) points += code_points_[token];
  return Utf8(points);
}

std::string Vocabulary::Json() const {
  nlohmann::json texts = nlohmann::json::array();
  for (const char32_t point : code_points_) texts.push_back(Utf8({&point, 1}));
  return texts.dump();
}

std::vector<TokenId> Vocabulary::Encode(std::u32string_view text, std::string_view what, std::size_t first) const {
  std::vector<TokenId> tokens(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto found = std::ranges::lower_bound(code_points_, text[i]);
    if (found == code_points_.end() || *found != text[i]) {
      FailUsage("{}: character {} (U+{:04X}) at position {} is not one of the vocabulary's {} tokens", what,
                Quote(Utf8(text.substr(i, 1))), static_cast<unsigned>(text[i]), first + i, size());
    }
    tokens[i] = static_cast<TokenId>(found - code_points_.begin());
  }
  return tokens;
}

std::vector<TokenId> Vocabulary::Encode(std::string_view utf8, std::string_view what) const {
  return Encode(CodePoints(utf8, what), what);
}

}  // namespace actkin
