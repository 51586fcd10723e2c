#ifndef ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_SPECIFICATION_H_
#define ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_SPECIFICATION_H_

#include <span>
#include <string>

namespace actkin {

// Values are converted as a column of that type converts them; kAny takes them as they are. kPrompt: a text, or a BLOB
// of token ids (schema/token_ids.h).
enum class ArgumentType { kText, kInteger, kReal, kBlob, kAny, kPrompt };

struct TableArgument {
  const char* name;
  ArgumentType type;
  const char* example;  // a value as SQL writes it, for messages
  bool null_has_no_rows = false;
  bool null_is_a_value = false;  // fixed, without a value; other NULLs are errors
};

// What a table-valued function looks like from SQL: its columns, then its arguments as hidden columns, in the order in
// which a call lists them.
struct TableSpecification {
  const char* name;
  std::span<const char* const> columns;  // "rank INTEGER"
  std::span<const TableArgument> arguments;
  int required;       // so many of the arguments, the first, have no default
  const char* usage;  // a call, for messages

  int first_argument() const { return static_cast<int>(columns.size()); }
  int argument_count() const { return static_cast<int>(arguments.size()); }
  // CREATE TABLE ...
  std::string Declaration() const;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_TABLE_FUNCTIONS_TABLE_SPECIFICATION_H_
