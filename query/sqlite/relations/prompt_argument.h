#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_PROMPT_ARGUMENT_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_PROMPT_ARGUMENT_H_

#include <vector>

#include "query/reader/index_reader.h"
#include "query/sqlite/table_functions/table_call.h"

namespace actkin {

// An argument of ArgumentType::kPrompt as a prompt: a text, or a BLOB of token ids. Throws Error (usage) as
// IndexReader::Encode does.
Prompt ReadPrompt(const TableCall& call, int argument, IndexReader& reader);

// The same as a prefix, which may be empty.
std::vector<TokenId> ReadPrefix(const TableCall& call, int argument, IndexReader& reader);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_PROMPT_ARGUMENT_H_
