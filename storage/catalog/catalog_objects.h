#ifndef ACTKIN_STORAGE_CATALOG_CATALOG_OBJECTS_H_
#define ACTKIN_STORAGE_CATALOG_CATALOG_OBJECTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/catalog/sqlite.h"

namespace actkin {

// What of a catalog is this program's: the tables, views, columns and indices of catalog.sql. Everything else in the
// database is its user's, who may add indices, triggers, tables, views and columns as to any SQLite database.

// Tables and views, by name.
const std::vector<std::string>& OwnTables();
// A table's columns, in their order; none of a view's. REQUIRES: one of OwnTables.
const std::vector<std::string>& OwnColumns(const std::string& table);
// "a, b, c"
std::string OwnColumnList(const std::string& table);

// A row of sqlite_schema.
struct SchemaEntry {
  std::string type;
  std::string name;
  std::optional<std::string> sql;
};
// The entries that define one of OwnTables: its own, without columns that were added to it, and those of its indices of
// catalog.sql. What is missing is not among them.
std::vector<SchemaEntry> OwnDefinition(sqlite3* connection, const std::string& table);
// Throws Error where the table's first columns are not those of catalog.sql.
void RequireOwnColumns(sqlite3* connection, const std::string& table);

// What a user added: "index my_text on string", "column note of evaluation", "table mine".
std::vector<std::string> AddedObjects(sqlite3* connection);

// "INSERT INTO site(...) VALUES (...)", values for all its own columns: an added one gets its default.
std::string InsertSql(const std::string& table, std::string_view values);
// "INSERT INTO site(site_id, ...) VALUES (...) ON CONFLICT(site_id) DO UPDATE SET ...": a row that is there keeps what
// was added to it. target: "a, b", what two rows cannot share.
std::string UpsertSql(std::string_view table, const std::vector<std::string>& columns, std::string_view values,
                      std::string_view target);

// From now on a statement of this connection whose triggers would change the own columns or rows of OwnTables is an
// error that names the trigger: the checksums would be made of what it did.
void RefuseTriggersOnOwnRows(sqlite3* connection);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CATALOG_OBJECTS_H_
