#ifndef ACTKIN_STORAGE_CATALOG_CATALOG_MIGRATION_H_
#define ACTKIN_STORAGE_CATALOG_CATALOG_MIGRATION_H_

#include "storage/catalog/sqlite.h"

namespace actkin {

// Gives a catalog that an earlier actkin wrote the tables and columns of catalog.sql, its checksums and its version, in
// one transaction; one that has them is left as it is. Throws Error naming the file and the column when a table is
// neither of catalog.sql's shape nor of one that is known here: then nothing has changed. REQUIRES: no transaction is
// open, foreign keys are not enforced yet.
void MigrateCatalog(SqliteConnection& connection);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CATALOG_MIGRATION_H_
