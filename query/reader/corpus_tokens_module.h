#ifndef ACTKIN_QUERY_READER_CORPUS_TOKENS_MODULE_H_
#define ACTKIN_QUERY_READER_CORPUS_TOKENS_MODULE_H_

#include <sqlite3.h>

#include <functional>
#include <memory>

#include "query/reader/token_table.h"
#include "storage/formats/corpus_tokens_file.h"

namespace actkin {

// What opens the corpus; it may throw.
using OpenCorpusTokens = std::function<std::shared_ptr<const CorpusTokensFile>()>;

// Adds the table actkin_tokens to a connection of our own, for what filters select from: a row a token of the corpus,
// by position, with the columns position, document_id, token_id, text and next_token_id (NULL where a document ends).
// Comparisons of position and document_id with numbers choose the rows that are read. `tokens` outlives the
// connection; the corpus is opened when it is first asked for. Throws Error.
void AddCorpusTokensTable(sqlite3* connection, OpenCorpusTokens corpus, const TokenTable& tokens);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_CORPUS_TOKENS_MODULE_H_
