#include "query/sqlite/relations/prompt_argument.h"

#include <variant>

namespace actkin {

Prompt ReadPrompt(const TableCall& call, int argument, IndexReader& reader) {
  if (std::holds_alternative<SqlBlob>(call.Value(argument))) return reader.EncodeBytes(call.Blob(argument));
  return reader.Encode(call.Text(argument));
}

std::vector<TokenId> ReadPrefix(const TableCall& call, int argument, IndexReader& reader) {
  if (std::holds_alternative<SqlBlob>(call.Value(argument))) return reader.EncodePrefixBytes(call.Blob(argument));
  return reader.EncodePrefix(call.Text(argument));
}

}  // namespace actkin
