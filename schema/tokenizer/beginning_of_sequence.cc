#include "schema/tokenizer/beginning_of_sequence.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"
#include "schema/tokenizer/json_part.h"

namespace actkin {
namespace {

constexpr std::pair<Beginning, std::string_view> kNames[] = {
    {Beginning::kAuto, "auto"}, {Beginning::kAlways, "always"}, {Beginning::kNever, "never"}};

// The one token that has this text: as it is found in a text, else by its bytes.
std::optional<TokenId> TokenOfText(const Tokenizer& tokenizer, const std::string& text) {
  try {
    const std::vector<TokenId> tokens = tokenizer.Encode(text, "the token");
    if (tokens.size() == 1 && tokenizer.Bytes(tokens.front()) == text) return tokens.front();
  } catch (const Error&) {
    // A text that the tokenizer cannot cut may still be a token's.
  }
  std::optional<TokenId> found;
  for (std::size_t i = 0; i < tokenizer.size() && !text.empty(); ++i) {
    const auto token = static_cast<TokenId>(i);
    if (tokenizer.Bytes(token) != text) continue;
    if (found) return std::nullopt;
    found = token;
  }
  return found;
}

// "<s>", or {"content": "<s>", ...}; empty where it is null.
std::string TextOfBosToken(const JsonPart& part) {
  if (part.is_null()) return "";
  return part.value().is_object() ? part["content"].Text() : part.Text();
}

std::optional<TokenId> TokenOfFiles(const Tokenizer& tokenizer, const std::optional<nlohmann::json>& tokenizer_config,
                                    const BeginningSources& sources) {
  if (const auto token = tokenizer.beginning()) return token;
  if (tokenizer_config) {
    const JsonPart part = JsonPart(*tokenizer_config, sources.tokenizer_config->where + ": ")["bos_token"];
    const std::string text = TextOfBosToken(part);
    if (!text.empty()) {
      const auto token = TokenOfText(tokenizer, text);
      if (!token) part.Refuse("{} is none of the tokenizer's {} tokens", Quote(text), tokenizer.size());
      return token;
    }
  }
  if (sources.config) {
    const nlohmann::json config = ParseJson(sources.config->text, sources.config->where);
    const JsonPart part = JsonPart(config, sources.config->where + ": ")["bos_token_id"];
    if (!part.is_null()) {
      if (tokenizer.size() == 0) part.Refuse("the tokenizer has no tokens");
      return part.Number(static_cast<std::uint32_t>(tokenizer.size() - 1));
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view Name(Beginning beginning) {
  return std::ranges::find(kNames, beginning, &std::pair<Beginning, std::string_view>::first)->second;
}

Beginning ParseBeginning(std::string_view text) {
  const auto* const found = std::ranges::find(kNames, text, &std::pair<Beginning, std::string_view>::second);
  if (found == std::end(kNames)) FailUsage("beginning of sequence {}: expected auto, always or never", Quote(text));
  return found->first;
}

std::optional<TokenId> BeginningOfSequence(Beginning beginning, const Tokenizer& tokenizer,
                                           const BeginningSources& sources) {
  if (beginning == Beginning::kNever) {
    if (sources.token) {
      FailUsage("the token {} before every sequence, though never one is to stand there", Quote(*sources.token));
    }
    return std::nullopt;
  }
  std::optional<nlohmann::json> tokenizer_config;
  if (sources.tokenizer_config) {
    tokenizer_config = ParseJson(sources.tokenizer_config->text, sources.tokenizer_config->where);
  }
  if (beginning == Beginning::kAuto && !tokenizer.beginning()) {
    const bool adds =
        tokenizer_config &&
        JsonPart(*tokenizer_config, sources.tokenizer_config->where + ": ")["add_bos_token"].Flag(/*absent=*/false);
    if (!adds) return std::nullopt;
  }
  if (sources.token) {
    const auto token = TokenOfText(tokenizer, *sources.token);
    if (!token) {
      FailUsage("{} cannot stand before every sequence: it is none of the tokenizer's {} tokens", Quote(*sources.token),
                tokenizer.size());
    }
    return token;
  }
  if (const auto token = TokenOfFiles(tokenizer, tokenizer_config, sources)) return token;
  Fail(ErrorCode::kInvalidArgument,
       "no token to put before every sequence: expected one in the tokenizer's post_processor, as bos_token in "
       "tokenizer_config.json or as bos_token_id in config.json; or name its text");
}

}  // namespace actkin
