#ifndef ACTKIN_SCHEMA_TOKENIZER_ADDED_TOKENS_H_
#define ACTKIN_SCHEMA_TOKENIZER_ADDED_TOKENS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/site.h"
#include "schema/tokenizer/regex.h"

namespace actkin {

// A token that is looked for in the text before anything else is done with it.
struct AddedToken {
  TokenId id = 0;
  std::string content;  // not empty
  bool single_word = false;
  bool lstrip = false;  // takes the white space before it along
  bool rstrip = false;
  bool normalized = false;  // looked for in the normalized text, as the normalizer makes it
  bool special = false;
};

// Finds added tokens in a text: of those that begin first the longest. Immutable; any thread.
class AddedTokens {
 public:
  // A part of a text: a token, or what is left to be cut.
  struct Part {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::optional<TokenId> token;
  };

  AddedTokens();

  // What is found is `pattern`. Returns false where another token has this pattern. REQUIRES: it is not empty.
  [[nodiscard]] bool Add(std::string_view pattern, const AddedToken& token);
  bool empty() const { return tokens_.empty(); }

  // Parts that are not empty, in order. They cover the text.
  std::vector<Part> Find(std::string_view text, RegexSearch& search) const;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Node {
    std::vector<std::pair<unsigned char, std::uint32_t>> children;
    std::uint32_t token = kNone;  // in tokens_
  };

  // The longest token that begins at `at`, and its end.
  std::pair<std::uint32_t, std::size_t> Longest(std::string_view text, std::size_t at) const;
  bool IsWordAt(std::string_view text, std::size_t at, RegexSearch& search) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<bool, 256> begins_{};
  Regex word_;
};

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_ADDED_TOKENS_H_
