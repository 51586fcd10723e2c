#include "storage/catalog/csv_export.h"

#include <algorithm>
#include <string_view>

#include "schema/error.h"
#include "schema/number_text.h"
#include "schema/text.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::uint64_t kRowsBetweenReports = 4096;

// Ends when it goes: a reader that writes nothing has nothing to commit.
class ReadTransaction {
 public:
  explicit ReadTransaction(SqliteConnection& connection) : connection_(connection) { connection_.Execute("BEGIN"); }
  ~ReadTransaction() { sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr); }
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;

 private:
  SqliteConnection& connection_;
};

// It becomes the name of a file.
bool IsPlainName(const std::string& name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Users' own among them.
std::vector<std::string> Tables(SqliteConnection& catalog) {
  SqliteStatement names(catalog.handle(),
                        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%' "
                        "ORDER BY name");
  std::vector<std::string> tables;
  while (names.Step()) {
    if (IsPlainName(names.Text(0))) tables.push_back(names.Text(0));
  }
  return tables;
}

void AppendText(std::string& line, std::string_view text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

void AppendBlob(std::string& line, std::string_view bytes) {
  for (const char byte : bytes) line += fmt::format("{:02x}", static_cast<unsigned char>(byte));
}

void AppendField(std::string& line, const SqliteStatement& row, int column) {
  switch (row.Type(column)) {
    case SQLITE_NULL:
      return;
    case SQLITE_INTEGER:
      line += fmt::format_int(row.Integer(column)).c_str();
      return;
    case SQLITE_FLOAT:
      line += ShortestText(row.Real(column));
      return;
    case SQLITE_BLOB:
      AppendBlob(line, row.Text(column));
      return;
    default:
      AppendText(line, row.Text(column));
  }
}

using WriteBytes = std::function<void(std::string_view)>;

// Returns the number of rows.
std::uint64_t WriteRows(SqliteConnection& catalog, const std::string& table, const WriteBytes& write,
                        ProgressListener& progress) {
  SqliteStatement rows(catalog.handle(), fmt::format("SELECT * FROM \"{}\"", table));
  const int columns = rows.ColumnCount();
  std::string buffer;
  for (int column = 0; column < columns; ++column) {
    if (column > 0) buffer += ',';
    AppendText(buffer, rows.ColumnName(column));
  }
  buffer += "\r\n";
  std::uint64_t count = 0;
  while (rows.Step()) {
    for (int column = 0; column < columns; ++column) {
      if (column > 0) buffer += ',';
      AppendField(buffer, rows, column);
    }
    buffer += "\r\n";
    if (buffer.size() >= kBufferBytes) {
      write(buffer);
      buffer.clear();
    }
    if (++count % kRowsBetweenReports == 0) progress.Advance(count, 0);
  }
  write(buffer);
  return count;
}

std::uint64_t WriteTable(SqliteConnection& catalog, const std::string& table, const std::filesystem::path& path,
                         ProgressListener& progress) {
  ExportedFile exported(path);
  std::uint64_t offset = 0;
  const auto write = [&](std::string_view bytes) {
    exported.file().WriteAt(offset, bytes);
    offset += bytes.size();
  };
  const std::uint64_t count = WriteRows(catalog, table, write, progress);
  exported.Publish();
  return count;
}

void RequireTables(const std::vector<std::string>& tables, const std::vector<std::string>& all) {
  for (const std::string& table : tables) {
    if (std::ranges::find(all, table) == all.end()) {
      FailUsage(ErrorCode::kNotFound, "no table {}: the catalog has {}", Quote(table), fmt::join(all, ", "));
    }
  }
}

}  // namespace

void StreamCsv(SqliteConnection& catalog, const std::string& table, const std::function<void(std::string_view)>& write,
               ProgressListener& progress) {
  const ReadTransaction one_moment(catalog);
  RequireTables({table}, Tables(catalog));
  WriteRows(catalog, table, write, progress);
}

std::vector<CsvFile> ExportCsv(SqliteConnection& catalog, const std::vector<std::string>& tables,
                               const ExportFolder& folder, ProgressListener& progress) {
  const ReadTransaction one_moment(catalog);
  const std::vector<std::string> all = Tables(catalog);
  RequireTables(tables, all);
  const std::vector<std::string>& wanted = tables.empty() ? OwnTables() : tables;
  std::vector<CsvFile> written;
  for (const std::string& table : all) {
    if (std::ranges::find(wanted, table) == wanted.end()) continue;
    const std::filesystem::path path = folder.path() / (table + ".csv");
    const std::string count = catalog.Value(fmt::format("SELECT count(*) FROM \"{}\"", table)).value_or("0");
    progress.Begin(table, std::stoull(count), "rows");
    const std::uint64_t rows = WriteTable(catalog, table, path, progress);
    progress.End();
    written.push_back({table, path, rows});
  }
  return written;
}

}  // namespace actkin
