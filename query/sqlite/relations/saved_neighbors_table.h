#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_SAVED_NEIGHBORS_TABLE_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_SAVED_NEIGHBORS_TABLE_H_

#include <memory>

#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// actkin_saved_neighbors(prompt_set, stream, block, t_i): the neighbors that were saved or imported for the prompts of
// a set, read where they lie in the mapped file. Columns prompt_number (as in the table prompt), rank (from 1),
// string_id and distance, by prompt and rank. Further arguments: metric; k (default: as many as are saved); low and
// high (of lists that were searched within a band); prompt (a text, or a BLOB of token ids); catalog.
std::unique_ptr<const TableFunction> MakeSavedNeighborsTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_SAVED_NEIGHBORS_TABLE_H_
