#ifndef ACTKIN_SCHEMA_CATALOG_SQL_H_
#define ACTKIN_SCHEMA_CATALOG_SQL_H_

#include <cstdint>

namespace actkin {

// "actk": tells a catalog from any other SQLite database.
inline constexpr std::int32_t kCatalogApplicationId = 0x6163746B;
// The catalog's user_version. A catalog of another version is refused.
inline constexpr std::int32_t kCatalogVersion = 3;

// The statements that make what is not there of an empty catalog (catalog.sql).
extern const char kCatalogSql[];

// Made once the strings are in. A text may be that of several strings.
inline constexpr char kStringIndexSql[] =
    "CREATE INDEX string_text ON string(text, length);"
    "CREATE UNIQUE INDEX string_tokens ON string(tokens)";

}  // namespace actkin

#endif  // ACTKIN_SCHEMA_CATALOG_SQL_H_
