#ifndef ACTKIN_TOOLS_PYTHON_MODULE_SQL_CONNECTION_H_
#define ACTKIN_TOOLS_PYTHON_MODULE_SQL_CONNECTION_H_

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace actkin {

// What SQLite said, with its extended result code.
class SqlError : public std::exception {
 public:
  SqlError(int code, std::string line) : code_(code), line_(std::move(line)) {}
  int code() const { return code_; }
  const char* what() const noexcept override { return line_.c_str(); }

 private:
  int code_;
  std::string line_;
};

struct SqlBlob {
  std::string bytes;
};
// NULL, INTEGER, REAL, TEXT (UTF-8) or BLOB.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string, SqlBlob>;

class SqlStatement;

// A connection of the module's own SQLite with actkin's functions. Threads: any, one call waits for the other; calls
// with the same statement must not meet. A process that is forked has no use of its parent's.
class SqlConnection {
 public:
  // catalog: the path of an existing database. Throws SqlError.
  SqlConnection(const std::string& catalog, bool write);
  ~SqlConnection();
  SqlConnection(const SqlConnection&) = delete;
  SqlConnection& operator=(const SqlConnection&) = delete;

  // Ends its statements. Afterwards every other call throws SqlError.
  void Close();
  bool closed() const { return connection_ == nullptr; }
  // Ends what runs, from any thread.
  void Interrupt();
  bool InTransaction();
  std::int64_t TotalChanges();
  std::int64_t LastInsertRowid();

 private:
  friend class SqlStatement;
  sqlite3* Require() const;
  [[noreturn]] void FailNow(int code) const;

  std::recursive_mutex mutex_;
  sqlite3* connection_ = nullptr;
  std::set<SqlStatement*> statements_;  // the extension's own are not among them
};

// One statement, run from its first row to its last.
class SqlStatement {
 public:
  // Of a text that may hold several statements, the first; `rest` gets what follows it. Throws SqlError.
  SqlStatement(std::shared_ptr<SqlConnection> connection, std::string_view sql, std::string* rest);
  ~SqlStatement();
  SqlStatement(const SqlStatement&) = delete;
  SqlStatement& operator=(const SqlStatement&) = delete;

  // Nothing but blanks and comments.
  bool empty() const { return statement_ == nullptr; }
  // Of each parameter, from the first: its name with the character before it; none for a `?`.
  std::vector<std::optional<std::string>> Parameters() const;
  // One value a parameter; begins again. Throws SqlError where there are more or fewer.
  void Bind(const std::vector<SqlValue>& values);
  std::vector<std::string> Columns() const;
  // The next rows, at most so many; fewer at the end. Throws SqlError.
  std::vector<std::vector<SqlValue>> Step(std::size_t most);
  bool ended() const { return ended_; }
  // Ends Step, from any thread.
  void Interrupt() { connection_->Interrupt(); }
  bool reads_only() const;
  void Finish();

 private:
  sqlite3_stmt* Require() const;

  std::shared_ptr<SqlConnection> connection_;
  sqlite3_stmt* statement_ = nullptr;
  bool ended_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_PYTHON_MODULE_SQL_CONNECTION_H_
