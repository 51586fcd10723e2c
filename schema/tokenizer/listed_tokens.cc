#include "schema/tokenizer/listed_tokens.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "schema/error.h"

namespace actkin {

std::vector<std::string> ListedTokens::TextsOfJson(std::string_view json, const std::string& where) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array() || parsed.empty() || parsed.size() > std::numeric_limits<std::int32_t>::max()) {
    Fail("{}: expected a JSON array of the tokens' texts, by id", where);
  }
  std::vector<std::string> texts;
  texts.reserve(parsed.size());
  for (const auto& text : parsed) {
    if (!text.is_string()) Fail("{}: entry {} is {}: expected a text", where, texts.size(), text.type_name());
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

std::vector<TokenId> ListedTokens::Encode(std::string_view /*utf8*/, std::string_view what) const {
  FailUsage(
      "{}: how a text is cut into these tokens is not known: they were recorded as a list of texts, without a "
      "tokenizer.json; ask by token ids, a position or a vector",
      what);
}

}  // namespace actkin
