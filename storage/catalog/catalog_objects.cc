#include "storage/catalog/catalog_objects.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "schema/catalog_sql.h"
#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

struct OwnObjects {
  std::vector<std::string> tables;
  std::map<std::string, std::vector<std::string>> columns;  // by table
  std::set<std::string> indices;
};

// How activations were recorded by the Python module, which makes the table where it records.
constexpr std::string_view kRecorderTable = "recorder";

// In the order of the table, generated ones included.
std::vector<std::string> Columns(sqlite3* connection, const std::string& table) {
  SqliteStatement statement(connection, "SELECT name FROM pragma_table_xinfo(?1, 'main') ORDER BY cid");
  statement.Bind(table);
  std::vector<std::string> columns;
  while (statement.Step()) columns.push_back(statement.Text(0));
  return columns;
}

const OwnObjects& Own() {
  static const OwnObjects own = [] {
    SqliteConnection empty(":memory:", SqliteConnection::Mode::kCreate);
    empty.Execute(kCatalogSql);
    empty.Execute(kStringIndexSql);
    SqliteStatement entries(empty.handle(), "SELECT type, name FROM sqlite_schema ORDER BY name");
    OwnObjects objects;
    while (entries.Step()) {
      const std::string type = entries.Text(0);
      const std::string name = entries.Text(1);
      if (type == "index") {
        objects.indices.insert(name);
        continue;
      }
      objects.tables.push_back(name);
      objects.columns[name] = type == "table" ? Columns(empty.handle(), name) : std::vector<std::string>();
    }
    return objects;
  }();
  return own;
}

bool IsOwnTable(const std::string& name) { return Own().columns.contains(name); }

std::string QuotedName(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// The statement without the columns that ALTER TABLE ADD COLUMN wrote into it: SQLite takes them out again as it put
// them in.
std::string WithoutColumns(const std::string& table, const std::string& sql, std::vector<std::string> added) {
  try {
    SqliteConnection empty(":memory:", SqliteConnection::Mode::kCreate);
    SqliteStatement(empty.handle(), sql).Run();
    std::ranges::reverse(added);  // a generated one depends on those before it
    for (const std::string& column : added) {
      empty.Execute(fmt::format("ALTER TABLE {} DROP COLUMN {}", QuotedName(table), QuotedName(column)));
    }
    SqliteStatement entry(empty.handle(), "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1");
    return entry.Bind(table).Step() ? entry.Text(0) : sql;
  } catch (const Error&) {
    return sql;  // nothing that ADD COLUMN makes
  }
}

std::vector<std::string> AddedColumns(sqlite3* connection, const std::string& table) {
  std::vector<std::string> columns = Columns(connection, table);
  const std::size_t own = std::min(columns.size(), OwnColumns(table).size());
  columns.erase(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(own));
  return columns;
}

int RefuseTrigger(void* /*unused*/, int action, const char* table, const char* column, const char* schema,
                  const char* trigger) {
  const bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
  if (!writes || trigger == nullptr || schema == nullptr || std::string_view(schema) != "main") return SQLITE_OK;
  if (!IsOwnTable(table)) return SQLITE_OK;
  if (action == SQLITE_UPDATE && std::ranges::find(OwnColumns(table), column) == OwnColumns(table).end()) {
    return SQLITE_OK;
  }
  NoteRefusal(fmt::format("the trigger {} changes the table {}, whose rows are actkin's", Quote(trigger), table));
  return SQLITE_DENY;
}

}  // namespace

const std::vector<std::string>& OwnTables() { return Own().tables; }

const std::vector<std::string>& OwnColumns(const std::string& table) { return Own().columns.at(table); }

std::string OwnColumnList(const std::string& table) { return fmt::format("{}", fmt::join(OwnColumns(table), ", ")); }

std::vector<SchemaEntry> OwnDefinition(sqlite3* connection, const std::string& table) {
  SqliteStatement statement(connection, "SELECT type, name, sql FROM main.sqlite_schema WHERE tbl_name = ?1");
  statement.Bind(table);
  std::vector<SchemaEntry> entries;
  while (statement.Step()) {
    SchemaEntry entry{statement.Text(0), statement.Text(1), std::nullopt};
    if (!statement.IsNull(2)) entry.sql = statement.Text(2);
    const bool is_table = entry.name == table && entry.type != "trigger";
    const bool is_index = entry.type == "index" && Own().indices.contains(entry.name);
    if (is_table || is_index) entries.push_back(std::move(entry));
  }
  for (SchemaEntry& entry : entries) {
    if (entry.type != "table" || !entry.sql) continue;
    const std::vector<std::string> added = AddedColumns(connection, table);
    if (!added.empty()) entry.sql = WithoutColumns(table, *entry.sql, added);
  }
  return entries;
}

void RequireOwnColumns(sqlite3* connection, const std::string& table) {
  std::vector<std::string> columns = Columns(connection, table);
  const std::vector<std::string>& own = OwnColumns(table);
  if (own.empty()) return;
  const auto [expected, found] = std::ranges::mismatch(own, columns);
  if (expected == own.end()) return;
  FailDamaged("damaged, or changed by hand: its column {} is missing, or not in its place", *expected);
}

std::vector<std::string> AddedObjects(sqlite3* connection) {
  SqliteStatement statement(connection,
                            "SELECT type, name, tbl_name FROM main.sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' "
                            "ESCAPE '\\' AND name NOT IN (SELECT name FROM pragma_table_list "
                            "WHERE schema = 'main' AND type = 'shadow') ORDER BY type, name");
  std::vector<std::string> added;
  while (statement.Step()) {
    const std::string type = statement.Text(0);
    const std::string name = statement.Text(1);
    const std::string table = statement.Text(2);
    if (type == "table" || type == "view") {
      if (!IsOwnTable(name) && name != kRecorderTable)
        added.push_back(fmt::format("{} {}", type, QuoteIfEscaped(name)));
    } else if (IsOwnTable(table) && !Own().indices.contains(name)) {
      added.push_back(fmt::format("{} {} on {}", type, QuoteIfEscaped(name), table));
    }
  }
  for (const std::string& table : OwnTables()) {
    if (OwnColumns(table).empty()) continue;
    for (const std::string& column : AddedColumns(connection, table)) {
      added.push_back(fmt::format("column {} of {}", QuoteIfEscaped(column), table));
    }
  }
  return added;
}

std::string InsertSql(const std::string& table, std::string_view values) {
  return fmt::format("INSERT INTO {}({}) VALUES ({})", table, OwnColumnList(table), values);
}

std::string UpsertSql(std::string_view table, const std::vector<std::string>& columns, std::string_view values,
                      std::string_view target) {
  return fmt::format("INSERT INTO {0}({1}) VALUES ({2}) ON CONFLICT({3}) DO UPDATE SET ({1}) = (excluded.{4})", table,
                     fmt::join(columns, ", "), values, target, fmt::join(columns, ", excluded."));
}

void RefuseTriggersOnOwnRows(sqlite3* connection) { sqlite3_set_authorizer(connection, RefuseTrigger, nullptr); }

}  // namespace actkin
