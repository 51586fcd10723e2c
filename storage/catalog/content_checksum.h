#ifndef ACTKIN_STORAGE_CATALOG_CONTENT_CHECKSUM_H_
#define ACTKIN_STORAGE_CATALOG_CONTENT_CHECKSUM_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/catalog/sqlite.h"

namespace actkin {

// The catalog's own checksums, in its table content_checksum: SQLite keeps none of what a row holds. A table's is the
// sum, modulo 2^64, of the xxh3 of each of its rows and of the statements that define it: it does not depend on the
// order of rows or pages. One that is changed by hand no longer agrees; VerifyContent says so. What users add beside
// them (catalog_objects.h) has no part in it.

// A row's share, value after value, in the order of the columns.
class RowChecksum {
 public:
  RowChecksum& Add(std::int64_t value);
  RowChecksum& Add(double value);
  RowChecksum& Add(std::string_view value);
  RowChecksum& AddBlob(std::string_view value);
  RowChecksum& AddNull();
  // Of what was added since the last call.
  std::uint64_t Take();

 private:
  void Append(char type, const void* data, std::size_t size);
  RowChecksum& AddBytes(char type, std::string_view value);

  std::string bytes_;
};

// The tables and views of catalog.sql that have a checksum, by name.
const std::vector<std::string>& CheckedTables();
// Of those, what a catalog gets when it is made and never changes: millions of rows.
bool IsFixedTable(std::string_view table);

// Whether the catalog was made before there was such a table: neither the table nor a checksum of it is there. Who
// writes next adds it (AddLaterTables).
bool WasMadeBefore(sqlite3* connection, const std::string& table);
// Adds the tables that the catalog was made before. REQUIRES: no transaction is open.
void AddLaterTables(SqliteConnection& connection);

// Of what the statements that define a table say.
std::uint64_t DefinitionChecksum(sqlite3* connection, const std::string& table);
// The whole checksum, read from its rows.
std::uint64_t ContentChecksum(sqlite3* connection, const std::string& table);
// Writes it. REQUIRES: a transaction is open.
void SaveContentChecksum(sqlite3* connection, const std::string& table, std::uint64_t checksum);
// Throws Error when content_checksum is not the table of catalog.sql: something changes it beside us.
void VerifyChecksumTable(sqlite3* connection);
// Throws Error naming the first of the tables that may change which is not as its checksum says: who changes one of
// them then would make a checksum of the damage.
void RequireContent(sqlite3* connection);
// Throws Error when the table does not hold what it did when its checksum was saved, or has none.
void VerifyContent(sqlite3* connection, const std::string& table);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CONTENT_CHECKSUM_H_
