#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_CORPUS_TOKENS_TABLE_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_CORPUS_TOKENS_TABLE_H_

#include <memory>

#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// actkin_tokens: the corpus, a row a token, by position. Columns position (from 0), document_id, token_id, text and
// next_token_id, NULL where the token is its document's last; an argument catalog. =, IN and ranges of position and
// document_id are looked up.
std::unique_ptr<const TableFunction> MakeCorpusTokensTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_CORPUS_TOKENS_TABLE_H_
