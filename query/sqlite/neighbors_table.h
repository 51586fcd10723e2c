#ifndef ACTKIN_QUERY_SQLITE_NEIGHBORS_TABLE_H_
#define ACTKIN_QUERY_SQLITE_NEIGHBORS_TABLE_H_

#include <memory>

#include "query/sqlite/table_function.h"

namespace actkin {

// actkin_neighbors(prompt, stream, block, t_i): the rows of a site nearest to a prompt, and
// actkin_neighbors_of(vector, stream, block, t_i): the same for a BLOB of float32. Columns rank, string_id, text,
// distance; further arguments k, metric, sort_order, index_name, params, low, high, catalog, each as in the command
// `query`.
//
// How many rows: k; without it LIMIT + OFFSET, where SQLite tells them (one table, no aggregate), no other constraint
// is left for SQLite to check and the rows come in the order wanted; without these 10. A k larger than the site is an
// error; the other two end with the site. Comparisons of `distance` narrow low and high: the k rows lie in that band.
std::unique_ptr<const TableFunction> MakeNeighborsTable();
std::unique_ptr<const TableFunction> MakeNeighborsOfTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_NEIGHBORS_TABLE_H_
