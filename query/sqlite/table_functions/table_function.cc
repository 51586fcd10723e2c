#include "query/sqlite/table_functions/table_function.h"

#include <xxhash.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "query/sqlite/table_functions/sql_value.h"
#include "schema/error.h"

namespace actkin {
namespace {

// What a module of a connection is registered with.
struct Registered {
  std::unique_ptr<const TableFunction> function;
  std::shared_ptr<AttachedCatalogs> catalogs;
};

using SharedRegistered = std::shared_ptr<const Registered>;

// SQLite knows the base class alone. It may destroy the module's data before it disconnects the module's last table.
struct VirtualTable : sqlite3_vtab {
  SharedRegistered registered;
};

struct Cursor : sqlite3_vtab_cursor {
  std::unique_ptr<TableCall> call;
  std::unique_ptr<TableRows> rows;
  std::uint64_t call_hash = 0;
  bool at_end = true;
};

const Registered& RegisteredOf(sqlite3_vtab* table) { return *static_cast<VirtualTable*>(table)->registered; }

int Report(sqlite3_vtab* table, const std::string& line) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", line.c_str());
  return SQLITE_ERROR;
}

// Runs `action`; its exception becomes the statement's error.
template <typename Action>
int Guard(sqlite3_vtab* table, const Action& action) {
  try {
    return action();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (const Interrupted&) {
    return SQLITE_INTERRUPT;
  } catch (const std::exception& error) {
    return Report(table, ErrorLine(error));
  }
}

int Connect(sqlite3* connection, void* data, int, const char* const*, sqlite3_vtab** table, char**) {
  const SharedRegistered& registered = *static_cast<const SharedRegistered*>(data);
  const std::string declaration = registered->function->specification().Declaration();
  if (const int status = sqlite3_declare_vtab(connection, declaration.c_str()); status != SQLITE_OK) return status;
  // It reads the files of the catalog that it is asked of, and nothing else: views and triggers may ask it, whoever
  // made them.
  sqlite3_vtab_config(connection, SQLITE_VTAB_INNOCUOUS);
  auto* connected = new (std::nothrow) VirtualTable();
  if (connected == nullptr) return SQLITE_NOMEM;
  connected->registered = registered;
  registered->catalogs->TableConnected();
  *table = connected;
  return SQLITE_OK;
}

int Disconnect(sqlite3_vtab* table) {
  RegisteredOf(table).catalogs->TableDisconnected();
  delete static_cast<VirtualTable*>(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab* table, sqlite3_index_info* info) {
  return Guard(table, [&] {
    const TableFunction& function = *RegisteredOf(table).function;
    TablePlan plan(function.specification(), *info);
    function.Plan(plan);
    return SQLITE_OK;
  });
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) {
  *cursor = new (std::nothrow) Cursor();
  return *cursor == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* base, int, const char* plan, int count, sqlite3_value** values) {
  auto* cursor = static_cast<Cursor*>(base);
  cursor->rows.reset();
  cursor->at_end = true;
  return Guard(base->pVtab, [&] {
    const Registered& registered = RegisteredOf(base->pVtab);
    const TableFunction& function = *registered.function;
    cursor->call =
        std::make_unique<TableCall>(function.specification(), plan == nullptr ? "" : plan,
                                    std::span<sqlite3_value* const>(values, static_cast<std::size_t>(count)));
    if (cursor->call->HasNoRows()) return SQLITE_OK;
    registered.catalogs->writer_gate().LookForWriter();
    cursor->rows = function.Call(*registered.catalogs, *cursor->call);
    cursor->call->RequireReadable();
    const std::string key = cursor->call->Key();
    cursor->call_hash = XXH3_64bits(key.data(), key.size());
    cursor->at_end = !cursor->rows->Next();
    return SQLITE_OK;
  });
}

int Next(sqlite3_vtab_cursor* base) {
  auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    cursor->at_end = !cursor->rows->Next();
    return SQLITE_OK;
  });
}

int AtEnd(sqlite3_vtab_cursor* cursor) { return static_cast<Cursor*>(cursor)->at_end ? 1 : 0; }

int Column(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
  const auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    const int argument = column - RegisteredOf(base->pVtab).function->specification().first_argument();
    if (argument >= 0) {
      cursor->call->Return(context, argument);
    } else {
      cursor->rows->Column(context, column);
    }
    return SQLITE_OK;
  });
}

// Where SQLite plans an OR as several calls, it keeps each rowid once: rows are the same only where arguments and row
// are.
int RowId(sqlite3_vtab_cursor* base, sqlite3_int64* row_id) {
  const auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    const std::uint64_t row = cursor->rows->Identity();
    *row_id = static_cast<sqlite3_int64>(XXH3_64bits_withSeed(&row, sizeof(row), cursor->call_hash));
    return SQLITE_OK;
  });
}

// Without xCreate the table exists under the function's name alone.
constexpr sqlite3_module MakeModule() {
  sqlite3_module module{};
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = AtEnd;
  module.xColumn = Column;
  module.xRowid = RowId;
  return module;
}

constexpr sqlite3_module kModule = MakeModule();

}  // namespace

int RegisterTableFunction(sqlite3* connection, std::unique_ptr<const TableFunction> function,
                          std::shared_ptr<AttachedCatalogs> catalogs) {
  const char* name = function->specification().name;
  auto* registered =
      new SharedRegistered(std::make_shared<const Registered>(Registered{std::move(function), std::move(catalogs)}));
  // SQLite calls the destructor, also when it fails.
  return sqlite3_create_module_v2(connection, name, &kModule, registered,
                                  [](void* data) { delete static_cast<SharedRegistered*>(data); });
}

}  // namespace actkin
