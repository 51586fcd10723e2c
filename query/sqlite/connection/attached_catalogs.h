#ifndef ACTKIN_QUERY_SQLITE_CONNECTION_ATTACHED_CATALOGS_H_
#define ACTKIN_QUERY_SQLITE_CONNECTION_ATTACHED_CATALOGS_H_

#include <sqlite3.h>
#include <sys/types.h>

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "query/reader/index_reader.h"
#include "query/sqlite/connection/recent_rankings.h"
#include "query/sqlite/connection/writer_gate.h"
#include "storage/catalog/sqlite.h"

namespace actkin {

// The statement was interrupted (sqlite3_interrupt, Ctrl-C).
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

// What a connection keeps of one catalog for as long as nobody changes it. For the thread that uses the connection.
struct KeptCatalog {
  std::unique_ptr<IndexReader> reader;
  RecentRankings rankings;
  // Of texts of `among` and sites, over strings one for each t_i, the last ones asked: the rows that they choose.
  std::map<std::pair<Site, std::string>, std::shared_ptr<const RowSet>> among;
  // Statements that hold a read transaction while one of their rows is read; those that nobody holds.
  std::vector<std::unique_ptr<SqliteStatement>> idle_transactions;
};

// A catalog, and a read transaction on it: all that is read while this object lives is one state of the index.
class CatalogSnapshot {
 public:
  CatalogSnapshot(std::shared_ptr<KeptCatalog> catalog, std::unique_ptr<SqliteStatement> transaction)
      : catalog_(std::move(catalog)), transaction_(std::move(transaction)) {}
  ~CatalogSnapshot();
  CatalogSnapshot(CatalogSnapshot&&) = default;
  CatalogSnapshot(const CatalogSnapshot&) = delete;
  CatalogSnapshot& operator=(const CatalogSnapshot&) = delete;

  IndexReader& reader() const { return *catalog_->reader; }
  RecentRankings& rankings() const { return catalog_->rankings; }
  KeptCatalog& kept() const { return *catalog_; }

 private:
  std::shared_ptr<KeptCatalog> catalog_;  // none in an object that was moved from
  std::unique_ptr<SqliteStatement> transaction_;
};

// The index directories of one connection: one kept catalog for each schema whose database is one, opened when first
// asked and kept until another connection changes the catalog or another file is attached under the schema's name. For
// the thread that uses the connection.
class AttachedCatalogs {
 public:
  // The host's connection outlives this object.
  explicit AttachedCatalogs(sqlite3* connection) : connection_(connection), writer_gate_(connection) {}
  AttachedCatalogs(const AttachedCatalogs&) = delete;
  AttachedCatalogs& operator=(const AttachedCatalogs&) = delete;

  // schema: "main" or the name of an attached database. Throws Error when it is not attached, lies in no file, or is no
  // catalog. Any number of snapshots at a time.
  CatalogSnapshot Open(const std::string& schema);

  WriterGate& writer_gate() { return writer_gate_; }
  // Of all searches of the connection.
  SearchCost& cost() { return cost_; }

  // Throws Interrupted where the connection was. To be called in long work, while one of its statements runs.
  void ThrowIfInterrupted();

  // Of a site, the rows that an argument `among` chooses, by string_id or position: a SELECT, run by itself on the
  // committed catalog, once for as long as nobody changes that, or a JSON array. Throws Error (usage) as NumbersAmong
  // does, and Interrupted.
  std::shared_ptr<const RowSet> RowsAmong(const CatalogSnapshot& snapshot, const Site& site, const std::string& text);

  // Catalogs hold prepared statements, which keep a connection from closing. SQLite disconnects a connection's virtual
  // tables before it closes: catalogs are kept as long as one of them is connected. Open connects one where there is
  // none.
  void TableConnected() { ++connected_tables_; }
  void TableDisconnected();

 private:
  struct Attached {
    std::string file;  // as SQLite names it; empty before the first use
    dev_t device = 0;
    ino_t inode = 0;
    unsigned data_version = 0;
    std::shared_ptr<KeptCatalog> catalog;
  };

  void ConnectTable();
  std::unique_ptr<SqliteStatement> BeginReading(Attached& attached, const std::string& schema);

  sqlite3* connection_;
  WriterGate writer_gate_;
  SearchCost cost_;
  std::map<std::string, Attached> attached_;
  std::optional<SqliteStatement> interrupt_check_;
  int connected_tables_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_CONNECTION_ATTACHED_CATALOGS_H_
