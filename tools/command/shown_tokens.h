#ifndef ACTKIN_TOOLS_COMMAND_SHOWN_TOKENS_H_
#define ACTKIN_TOOLS_COMMAND_SHOWN_TOKENS_H_

#include <string>

#include "query/reader/index_reader.h"

namespace actkin {

// What tables show of tokens, as QuotedText has it, so that every byte of them can be told: "\xe4" is half a character,
// "\\xe4" four characters. An id that no token has is <unused 7>, without quotes.
std::string ShownToken(IndexReader& reader, TokenId token);
// Throws Error where there is no such string.
std::string ShownString(IndexReader& reader, StringId string_id);
// The text as it was given, or what the ids stand for.
std::string ShownPrompt(IndexReader& reader, const Prompt& prompt);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_COMMAND_SHOWN_TOKENS_H_
