#ifndef ACTKIN_QUERY_SQLITE_SCALAR_FUNCTIONS_H_
#define ACTKIN_QUERY_SQLITE_SCALAR_FUNCTIONS_H_

#include <sqlite3.h>

#include <memory>

#include "query/sqlite/connection/attached_catalogs.h"

namespace actkin {

// Registers
//   actkin_vector(string_id, stream, block [, catalog])
//       the string's own output at its last token (for embedding of all its positions) as a BLOB: from its site, or
//       from the model
//   actkin_ids(json [, catalog])
//       token ids, '[12,7,9]', as the BLOB that a prompt may be: the column `tokens` of the string that they make
//   actkin_occurrences(prefix [, catalog])
//       how often a prefix of any length, a text or such a BLOB, occurs in the corpus, inside documents
//   actkin_context(position, before, after [, catalog])
//       the text of the token at a position of the corpus, of `before` tokens before it and of `after` after it, as
//       far as its document has them
//   actkin_distance(a, b, metric)   of two such BLOBs, smaller where closer
//   actkin_rows_read()              how many rows' numbers the connection's exact searches have read
//   actkin_version()
// Returns an SQLite status.
int RegisterScalarFunctions(sqlite3* connection, const std::shared_ptr<AttachedCatalogs>& catalogs);

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_SCALAR_FUNCTIONS_H_
