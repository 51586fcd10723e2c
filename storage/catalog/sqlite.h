#ifndef ACTKIN_STORAGE_CATALOG_SQLITE_H_
#define ACTKIN_STORAGE_CATALOG_SQLITE_H_

// Nothing here calls SQLite: sqlite.cc and select_integers.cc alone do, which the SQLite extension compiles once more,
// for its host's SQLite.
#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace actkin {

// The file of a connection's database; empty where it is in memory, or there is none of that name.
std::string DatabaseFile(sqlite3* connection, const std::string& schema = "main");

// For authorizers (sqlite3_set_authorizer): why what this thread is about to prepare is refused. It becomes the line of
// the Error.
void NoteRefusal(std::string reason);

// To be bound as a BLOB.
struct SqliteBlob {
  std::string_view bytes;
};

// A prepared statement on a connection that somebody else owns. (A wrapper library wants to own the connection; inside
// a SQLite extension it belongs to the host.) One thread at a time. Errors are Error with SQLite's message.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* connection, std::string_view sql);

  // Ends what ran before and binds ?1, ?2, ... Text is bound by copy.
  template <typename... Values>
  SqliteStatement& Bind(const Values&... values) {
    Reset();
    int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }
  // One parameter more, from 1, after Bind.
  template <typename Value>
  void BindAt(int index, const Value& value) {
    BindOne(index, value);
  }
  // True while there is a row.
  bool Step();
  // Begins again and goes to the first row; false where the connection was interrupted.
  bool StepUnlessInterrupted();
  // Runs to the end.
  void Run();
  // The same of an INSERT that ends in RETURNING with one number. (sqlite3_last_insert_rowid may be a virtual table's
  // that a trigger of the user's wrote to.)
  std::int64_t RunForId();
  void Reset();

  // Of the current row, columns from 0.
  std::int64_t Integer(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::string_view TextView(int column) const;  // valid until the next step
  std::string_view Blob(int column) const;      // the same; the bytes of a text, empty for NULL
  bool IsNull(int column) const { return Type(column) == SQLITE_NULL; }
  // SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL.
  int Type(int column) const;

  // Of the rows that the statement gives.
  int ColumnCount() const;

 private:
  void BindOne(int index, std::int64_t value);
  void BindOne(int index, std::uint64_t value) { BindOne(index, static_cast<std::int64_t>(value)); }
  void BindOne(int index, std::uint32_t value) { BindOne(index, static_cast<std::int64_t>(value)); }
  void BindOne(int index, int value) { BindOne(index, static_cast<std::int64_t>(value)); }
  void BindOne(int index, double value);
  void BindOne(int index, std::string_view value);
  void BindOne(int index, const std::string& value) { BindOne(index, std::string_view(value)); }
  void BindOne(int index, const char* value) { BindOne(index, std::string_view(value)); }
  void BindOne(int index, std::nullptr_t);
  void BindOne(int index, SqliteBlob value);
  void Check(int status);

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// A connection of our own. One thread at a time.
class SqliteConnection {
 public:
  // kRead and kWrite: the file exists. A reader that may write to the folder rolls back what a killed writer left.
  enum class Mode { kRead, kWrite, kCreate };

  SqliteConnection(const std::filesystem::path& path, Mode mode);
  // Throws Error where this process cannot read the file, or not now; whether it is a sound database is not looked at.
  static void RequireAccess(const std::filesystem::path& path);

  sqlite3* handle() const { return connection_.get(); }
  // Runs one or more statements without parameters.
  void Execute(const std::string& sql);
  // The same for what needs the file to itself outside WAL mode. While a writer waits for that, nobody begins to read:
  // it lets the others in between its turns of a second.
  void ExecuteInTurns(const std::string& sql);
  // The first column of the first row; none without a row.
  std::optional<std::string> Value(const std::string& sql);

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  void SetPatience(std::chrono::milliseconds patience);

  std::filesystem::path path_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<sqlite3, Close> connection_;
};

// BEGIN IMMEDIATE ... COMMIT; without Commit, ROLLBACK.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  void Commit();

 private:
  SqliteConnection& connection_;
  bool open_ = true;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_SQLITE_H_
