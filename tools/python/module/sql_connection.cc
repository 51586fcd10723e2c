#include "tools/python/module/sql_connection.h"

#include <climits>
#include <new>

#include "tools/python/module/own_sqlite.h"

namespace actkin {
namespace {

constexpr int kPatienceMs = 60'000;  // for writers

SqlValue ValueOf(sqlite3_stmt* statement, int column) {
  const auto size = [&] { return static_cast<std::size_t>(sqlite3_column_bytes(statement, column)); };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      if (text == nullptr) throw std::bad_alloc();
      return std::string(text, size());
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
      return SqlBlob{bytes == nullptr ? std::string() : std::string(bytes, size())};
    }
    default:
      return std::monostate();
  }
}

}  // namespace

SqlConnection::SqlConnection(const std::string& catalog, bool write) {
  // A relative name that begins with "file:" would be taken for a URI.
  const std::string name = catalog.starts_with('/') ? catalog : "./" + catalog;
  // Who may not write rolls nothing back: a reader opens for writing too, and promises.
  const int status =
      sqlite3_open_v2(name.c_str(), &connection_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  try {
    if (connection_ == nullptr) throw std::bad_alloc();
    if (status != SQLITE_OK) FailNow(status);
    sqlite3_extended_result_codes(connection_, 1);
    sqlite3_busy_timeout(connection_, kPatienceMs);
    std::string line;
    if (!AddActkinFunctions(connection_, line)) throw SqlError(SQLITE_ERROR, line);
    if (!write) {
      const int promised = sqlite3_exec(connection_, "PRAGMA query_only = 1", nullptr, nullptr, nullptr);
      if (promised != SQLITE_OK) FailNow(promised);
    }
  } catch (...) {
    sqlite3_close_v2(connection_);
    throw;
  }
}

SqlConnection::~SqlConnection() { sqlite3_close_v2(connection_); }

void SqlConnection::Close() {
  const std::lock_guard lock(mutex_);
  if (connection_ == nullptr) return;
  while (!statements_.empty()) (*statements_.begin())->Finish();
  sqlite3_close_v2(connection_);
  connection_ = nullptr;
}

sqlite3* SqlConnection::Require() const {
  if (connection_ == nullptr) throw SqlError(SQLITE_MISUSE, "this connection is closed");
  return connection_;
}

void SqlConnection::FailNow(int code) const { throw SqlError(code, sqlite3_errmsg(connection_)); }

// Not under the mutex, which the one that is to be interrupted holds.
void SqlConnection::Interrupt() {
  if (sqlite3* connection = connection_) sqlite3_interrupt(connection);
}

bool SqlConnection::InTransaction() {
  const std::lock_guard lock(mutex_);
  return sqlite3_get_autocommit(Require()) == 0;
}

std::int64_t SqlConnection::TotalChanges() {
  const std::lock_guard lock(mutex_);
  return sqlite3_total_changes64(Require());
}

std::int64_t SqlConnection::LastInsertRowid() {
  const std::lock_guard lock(mutex_);
  return sqlite3_last_insert_rowid(Require());
}

SqlStatement::SqlStatement(std::shared_ptr<SqlConnection> connection, std::string_view sql, std::string* rest)
    : connection_(std::move(connection)) {
  const std::lock_guard lock(connection_->mutex_);
  if (sql.size() > INT_MAX) throw SqlError(SQLITE_TOOBIG, "the statement is too long");
  const char* tail = nullptr;
  const int status =
      sqlite3_prepare_v2(connection_->Require(), sql.data(), static_cast<int>(sql.size()), &statement_, &tail);
  if (status != SQLITE_OK) connection_->FailNow(status);
  connection_->statements_.insert(this);
  if (rest != nullptr) *rest = tail == nullptr ? std::string() : std::string(sql.substr(tail - sql.data()));
}

SqlStatement::~SqlStatement() { Finish(); }

void SqlStatement::Finish() {
  const std::lock_guard lock(connection_->mutex_);
  sqlite3_finalize(statement_);
  statement_ = nullptr;
  connection_->statements_.erase(this);
  ended_ = true;
}

sqlite3_stmt* SqlStatement::Require() const {
  connection_->Require();
  if (statement_ == nullptr) throw SqlError(SQLITE_MISUSE, "this statement is finished");
  return statement_;
}

bool SqlStatement::reads_only() const {
  const std::lock_guard lock(connection_->mutex_);
  return sqlite3_stmt_readonly(Require()) != 0;
}

std::vector<std::optional<std::string>> SqlStatement::Parameters() const {
  const std::lock_guard lock(connection_->mutex_);
  std::vector<std::optional<std::string>> names;
  for (int i = 1; i <= sqlite3_bind_parameter_count(Require()); ++i) {
    const char* name = sqlite3_bind_parameter_name(Require(), i);
    names.push_back(name == nullptr ? std::nullopt : std::optional<std::string>(name));
  }
  return names;
}

void SqlStatement::Bind(const std::vector<SqlValue>& values) {
  const std::lock_guard lock(connection_->mutex_);
  sqlite3_stmt* statement = Require();
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  ended_ = false;
  struct BindOne {
    sqlite3_stmt* statement;
    int index;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, index); }
    int operator()(std::int64_t value) const { return sqlite3_bind_int64(statement, index, value); }
    int operator()(double value) const { return sqlite3_bind_double(statement, index, value); }
    int operator()(const std::string& text) const {
      return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    int operator()(const SqlBlob& blob) const {
      // A null pointer would be NULL.
      return sqlite3_bind_blob64(statement, index, blob.bytes.empty() ? "" : blob.bytes.data(), blob.bytes.size(),
                                 SQLITE_TRANSIENT);
    }
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int status = std::visit(BindOne{statement, static_cast<int>(i) + 1}, values[i]);
    if (status != SQLITE_OK) connection_->FailNow(status);
  }
}

std::vector<std::string> SqlStatement::Columns() const {
  const std::lock_guard lock(connection_->mutex_);
  std::vector<std::string> names;
  for (int i = 0; i < sqlite3_column_count(Require()); ++i) {
    const char* name = sqlite3_column_name(Require(), i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

std::vector<std::vector<SqlValue>> SqlStatement::Step(std::size_t most) {
  const std::lock_guard lock(connection_->mutex_);
  sqlite3_stmt* statement = Require();
  std::vector<std::vector<SqlValue>> rows;
  while (!ended_ && rows.size() < most) {
    const int status = sqlite3_step(statement);
    if (status == SQLITE_ROW) {
      std::vector<SqlValue>& row = rows.emplace_back();
      for (int column = 0; column < sqlite3_data_count(statement); ++column) row.push_back(ValueOf(statement, column));
    } else {
      ended_ = true;
      const std::string line = sqlite3_errmsg(connection_->Require());
      sqlite3_reset(statement);  // ends its transaction
      if (status != SQLITE_DONE) throw SqlError(status, line);
    }
  }
  return rows;
}

}  // namespace actkin
