#include "query/sqlite/connection/attached_catalogs.h"

#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

CatalogSnapshot::~CatalogSnapshot() {
  if (!catalog_) return;
  transaction_->Reset();
  catalog_->idle_transactions.push_back(std::move(transaction_));
}

void AttachedCatalogs::TableDisconnected() {
  if (--connected_tables_ > 0) return;
  attached_.clear();
  interrupt_check_.reset();
}

void AttachedCatalogs::ConnectTable() { SqliteStatement(connection_, "SELECT rank FROM actkin_model"); }

void AttachedCatalogs::ThrowIfInterrupted() {
  // sqlite3_is_interrupted is newer than the oldest SQLite that this runs in; a statement looks at the same flag.
  if (!interrupt_check_) interrupt_check_.emplace(connection_, "SELECT 1");
  if (!interrupt_check_->StepUnlessInterrupted()) throw Interrupted();
}

std::shared_ptr<const RowSet> AttachedCatalogs::RowsAmong(const CatalogSnapshot& snapshot, const Site& site,
                                                          const std::string& text) {
  constexpr std::size_t kMostKept = 16;
  auto& kept = snapshot.kept().among;
  const std::pair key(site.over_positions() ? site : Site{.t_i = site.t_i}, text);
  if (const auto found = kept.find(key); found != kept.end()) return found->second;
  // What is thrown must not pass through SQLite.
  const auto proceed = [this] {
    try {
      ThrowIfInterrupted();
      return true;
    } catch (...) {
      return false;
    }
  };
  std::shared_ptr<const RowSet> rows;
  try {
    rows = std::make_shared<const RowSet>(snapshot.reader().RowsAmong(site, text, proceed));
  } catch (const Error&) {
    ThrowIfInterrupted();
    throw;
  }
  if (kept.size() >= kMostKept) kept.clear();
  kept.emplace(key, rows);
  return rows;
}

std::unique_ptr<SqliteStatement> AttachedCatalogs::BeginReading(Attached& attached, const std::string& schema) {
  std::unique_ptr<SqliteStatement> transaction;
  std::vector<std::unique_ptr<SqliteStatement>>& idle = attached.catalog->idle_transactions;
  if (idle.empty()) {
    transaction =
        std::make_unique<SqliteStatement>(connection_, fmt::format("SELECT 1 FROM \"{}\".sqlite_schema", schema));
  } else {
    transaction = std::move(idle.back());
    idle.pop_back();
  }
  transaction->Step();
  return transaction;
}

CatalogSnapshot AttachedCatalogs::Open(const std::string& schema) {
  if (connected_tables_ == 0) ConnectTable();
  const char* filename = sqlite3_db_filename(connection_, schema.c_str());
  if (filename == nullptr || schema.find_first_of(std::string_view("\"\0", 2)) != std::string::npos) {
    attached_.erase(schema);
    FailUsage(ErrorCode::kNotFound,
              "catalog {}: no such database on this connection: ATTACH an index's catalog.db under that name",
              Quote(schema));
  }
  if (*filename == '\0') {
    attached_.erase(schema);
    FailUsage(
        "catalog {}: this database is in no file: open an index's catalog.db, or ATTACH it and name it as catalog",
        Quote(schema));
  }

  Attached& attached = attached_[schema];
  try {
    struct stat status {};
    const bool there = stat(filename, &status) == 0;
    if (attached.file != filename || !there || attached.device != status.st_dev || attached.inode != status.st_ino) {
      attached = Attached{filename, status.st_dev, status.st_ino, 0, std::make_shared<KeptCatalog>()};
    }
    std::unique_ptr<SqliteStatement> transaction = BeginReading(attached, schema);
    unsigned data_version = 0;
    sqlite3_file_control(connection_, schema.c_str(), SQLITE_FCNTL_DATA_VERSION, &data_version);
    if (attached.catalog->reader && attached.data_version != data_version) {
      // Who reads the state before keeps it.
      attached.catalog = std::make_shared<KeptCatalog>();
    }
    if (!attached.catalog->reader) {
      const IndexDirectory directory(std::filesystem::path(attached.file).parent_path());
      attached.catalog->reader = std::make_unique<IndexReader>(directory, connection_, schema);
      attached.data_version = data_version;
    }
    return {attached.catalog, std::move(transaction)};
  } catch (...) {
    attached_.erase(schema);
    throw;
  }
}

}  // namespace actkin
