#include "query/reader/prompt_input.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kShownIds = 16;

std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::vector<TokenId> ParseTokenIds(std::string_view text, std::string_view what) {
  std::string_view rest = Trimmed(text);
  if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']') rest = Trimmed(rest.substr(1, rest.size() - 2));
  std::vector<TokenId> tokens;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = Trimmed(rest.substr(0, comma));
    TokenId token = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (error != std::errc() || end != word.data() + word.size()) {
      FailUsage("{} {}: expected token ids, such as 12,7,9", what, Quote(text));
    }
    tokens.push_back(token);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  return tokens;
}

std::string Describe(const PromptInput& prompt) {
  if (!prompt.ids) return Quote(prompt.text);
  const std::size_t shown = std::min(prompt.ids->size(), kShownIds);
  const std::span first(prompt.ids->data(), shown);
  return fmt::format("[{}{}]", fmt::join(first, ","), shown < prompt.ids->size() ? ",..." : "");
}

}  // namespace actkin
