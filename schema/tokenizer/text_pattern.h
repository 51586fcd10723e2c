#ifndef ACTKIN_SCHEMA_TOKENIZER_TEXT_PATTERN_H_
#define ACTKIN_SCHEMA_TOKENIZER_TEXT_PATTERN_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/json_part.h"
#include "schema/tokenizer/regex.h"

namespace actkin {

// What a component looks for: {"String": a text that is not empty} or {"Regex": an expression}.
struct TextPattern {
  explicit TextPattern(const JsonPart& part);

  std::string text;
  std::vector<Regex> regex;  // one, or none where `text` is meant
};

// Where `text` stands in `in`, not before `from`; npos: nowhere. In time that grows with the length alone.
std::size_t FindText(std::string_view in, std::string_view text, std::size_t from);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_TEXT_PATTERN_H_
