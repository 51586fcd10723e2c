#ifndef ACTKIN_SCHEMA_TOKENIZER_TOKENIZER_JSON_H_
#define ACTKIN_SCHEMA_TOKENIZER_TOKENIZER_JSON_H_

#include <memory>
#include <string>
#include <string_view>

#include "schema/tokenizer/tokenizer.h"

namespace actkin {

// The tokenizer that a Hugging Face tokenizer.json declares: byte pair encoding over bytes, or over characters with
// bytes to fall back to. Throws Error, one line naming `where` and the key, where the JSON is none, where its parts do
// not fit together, or where it declares something that is not known and would change the ids.
std::unique_ptr<const Tokenizer> ReadTokenizerJson(std::string_view json, const std::string& where);

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_TOKENIZER_TOKENIZER_JSON_H_
