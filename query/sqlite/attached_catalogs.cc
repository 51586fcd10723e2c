#include "query/sqlite/attached_catalogs.h"

#include <sys/stat.h>

#include <filesystem>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/index_directory.h"

namespace actkin {

AttachedCatalogs::Use::~Use() { attached_.read_transaction->Reset(); }

IndexReader& AttachedCatalogs::Use::reader() const { return *attached_.reader; }

void AttachedCatalogs::TableDisconnected() {
  if (--connected_tables_ == 0) attached_.clear();
}

void AttachedCatalogs::ConnectTable() { SqliteStatement(connection_, "SELECT rank FROM actkin_model"); }

AttachedCatalogs::Use AttachedCatalogs::Open(const std::string& schema) {
  if (connected_tables_ == 0) ConnectTable();
  const char* filename = sqlite3_db_filename(connection_, schema.c_str());
  if (filename == nullptr || schema.find_first_of(std::string_view("\"\0", 2)) != std::string::npos) {
    attached_.erase(schema);
    FailUsage("catalog {}: no such database on this connection: ATTACH an index's catalog.db under that name",
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
      attached = Attached{};
      attached.file = filename;
      attached.device = status.st_dev;
      attached.inode = status.st_ino;
      attached.read_transaction.emplace(connection_, fmt::format("SELECT 1 FROM \"{}\".sqlite_schema", schema));
    }
    attached.read_transaction->Reset();
    attached.read_transaction->Step();
    unsigned data_version = 0;
    sqlite3_file_control(connection_, schema.c_str(), SQLITE_FCNTL_DATA_VERSION, &data_version);
    if (attached.data_version != data_version) attached.reader.reset();
    if (!attached.reader) {
      const IndexDirectory directory(std::filesystem::path(attached.file).parent_path());
      attached.reader = std::make_unique<IndexReader>(directory, connection_, schema);
      attached.data_version = data_version;
    }
    return Use(attached);
  } catch (...) {
    attached_.erase(schema);
    throw;
  }
}

}  // namespace actkin
