#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_NEXT_TOKENS_TABLE_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_NEXT_TOKENS_TABLE_H_

#include <memory>

#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// actkin_next_tokens(prefix): what follows a prefix of any length in the corpus, inside documents. Columns token,
// token_id, count and probability (the count's share), the largest count first, then by token id; a further argument
// catalog. No row where nothing follows. An empty prefix stands everywhere.
std::unique_ptr<const TableFunction> MakeNextTokensTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_NEXT_TOKENS_TABLE_H_
