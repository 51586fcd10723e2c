#ifndef ACTKIN_QUERY_READER_STRING_FILTER_H_
#define ACTKIN_QUERY_READER_STRING_FILTER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "schema/site.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// Sets of strings as people write them. What is a text of SQL is run over a connection of its own to the directory's
// catalog that may read and nothing else: it sees what is committed there, no temporary table and no function of
// anybody's. Throws Error (usage) in one line, with SQLite's message.

// string_ids from `first` to `last` of the strings for which a condition of SQL holds, in any order. The condition
// reads the columns string_id, length, text, occurrences and last_token_id. token_width: bytes of an id in the
// catalog.
std::vector<std::int64_t> StringsWhere(const IndexDirectory& directory, const std::string& condition, StringId first,
                                       StringId last, int token_width);

// What `text` yields: a SELECT of one column, or a JSON array of integers, which begins with a bracket. They need not
// be ids of strings. name: of the text, for messages; proceed: as SelectIntegers has it.
std::vector<std::int64_t> StringsAmong(const IndexDirectory& directory, const std::string& text,
                                       const std::string& name, const std::function<bool()>& proceed = {});

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_STRING_FILTER_H_
