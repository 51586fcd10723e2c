#ifndef ACTKIN_TESTS_SCHEMA_TOKENIZER_MADE_TOKENIZER_H_
#define ACTKIN_TESTS_SCHEMA_TOKENIZER_MADE_TOKENIZER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "schema/tokenizer/tokenizer.h"

namespace actkin {

// A tokenizer.json: pieces "a", "b" and "ab" with the ids 0 to 2, which one merge makes, and `parts` in place of what
// it has (of "model", key by key). Flags of added tokens that are not given are false.
nlohmann::json MadeTokenizerJson(const nlohmann::json& parts);
std::unique_ptr<const Tokenizer> MadeTokenizer(const nlohmann::json& parts);

// A tokenizer.json over bytes: the 256 of them, and what so many merges of the most frequent neighbors in `text` make
// (words cut as GPT-2 does where `parts` says nothing else).
nlohmann::json MadeByteTokenizerJson(const std::string& text, std::size_t merges, const nlohmann::json& parts = {});

}  // namespace actkin

#endif  // ACTKIN_TESTS_SCHEMA_TOKENIZER_MADE_TOKENIZER_H_
