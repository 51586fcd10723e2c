#include "storage/catalog/content_checksum.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "schema/catalog_sql.h"
#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_objects.h"

namespace actkin {
namespace {

constexpr char kTable[] = "content_checksum";
constexpr std::array<std::string_view, 7> kFixed{"corpus",        "document", "next_token", "string",
                                                 "string_length", "token",    "tokenizer"};
// Those that catalogs of this version were made without at first.
constexpr std::array<std::string_view, 2> kLater{"site_distance", "site_statistics"};

void AddColumn(RowChecksum& row, const SqliteStatement& statement, int column) {
  switch (statement.Type(column)) {
    case SQLITE_INTEGER:
      row.Add(statement.Integer(column));
      return;
    case SQLITE_FLOAT:
      row.Add(statement.Real(column));
      return;
    case SQLITE_NULL:
      row.AddNull();
      return;
    case SQLITE_TEXT:
      row.Add(statement.TextView(column));
      return;
    default:
      row.AddBlob(statement.Blob(column));
  }
}

std::uint64_t SumOfRows(SqliteStatement& statement) {
  std::uint64_t sum = 0;
  RowChecksum row;
  const int columns = statement.ColumnCount();
  while (statement.Step()) {
    for (int column = 0; column < columns; ++column) AddColumn(row, statement, column);
    sum += row.Take();
  }
  return sum;
}

}  // namespace

void RowChecksum::Append(char type, const void* data, std::size_t size) {
  bytes_ += type;
  bytes_.append(static_cast<const char*>(data), size);
}

RowChecksum& RowChecksum::Add(std::int64_t value) {
  Append('i', &value, sizeof(value));
  return *this;
}

RowChecksum& RowChecksum::Add(double value) {
  Append('r', &value, sizeof(value));
  return *this;
}

RowChecksum& RowChecksum::Add(std::string_view value) { return AddBytes('t', value); }

RowChecksum& RowChecksum::AddBlob(std::string_view value) { return AddBytes('b', value); }

RowChecksum& RowChecksum::AddBytes(char type, std::string_view value) {
  const std::uint64_t size = value.size();
  Append(type, &size, sizeof(size));
  bytes_ += value;
  return *this;
}

RowChecksum& RowChecksum::AddNull() {
  bytes_ += 'n';
  return *this;
}

std::uint64_t RowChecksum::Take() {
  const std::uint64_t checksum = XXH3_64bits(bytes_.data(), bytes_.size());
  bytes_.clear();
  return checksum;
}

const std::vector<std::string>& CheckedTables() {
  static const std::vector<std::string> tables = [] {
    std::vector<std::string> names = OwnTables();
    std::erase(names, kTable);
    return names;
  }();
  return tables;
}

bool IsFixedTable(std::string_view table) { return std::ranges::find(kFixed, table) != kFixed.end(); }

bool WasMadeBefore(sqlite3* connection, const std::string& table) {
  if (std::ranges::find(kLater, table) == kLater.end()) return false;
  SqliteStatement tables(connection, "SELECT 1 FROM main.sqlite_schema WHERE name = ?1");
  if (tables.Bind(table).Step() || !tables.Bind(kTable).Step()) return false;
  return !SqliteStatement(connection, "SELECT 1 FROM main.content_checksum WHERE name = ?1").Bind(table).Step();
}

void AddLaterTables(SqliteConnection& connection) {
  std::vector<std::string> tables;
  for (const std::string& table : CheckedTables()) {
    if (WasMadeBefore(connection.handle(), table)) tables.push_back(table);
  }
  if (tables.empty()) return;
  SqliteTransaction transaction(connection);
  // What is missing otherwise is damage, and stays so: only statements of these tables are run.
  SqliteConnection empty(":memory:", SqliteConnection::Mode::kCreate);
  empty.Execute(kCatalogSql);
  for (const std::string& table : tables) {
    for (const SchemaEntry& entry : OwnDefinition(empty.handle(), table)) {
      if (entry.sql) connection.Execute(*entry.sql);
    }
    SaveContentChecksum(connection.handle(), table, ContentChecksum(connection.handle(), table));
  }
  transaction.Commit();
}

std::uint64_t DefinitionChecksum(sqlite3* connection, const std::string& table) {
  std::uint64_t sum = 0;
  RowChecksum row;
  for (const SchemaEntry& entry : OwnDefinition(connection, table)) {
    row.Add(entry.type).Add(entry.name);
    if (entry.sql) {
      row.Add(*entry.sql);
    } else {
      row.AddNull();
    }
    sum += row.Take();
  }
  return sum;
}

std::uint64_t ContentChecksum(sqlite3* connection, const std::string& table) {
  const std::uint64_t checksum = DefinitionChecksum(connection, table);
  if (OwnColumns(table).empty()) return checksum;
  RequireOwnColumns(connection, table);
  SqliteStatement rows(connection, fmt::format("SELECT {} FROM main.\"{}\"", OwnColumnList(table), table));
  return checksum + SumOfRows(rows);
}

void SaveContentChecksum(sqlite3* connection, const std::string& table, std::uint64_t checksum) {
  SqliteStatement(connection, UpsertSql(kTable, {"name", "checksum"}, "?1, ?2", "name"))
      .Bind(table, ChecksumText(checksum))
      .Run();
}

void VerifyChecksumTable(sqlite3* connection) {
  SqliteConnection empty(":memory:", SqliteConnection::Mode::kCreate);
  empty.Execute(kCatalogSql);
  if (DefinitionChecksum(connection, kTable) != DefinitionChecksum(empty.handle(), kTable)) {
    FailDamaged("damaged, or changed by hand: it is not defined as in this program");
  }
}

void RequireContent(sqlite3* connection) {
  const std::string catalog = DatabaseFile(connection);
  const auto check = [&](const std::string& table, const auto& verify) {
    try {
      verify();
    } catch (const Error& error) {
      FailDamaged("{}: {}: {}: restore it from a copy, or build again under a new name", catalog, table, error.what());
    }
  };
  check(kTable, [&] { VerifyChecksumTable(connection); });
  for (const std::string& table : CheckedTables()) {
    if (!IsFixedTable(table) && !WasMadeBefore(connection, table))
      check(table, [&] { VerifyContent(connection, table); });
  }
}

void VerifyContent(sqlite3* connection, const std::string& table) {
  SqliteStatement saved(connection, "SELECT checksum FROM main.content_checksum WHERE name = ?1");
  if (!saved.Bind(table).Step()) FailDamaged("damaged: the table content_checksum has no row for it");
  RequireOwnColumns(connection, table);
  if (saved.Type(0) != SQLITE_TEXT || saved.TextView(0) != ChecksumText(ContentChecksum(connection, table))) {
    FailDamaged("damaged, or changed by hand: its rows are not those that its checksum is of");
  }
}

}  // namespace actkin
