#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_PREDICT_TABLE_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_PREDICT_TABLE_H_

#include <memory>

#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// actkin_predict(prompt, scheme, t_i): the distribution of the next token that a scheme makes of a prompt's neighbors.
// Columns rank (from 1), token, token_id and probability, every token whose total is not zero, the most probable first.
// scheme: a built-in or saved one, progressive_ffwd_weight where none is given; t_i: a position or a list of them
// ('7,8,9'), by default the longest built. Further arguments: k, metric, merge, catalog. No row where nothing is known
// to follow.
std::unique_ptr<const TableFunction> MakePredictTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_PREDICT_TABLE_H_
