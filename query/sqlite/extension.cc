// The extension's entry point.
#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "query/sqlite/connection/attached_catalogs.h"
#include "query/sqlite/host_sqlite.h"
#include "query/sqlite/relations/corpus_tokens_table.h"
#include "query/sqlite/relations/model_table.h"
#include "query/sqlite/relations/neighbors_table.h"
#include "query/sqlite/relations/next_tokens_table.h"
#include "query/sqlite/relations/predict_table.h"
#include "query/sqlite/relations/saved_neighbors_table.h"
#include "query/sqlite/scalar_functions.h"
#include "storage/catalog/sqlite.h"

SQLITE_EXTENSION_INIT1

namespace actkin {
namespace {

// The first version tested; LIMIT reaches a virtual table, and sqlite3_vtab_rhs_value exists, from 3.38 on.
constexpr int kOldestSqlite = 3'040'000;

int Register(sqlite3* connection) {
  const auto catalogs = std::make_shared<AttachedCatalogs>(connection);
  int status = RegisterTableFunction(connection, MakeNeighborsTable(), catalogs);
  if (status == SQLITE_OK) {
    status = RegisterTableFunction(connection, MakeNeighborsOfTable(), catalogs);
  }
  if (status == SQLITE_OK) status = RegisterTableFunction(connection, MakeModelTable(), catalogs);
  if (status == SQLITE_OK) status = RegisterTableFunction(connection, MakePredictTable(), catalogs);
  if (status == SQLITE_OK) {
    status = RegisterTableFunction(connection, MakeSavedNeighborsTable(), catalogs);
  }
  if (status == SQLITE_OK) status = RegisterTableFunction(connection, MakeNextTokensTable(), catalogs);
  if (status == SQLITE_OK) status = RegisterTableFunction(connection, MakeCorpusTokensTable(), catalogs);
  if (status == SQLITE_OK) status = RegisterScalarFunctions(connection, catalogs);
  return status;
}

// The version that the connection has already; empty where it has none. No statement fails meanwhile: where an
// extension is loaded into every connection, one that leaves an error code behind is taken to have failed.
std::string LoadedVersion(sqlite3* connection) try {
  SqliteStatement known(connection, "SELECT 1 FROM pragma_function_list WHERE name = 'actkin_version'");
  if (!known.Step()) return "";
  SqliteStatement version(connection, "SELECT actkin_version()");
  return version.Step() ? version.Text(0) : "";
} catch (const Error&) {
  return "";  // a database that cannot be read: whoever asks it is told
}

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) int sqlite3_actkin_init(sqlite3* connection, char** error,
                                                                          const sqlite3_api_routines* api) {
  {
    // Threads load at the same time, each for its connection: only the first may write the table of functions, which
    // the others read already.
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    if (sqlite3_api != api) SQLITE_EXTENSION_INIT2(api);
  }
  if (sqlite3_libversion_number() < actkin::kOldestSqlite) {
    *error = sqlite3_mprintf("actkin needs SQLite 3.40 or newer, this is %s", sqlite3_libversion());
    return SQLITE_ERROR;
  }
  try {
    // Functions cannot be replaced while a statement runs, nor need be: pools of connections load again.
    const std::string loaded = actkin::LoadedVersion(connection);
    if (loaded == ACTKIN_VERSION) return SQLITE_OK;
    if (!loaded.empty()) {
      *error = sqlite3_mprintf("actkin: this connection has version %s, this is %s", loaded.c_str(), ACTKIN_VERSION);
      return SQLITE_ERROR;
    }
    const int status = actkin::Register(connection);
    if (status != SQLITE_OK) *error = sqlite3_mprintf("actkin: %s", sqlite3_errmsg(connection));
    return status;
  } catch (const std::exception& exception) {
    *error = sqlite3_mprintf("actkin: %s", exception.what());
    return SQLITE_ERROR;
  }
}
