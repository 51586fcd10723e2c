#ifndef ACTKIN_QUERY_SQLITE_RELATIONS_MODEL_TABLE_H_
#define ACTKIN_QUERY_SQLITE_RELATIONS_MODEL_TABLE_H_

#include <memory>

#include "query/sqlite/table_functions/table_function.h"

namespace actkin {

// actkin_model(prompt): the model's own distribution of the token after a prompt. Columns rank (from 1), token and
// probability, every token of the vocabulary, the most probable first; a further argument catalog.
std::unique_ptr<const TableFunction> MakeModelTable();

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_RELATIONS_MODEL_TABLE_H_
