#include "schema/tokenizer/text_pattern.h"

#include <cstring>

namespace actkin {

TextPattern::TextPattern(const JsonPart& part) {
  part.OnlyKeys({"String", "Regex"});
  if (part.Object().size() != 1) part.Refuse("expected one of \"String\" and \"Regex\"");
  if (part.value().contains("Regex")) {
    constexpr std::size_t kLongestExpression = 1U << 16;
    const JsonPart expression = part["Regex"];
    regex.emplace_back(expression.Text(kLongestExpression), expression.where());
  } else {
    text = part["String"].Text();
    if (text.empty()) part.Refuse("an empty text stands everywhere: expected one that is not");
  }
}

std::size_t FindText(std::string_view in, std::string_view text, std::size_t from) {
  const void* found = memmem(in.data() + from, in.size() - from, text.data(), text.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - in.data());
}

}  // namespace actkin
