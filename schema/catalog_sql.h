#ifndef ACTKIN_SCHEMA_CATALOG_SQL_H_
#define ACTKIN_SCHEMA_CATALOG_SQL_H_

#include <cstdint>

namespace actkin {

// "actk": tells a catalog from any other SQLite database.
inline constexpr std::int32_t kCatalogApplicationId = 0x6163746B;
// The catalog's user_version. 1: without content_checksum. Earlier ones are migrated by the first command that writes.
inline constexpr std::int32_t kCatalogVersion = 2;

// The statements that make what is not there of an empty catalog (catalog.sql).
extern const char kCatalogSql[];

// Unique on (length, text); made once the strings are in. The text comes first so that a text alone is found too.
inline constexpr char kStringIndexSql[] = "CREATE UNIQUE INDEX string_text ON string(text, length)";

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_CATALOG_SQL_H_
