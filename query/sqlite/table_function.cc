#include "query/sqlite/table_function.h"

#include <cstring>
#include <exception>
#include <new>

#include "query/sqlite/sql_value.h"
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
  std::unique_ptr<TableRows> rows;
  std::size_t row = 0;
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
  } catch (const std::exception& error) {
    return Report(table, ErrorLine(error));
  }
}

int Connect(sqlite3* connection, void* data, int, const char* const*, sqlite3_vtab** table, char**) {
  const SharedRegistered& registered = *static_cast<const SharedRegistered*>(data);
  if (const int status = sqlite3_declare_vtab(connection, registered->function->declaration()); status != SQLITE_OK) {
    return status;
  }
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
  return Guard(table, [&] { return RegisteredOf(table).function->Plan(*info) ? SQLITE_OK : SQLITE_CONSTRAINT; });
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) {
  *cursor = new (std::nothrow) Cursor();
  return *cursor == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* base, int, const char* codes, int count, sqlite3_value** values) {
  auto* cursor = static_cast<Cursor*>(base);
  cursor->rows.reset();
  cursor->row = 0;
  cursor->at_end = true;
  return Guard(base->pVtab, [&] {
    const Registered& registered = RegisteredOf(base->pVtab);
    registered.catalogs->writer_gate().LookForWriter();
    cursor->rows = registered.function->Call(*registered.catalogs, codes == nullptr ? "" : codes,
                                             {values, static_cast<std::size_t>(count)});
    cursor->at_end = cursor->rows->AtEnd(0);
    return SQLITE_OK;
  });
}

int Next(sqlite3_vtab_cursor* base) {
  auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    cursor->at_end = cursor->rows->AtEnd(++cursor->row);
    return SQLITE_OK;
  });
}

int AtEnd(sqlite3_vtab_cursor* cursor) { return static_cast<Cursor*>(cursor)->at_end ? 1 : 0; }

int Column(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
  const auto* cursor = static_cast<Cursor*>(base);
  return Guard(base->pVtab, [&] {
    cursor->rows->Column(context, cursor->row, column);
    return SQLITE_OK;
  });
}

int RowId(sqlite3_vtab_cursor* cursor, sqlite3_int64* row_id) {
  *row_id = static_cast<sqlite3_int64>(static_cast<Cursor*>(cursor)->row) + 1;
  return SQLITE_OK;
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

bool TablePlan::ConsumeArguments(int first) {
  for (int i = 0; i < info_.nConstraint; ++i) {
    const auto& constraint = info_.aConstraint[i];
    if (constraint.iColumn < first || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (constraint.usable == 0) return false;
    const char code = static_cast<char>('a' + (constraint.iColumn - first));
    // A second value for the same argument is left to SQLite to compare with the first.
    if (codes_.find(code) == std::string::npos) Consume(i, code, true);
  }
  return true;
}

void TablePlan::Consume(int constraint, char code, bool omit) {
  codes_.push_back(code);
  info_.aConstraintUsage[constraint].argvIndex = static_cast<int>(codes_.size());
  info_.aConstraintUsage[constraint].omit = omit ? 1 : 0;
}

void TablePlan::Finish(double cost, sqlite3_int64 rows) {
  info_.idxStr = sqlite3_mprintf("%s", codes_.c_str());
  if (info_.idxStr == nullptr) throw std::bad_alloc();
  info_.needToFreeIdxStr = 1;
  info_.estimatedCost = cost;
  info_.estimatedRows = rows;
}

bool RankedRowsComeInOrder(const sqlite3_index_info& info, int rank_column, int probability_column) {
  if (info.nOrderBy == 0) return false;
  const bool descending = info.aOrderBy[0].desc != 0;
  if (info.aOrderBy[0].iColumn == rank_column) return !descending;
  return info.aOrderBy[0].iColumn == probability_column && descending && info.nOrderBy == 1;
}

TableArguments::TableArguments(std::span<const char* const> names, std::string_view codes,
                               std::span<sqlite3_value* const> values)
    : names_(names), values_(names.size(), nullptr) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const int argument = codes[i] - 'a';
    if (argument >= 0 && argument < static_cast<int>(names.size())) {
      values_[static_cast<std::size_t>(argument)] = values[i];
    }
  }
}

std::string TableArguments::Text(int argument, std::string_view missing) const {
  return Has(argument) ? TextValue(Value(argument), Name(argument)) : std::string(missing);
}

int RegisterTableFunction(sqlite3* connection, const char* name, std::unique_ptr<const TableFunction> function,
                          std::shared_ptr<AttachedCatalogs> catalogs) {
  auto* registered =
      new SharedRegistered(std::make_shared<const Registered>(Registered{std::move(function), std::move(catalogs)}));
  // SQLite calls the destructor, also when it fails.
  return sqlite3_create_module_v2(connection, name, &kModule, registered,
                                  [](void* data) { delete static_cast<SharedRegistered*>(data); });
}

}  // namespace actkin
