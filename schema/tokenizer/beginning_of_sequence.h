#ifndef ACTKIN_SCHEMA_TOKENIZER_BEGINNING_OF_SEQUENCE_H_
#define ACTKIN_SCHEMA_TOKENIZER_BEGINNING_OF_SEQUENCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/tokenizer/tokenizer.h"

namespace actkin {

// Whether a token stands before every string, window and prompt. kAuto: where the model's own files would put one.
enum class Beginning : std::uint8_t { kAuto, kAlways, kNever };

// "auto", "always", "never". The parser throws Error (usage) naming `text` and the words expected.
std::string_view Name(Beginning beginning);
Beginning ParseBeginning(std::string_view text);

// What a model's folder says besides its tokenizer.
struct BeginningSources {
  struct File {
    std::string text;   // JSON
    std::string where;  // its name
  };
  std::optional<File> tokenizer_config = {};  // tokenizer_config.json
  std::optional<File> config = {};            // config.json
  std::optional<std::string> token = {};      // its text, as the user gave it: overrides what the files say
};

// The token that stands before every sequence, if any. kAuto: one if the tokenizer's post-processor puts one, or
// tokenizer_config.json's add_bos_token is true. Which: the user's; else the post-processor's, else
// tokenizer_config.json's bos_token, else config.json's bos_token_id. Throws Error, one line naming the file and key:
// where there is none of these though one must stand there, where it is not one of the tokenizer's, where the user gave
// one and kNever.
std::optional<TokenId> BeginningOfSequence(Beginning beginning, const Tokenizer& tokenizer,
                                           const BeginningSources& sources);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_BEGINNING_OF_SEQUENCE_H_
