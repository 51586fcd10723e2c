#ifndef ACTKIN_STORAGE_CATALOG_CATALOG_COLUMNS_H_
#define ACTKIN_STORAGE_CATALOG_CATALOG_COLUMNS_H_

#include <cstdint>

#include "storage/catalog/catalog.h"
#include "storage/catalog/sqlite.h"

namespace actkin {

// What columns of the current row hold, of `statement`. Throw Error where no actkin wrote that.

// Of three columns from `column` on: file, bytes, checksum.
FileRow ReadFileRow(const SqliteStatement& statement, int column);
// 0 or more.
std::uint64_t ReadCount(const SqliteStatement& statement, int column);
int ReadSmallNumber(const SqliteStatement& statement, int column);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CATALOG_COLUMNS_H_
