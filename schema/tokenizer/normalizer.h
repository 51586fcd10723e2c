#ifndef ACTKIN_SCHEMA_TOKENIZER_NORMALIZER_H_
#define ACTKIN_SCHEMA_TOKENIZER_NORMALIZER_H_

#include <string>
#include <string_view>
#include <vector>

#include "schema/tokenizer/json_part.h"
#include "schema/tokenizer/regex.h"

namespace actkin {

// Canonical composition (Unicode Standard Annex 15, form C). REQUIRES: UTF-8.
std::string ComposedText(std::string_view text);

// What a tokenizer makes of a text before it is cut: NFC, Prepend, Replace, in a Sequence of any of them. Immutable;
// any thread.
class Normalizer {
 public:
  Normalizer() = default;
  // From the file's "normalizer"; null is none.
  explicit Normalizer(const JsonPart& part);

  bool empty() const { return steps_.empty(); }
  // Throws Error where a text grows beyond 64 times its bytes.
  std::string Apply(std::string_view text, RegexSearch& search) const;

 private:
  enum class Kind { kCompose, kPrepend, kReplaceText, kReplaceMatches };
  struct Step {
    Kind kind;
    std::string text = {};  // what is prepended, or replaced
    std::string content = {};
    std::vector<Regex> regex = {};  // of kReplaceMatches, one
  };

  std::vector<Step> steps_;
  std::string where_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_NORMALIZER_H_
