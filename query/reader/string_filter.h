#ifndef ACTKIN_QUERY_READER_STRING_FILTER_H_
#define ACTKIN_QUERY_READER_STRING_FILTER_H_

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "schema/site.h"

namespace actkin {

// Sets of rows as people write them, as texts of SQL or JSON. `connection` is of our own, to the directory's catalog,
// and serves nothing else: the text may read and nothing more, sees what is committed there and the table actkin_tokens
// (corpus_tokens_module.h), no temporary table and no function of anybody's. Each throws Error (usage) in one line,
// with SQLite's message.

// string_ids from `first` to `last` of the strings for which a condition of SQL holds, in any order. The condition
// reads the columns string_id, length, text, occurrences and last_token_id. token_width: bytes of an id in the
// catalog.
std::vector<std::int64_t> StringsWhere(sqlite3* connection, const std::string& condition, StringId first, StringId last,
                                       int token_width);

// The positions for which a condition holds that reads the columns of actkin_tokens, in any order.
std::vector<std::int64_t> PositionsWhere(sqlite3* connection, const std::string& condition);

// What `text` yields: a SELECT of one column, or a JSON array of integers, which begins with a bracket. They need not
// be string_ids or positions. name: of the text, for messages; proceed: as SelectIntegers has it.
std::vector<std::int64_t> NumbersAmong(sqlite3* connection, const std::string& text, const std::string& name,
                                       const std::function<bool()>& proceed = {});

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_STRING_FILTER_H_
