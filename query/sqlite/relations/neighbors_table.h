#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_NEIGHBORS_TABLE_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_NEIGHBORS_TABLE_H_

#include <memory>

#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// actkin_neighbors(prompt, stream, block, t_i): all rows of a site by rank, the nearest to a prompt first, and
// actkin_neighbors_of(vector, stream, block, t_i): the same for a BLOB of float32. Columns rank, string_id, text,
// distance, similarity; further arguments k, metric, sort_order, index_name, params, low, high, catalog, each as in the
// command `query`. low and high choose a band (l2: of distances, cosine: of similarities); among, the string_ids that a
// SELECT yields or a JSON array holds, and exclude_self choose rows; k cuts what is left.
//
// Rows are found as they are read, so that whoever stops early pays for what was read. Comparisons of rank and distance
// end and skip.
std::unique_ptr<const TableFunction> MakeNeighborsTable();
std::unique_ptr<const TableFunction> MakeNeighborsOfTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_NEIGHBORS_TABLE_H_
