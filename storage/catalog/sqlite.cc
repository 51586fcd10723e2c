#include "storage/catalog/sqlite.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "schema/error.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

// How long one waits for the others. A writer waits for readers alone, each for the length of one statement, and has
// hours of work behind it.
constexpr std::chrono::seconds kReaderPatience{10};
constexpr std::chrono::seconds kWriterPatience{120};
constexpr std::chrono::seconds kTurn{1};
constexpr std::chrono::milliseconds kPause{100};  // SQLite's readers look that often

std::string Describe(sqlite3* connection) {
  const std::string file = DatabaseFile(connection);
  return fmt::format("{}: {}", file.empty() ? "catalog" : file, sqlite3_errmsg(connection));
}

// errno of what failed; 0 where SQLite does not know it. The connection does not get that of a commit, the file has it.
int SystemError(sqlite3* connection) {
  int error = sqlite3_system_errno(connection);
  if (error == 0) sqlite3_file_control(connection, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
  return error;
}

// Of this thread; what SQLite itself says of a refusal is that it is one.
std::string& RefusalReason() {
  thread_local std::string reason;
  return reason;
}

// What keeps this process from using a path; empty: nothing does.
std::string Obstacle(const std::string& path, int mode) {
  return ::access(path.c_str(), mode) == 0 ? "" : std::strerror(errno);
}

std::string Folder(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  return folder.empty() ? "." : folder.string();
}

// SQLite could not open the catalog, or not write to it.
[[noreturn]] void FailToReach(const std::string& file, const std::string& reason) {
  if (const std::string obstacle = Obstacle(file, R_OK); !obstacle.empty()) {
    Fail("{}: cannot be read: {}", file, obstacle);
  }
  if (const std::string obstacle = Obstacle(file, W_OK); !obstacle.empty() && Obstacle(Folder(file), W_OK).empty()) {
    Fail("{}: cannot be written: {}", file, obstacle);
  }
  if (const std::string obstacle = Obstacle(Folder(file), W_OK | X_OK); !obstacle.empty()) {
    Fail(
        "{}: {}: its folder cannot be written ({}), which is needed to write, and to read a catalog that was left in "
        "WAL mode: make it writable, or copy the index directory to where it is",
        file, reason, obstacle);
  }
  Fail("{}: {}", file, reason);
}

[[noreturn]] void FailSqlite(sqlite3* connection) {
  const int code = sqlite3_errcode(connection) & 0xFF;
  const int system_error = code == SQLITE_IOERR ? SystemError(connection) : 0;
  // The shared memory of the journal is a file, too; SQLite has no word of its own for a disk too full for it.
  if (code == SQLITE_FULL || system_error == ENOSPC) FailDiskFull(Describe(connection));
  if (system_error != 0) Fail("{}: {}", Describe(connection), std::strerror(system_error));
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
    FailDamaged("{}: the catalog is damaged or no catalog: restore it, or build again", Describe(connection));
  }
  if (code == SQLITE_BUSY) {
    Fail(ErrorCode::kBusy,
         "{}: others have it in use and do not let go of it: end what reads it and run the same command again, it "
         "continues",
         Describe(connection));
  }
  const std::string file = DatabaseFile(connection);
  if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && !file.empty()) {
    FailToReach(file, sqlite3_errmsg(connection));
  }
  if (code == SQLITE_AUTH && !RefusalReason().empty()) {
    Fail("{}: {}: drop it and run the same command again", file, std::exchange(RefusalReason(), ""));
  }
  if (code == SQLITE_CONSTRAINT) {
    Fail("{}: where an index, trigger or column that was added to the catalog does not allow it, drop that",
         Describe(connection));
  }
  Fail(code == SQLITE_INTERRUPT ? ErrorCode::kInterrupted : ErrorCode::kFailed, "{}", Describe(connection));
}

}  // namespace

std::string DatabaseFile(sqlite3* connection, const std::string& schema) {
  const char* file = sqlite3_db_filename(connection, schema.c_str());
  return file == nullptr ? "" : file;
}

void NoteRefusal(std::string reason) { RefusalReason() = std::move(reason); }

SqliteStatement::SqliteStatement(sqlite3* connection, std::string_view sql) : connection_(connection) {
  sqlite3_stmt* statement = nullptr;
  const int status = sqlite3_prepare_v3(connection, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
  statement_.reset(statement);
  Check(status);
}

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void SqliteStatement::Check(int status) {
  if (status != SQLITE_OK && status != SQLITE_ROW && status != SQLITE_DONE) FailSqlite(connection_);
}

bool SqliteStatement::Step() {
  const int status = sqlite3_step(statement_.get());
  Check(status);
  return status == SQLITE_ROW;
}

bool SqliteStatement::StepUnlessInterrupted() {
  Reset();
  const int status = sqlite3_step(statement_.get());
  Reset();
  if (status == SQLITE_INTERRUPT) return false;
  Check(status);
  return true;
}

void SqliteStatement::Run() {
  while (Step()) {
  }
  Reset();
}

std::int64_t SqliteStatement::RunForId() {
  const std::int64_t id = Step() ? Integer(0) : 0;
  Run();
  return id;
}

void SqliteStatement::Reset() { sqlite3_reset(statement_.get()); }

std::int64_t SqliteStatement::Integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

double SqliteStatement::Real(int column) const { return sqlite3_column_double(statement_.get(), column); }

int SqliteStatement::Type(int column) const { return sqlite3_column_type(statement_.get(), column); }

int SqliteStatement::ColumnCount() const { return sqlite3_column_count(statement_.get()); }

std::string SqliteStatement::Text(int column) const { return std::string(TextView(column)); }

std::string_view SqliteStatement::TextView(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view SqliteStatement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void SqliteStatement::BindOne(int index, std::int64_t value) {
  Check(sqlite3_bind_int64(statement_.get(), index, value));
}

void SqliteStatement::BindOne(int index, double value) { Check(sqlite3_bind_double(statement_.get(), index, value)); }

void SqliteStatement::BindOne(int index, std::string_view value) {
  Check(sqlite3_bind_text(statement_.get(), index, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT));
}

void SqliteStatement::BindOne(int index, SqliteBlob value) {
  // A null pointer would be NULL.
  const char* bytes = value.bytes.empty() ? "" : value.bytes.data();
  Check(sqlite3_bind_blob(statement_.get(), index, bytes, static_cast<int>(value.bytes.size()), SQLITE_TRANSIENT));
}

void SqliteStatement::BindOne(int index, std::nullptr_t) { Check(sqlite3_bind_null(statement_.get(), index)); }

SqliteConnection::SqliteConnection(const std::filesystem::path& path, Mode mode)
    : path_(path), patience_(mode == Mode::kRead ? kReaderPatience : kWriterPatience) {
  // SQLite opens read-only by itself what cannot be written.
  const int flags = SQLITE_OPEN_READWRITE | (mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0);
  // A relative name that begins with "file:" would be taken for a URI.
  const bool is_memory = path == ":memory:";
  const std::string name = path.is_relative() && !is_memory ? "./" + path.string() : path.string();
  sqlite3* connection = nullptr;
  const int status = sqlite3_open_v2(name.c_str(), &connection, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(connection);
  if (status != SQLITE_OK) {
    if (connection == nullptr) Fail("{}: out of memory", path.string());
    FailToReach(path.string(), sqlite3_errmsg(connection));
  }
  SetPatience(patience_);
  if (mode == Mode::kRead) Execute("PRAGMA query_only = 1");
}

void SqliteConnection::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

void SqliteConnection::RequireAccess(const std::filesystem::path& path) {
  SqliteConnection connection(path, Mode::kRead);
  sqlite3_exec(connection.handle(), "PRAGMA schema_version", nullptr, nullptr, nullptr);
  const int code = sqlite3_errcode(connection.handle()) & 0xFF;
  if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_BUSY) FailSqlite(connection.handle());
}

void SqliteConnection::Execute(const std::string& sql) {
  if (sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) FailSqlite(handle());
}

void SqliteConnection::ExecuteInTurns(const std::string& sql) {
  const auto end = std::chrono::steady_clock::now() + patience_;
  SetPatience(kTurn);
  while (sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    const bool busy = (sqlite3_errcode(handle()) & 0xFF) == SQLITE_BUSY;
    if (!busy || std::chrono::steady_clock::now() >= end) FailSqlite(handle());
    std::this_thread::sleep_for(kPause);
  }
  SetPatience(patience_);
}

void SqliteConnection::SetPatience(std::chrono::milliseconds patience) {
  sqlite3_busy_timeout(handle(), static_cast<int>(patience.count()));
}

std::optional<std::string> SqliteConnection::Value(const std::string& sql) {
  SqliteStatement statement(handle(), sql);
  if (!statement.Step()) return std::nullopt;
  return statement.Text(0);
}

SqliteTransaction::SqliteTransaction(SqliteConnection& connection) : connection_(connection) {
  connection_.Execute("BEGIN IMMEDIATE");
}

SqliteTransaction::~SqliteTransaction() {
  if (open_) sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void SqliteTransaction::Commit() {
  connection_.Execute("COMMIT");
  open_ = false;
}

}  // namespace actkin
