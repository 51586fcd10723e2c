#include "storage/catalog/select_integers.h"

#include <memory>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// Steps of SQLite's machine between two questions: some milliseconds.
constexpr int kSteps = 100'000;

// What sqlite3_stmt_readonly says of these is not enough: they change no database, but what the connection is and does.
// A full-text table asks for the version of the data.
int AllowReading(void*, int action, const char* name, const char*, const char*, const char*) {
  if (action == SQLITE_ATTACH || action == SQLITE_DETACH) return SQLITE_DENY;
  if (action == SQLITE_PRAGMA) return std::string_view(name) == "data_version" ? SQLITE_OK : SQLITE_DENY;
  return SQLITE_OK;
}

int Interrupts(void* proceed) { return (*static_cast<const std::function<bool()>*>(proceed))() ? 0 : 1; }

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

[[noreturn]] void FailOnSql(sqlite3* connection, std::string_view name) {
  const int code = sqlite3_errcode(connection) & 0xFF;
  if (code == SQLITE_INTERRUPT) Fail(ErrorCode::kInterrupted, "{}: interrupted", name);
  if (code == SQLITE_AUTH) FailUsage("{}: {}: it may read the catalog alone, by one SELECT", name, "not authorized");
  FailUsage("{}: {}", name, Printable(sqlite3_errmsg(connection)));
}

Statement Prepare(sqlite3* connection, const std::string& sql, std::string_view name) {
  sqlite3_stmt* prepared = nullptr;
  const char* rest = nullptr;
  const int status = sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &prepared, &rest);
  Statement statement(prepared);
  if (status != SQLITE_OK) FailOnSql(connection, name);
  if (!statement) FailUsage("{}: no statement: expected a SELECT of one column", name);
  const std::string after(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
  // Comments and spaces alone prepare to nothing.
  sqlite3_stmt* another = nullptr;
  const bool more =
      sqlite3_prepare_v2(connection, after.c_str(), -1, &another, nullptr) != SQLITE_OK || another != nullptr;
  sqlite3_finalize(another);
  if (more) FailUsage("{}: more than one statement: expected one SELECT of one column", name);
  if (sqlite3_stmt_readonly(prepared) == 0) FailUsage("{}: it would write: expected a SELECT of one column", name);
  if (const int columns = sqlite3_column_count(prepared); columns != 1) {
    FailUsage("{}: it yields {} columns: expected one, of integers", name, columns);
  }
  if (sqlite3_bind_parameter_count(prepared) != 0) {
    FailUsage(
        "{}: it has a parameter, {}, that nothing is bound to", name,
        Printable(sqlite3_bind_parameter_name(prepared, 1) == nullptr ? "?"
                                                                      : sqlite3_bind_parameter_name(prepared, 1)));
  }
  return statement;
}

}  // namespace

std::vector<std::int64_t> SelectIntegers(sqlite3* connection, const std::string& sql, std::string_view name,
                                         const std::function<bool()>& proceed) {
  sqlite3_set_authorizer(connection, AllowReading, nullptr);
  const Statement statement = Prepare(connection, sql, name);
  // The statement is gone before the function that the connection would ask.
  if (proceed) {
    sqlite3_progress_handler(connection, kSteps, Interrupts, const_cast<std::function<bool()>*>(&proceed));
  }
  std::vector<std::int64_t> integers;
  int status = sqlite3_step(statement.get());
  for (; status == SQLITE_ROW; status = sqlite3_step(statement.get())) {
    if (sqlite3_column_type(statement.get(), 0) != SQLITE_INTEGER) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0));
      const std::string found = text == nullptr ? "NULL" : Quote(text);
      sqlite3_progress_handler(connection, 0, nullptr, nullptr);
      FailUsage("{}: it yields {}: expected integers", name, found);
    }
    integers.push_back(sqlite3_column_int64(statement.get(), 0));
  }
  sqlite3_progress_handler(connection, 0, nullptr, nullptr);
  if (status != SQLITE_DONE) FailOnSql(connection, name);
  return integers;
}

}  // namespace actkin
