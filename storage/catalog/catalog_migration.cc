#include "storage/catalog/catalog_migration.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "schema/catalog_sql.h"
#include "schema/error.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/catalog/content_checksum.h"

namespace actkin {
namespace {

struct Column {
  std::string name;
  std::string kind;  // type, NOT NULL, place in the primary key

  friend bool operator==(const Column&, const Column&) = default;
};

// The columns of each table of ours, in order, without those that a user added.
using Shapes = std::map<std::string, std::vector<Column>>;

Shapes ReadShapes(SqliteConnection& connection) {
  SqliteStatement statement(connection.handle(),
                            "SELECT t.name, c.name, c.type || ' ' || c.\"notnull\" || ' ' || c.pk "
                            "FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c "
                            "WHERE t.type = 'table' ORDER BY t.name, c.cid");
  Shapes shapes;
  while (statement.Step()) {
    const std::string table = statement.Text(0);
    if (std::ranges::find(OwnTables(), table) == OwnTables().end()) continue;
    std::vector<Column>& columns = shapes[table];
    if (columns.size() < OwnColumns(table).size()) columns.push_back({statement.Text(1), statement.Text(2)});
  }
  return shapes;
}

Shapes CurrentShapes() {
  SqliteConnection connection(":memory:", SqliteConnection::Mode::kCreate);
  connection.Execute(kCatalogSql);
  return ReadShapes(connection);
}

bool Has(const std::vector<Column>& columns, const Column& column) {
  return std::ranges::find(columns, column.name, &Column::name) != columns.end();
}

// What is wrong with the columns of a table, in words.
std::string Difference(const std::vector<Column>& found, const std::vector<Column>& expected) {
  for (const Column& column : expected) {
    if (!Has(found, column)) return fmt::format("lacks the column {}", column.name);
  }
  const auto differing = std::ranges::mismatch(found, expected).in1;
  return fmt::format("has the column {} in another place or of another type", differing->name);
}

// Evaluations were once compared with the model's predictions alone. The table is made again, since a column that is
// added would be the last.
constexpr char kEvaluationBefore[] =
    "evaluation_id, prompt_set_id, first_prompt, samples, scheme, definition, metric, t_is, merge, k, within, "
    "hellinger_mean";

bool LacksComparedWith(const Shapes& shapes, const Shapes& expected) {
  std::vector<Column> before;
  std::ranges::remove_copy(expected.at("evaluation"), std::back_inserter(before), "compared_with", &Column::name);
  const auto found = shapes.find("evaluation");
  return found != shapes.end() && found->second == before;
}

void RequireShapes(SqliteConnection& connection, const Shapes& shapes, const Shapes& expected, std::int64_t version) {
  for (const auto& [table, columns] : expected) {
    const auto found = shapes.find(table);
    if (found == shapes.end() && (version == kCatalogVersion || IsFixedTable(table))) {
      FailDamaged("{}: damaged: its table {} is gone: restore it from a copy, or build again under a new name",
                  sqlite3_db_filename(connection.handle(), "main"), table);
    }
    if (found == shapes.end() || found->second == columns) continue;
    Fail("{}: its table {} {}: no released actkin made it so; make the directory again with 'actkin build'",
         sqlite3_db_filename(connection.handle(), "main"), table, Difference(found->second, columns));
  }
}

}  // namespace

void MigrateCatalog(SqliteConnection& connection) {
  const Shapes expected = CurrentShapes();
  Shapes shapes = ReadShapes(connection);
  const bool current = std::ranges::all_of(expected, [&](const auto& table) {
    const auto found = shapes.find(table.first);
    return found != shapes.end() && found->second == table.second;
  });
  const std::int64_t version = std::stoll(connection.Value("PRAGMA user_version").value_or("0"));
  if (current && version == kCatalogVersion) return;
  SqliteTransaction transaction(connection);
  const bool lacks_compared_with = LacksComparedWith(shapes, expected);
  if (lacks_compared_with) {
    connection.Execute(
        "CREATE TEMP TABLE evaluation_before AS SELECT * FROM main.evaluation; DROP TABLE main.evaluation;");
    shapes["evaluation"] = expected.at("evaluation");
  }
  RequireShapes(connection, shapes, expected, version);
  connection.Execute(kCatalogSql);
  if (lacks_compared_with) {
    connection.Execute(
        fmt::format("INSERT INTO main.evaluation({0}, compared_with) SELECT {0}, 'model' "
                    "FROM temp.evaluation_before; DROP TABLE temp.evaluation_before;",
                    kEvaluationBefore));
  }
  for (const std::string& table : CheckedTables()) {
    // What is there stays checked against what it was when it was made.
    if (IsFixedTable(table) && version >= kFirstVersionWithChecksums) continue;
    SaveContentChecksum(connection.handle(), table, ContentChecksum(connection.handle(), table));
  }
  connection.Execute(fmt::format("PRAGMA user_version={}", kCatalogVersion));
  transaction.Commit();
}

}  // namespace actkin
