// The extension's entry point.
#include <sqlite3.h>

#include <exception>
#include <memory>

#include "query/sqlite/api_shim.h"
#include "query/sqlite/attached_catalogs.h"
#include "query/sqlite/model_table.h"
#include "query/sqlite/neighbors_table.h"
#include "query/sqlite/predict_table.h"
#include "query/sqlite/saved_neighbors_table.h"
#include "query/sqlite/scalar_functions.h"

namespace actkin {
namespace {

// The first version tested; LIMIT reaches a virtual table, and sqlite3_vtab_rhs_value exists, from 3.38 on.
constexpr int kOldestSqlite = 3'040'000;

int Register(sqlite3* connection) {
  const auto catalogs = std::make_shared<AttachedCatalogs>(connection);
  int status = RegisterTableFunction(connection, "actkin_neighbors", MakeNeighborsTable(), catalogs);
  if (status == SQLITE_OK) {
    status = RegisterTableFunction(connection, "actkin_neighbors_of", MakeNeighborsOfTable(), catalogs);
  }
  if (status == SQLITE_OK) status = RegisterTableFunction(connection, "actkin_model", MakeModelTable(), catalogs);
  if (status == SQLITE_OK) status = RegisterTableFunction(connection, "actkin_predict", MakePredictTable(), catalogs);
  if (status == SQLITE_OK) {
    status = RegisterTableFunction(connection, "actkin_saved_neighbors", MakeSavedNeighborsTable(), catalogs);
  }
  if (status == SQLITE_OK) status = RegisterScalarFunctions(connection, catalogs);
  return status;
}

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) int sqlite3_actkin_init(sqlite3* connection, char** error,
                                                                          const sqlite3_api_routines* api) {
  ActkinUseSqliteApi(api);
  if (sqlite3_libversion_number() < actkin::kOldestSqlite) {
    *error = sqlite3_mprintf("actkin needs SQLite 3.40 or newer, this is %s", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  try {
    return actkin::Register(connection);
  } catch (const std::exception& exception) {
    *error = sqlite3_mprintf("actkin: %s", exception.what());
    return SQLITE_ERROR;
  }
}
