#ifndef ACTKIN_QUERY_SQLITE_ATTACHED_CATALOGS_H_
#define ACTKIN_QUERY_SQLITE_ATTACHED_CATALOGS_H_

#include <sqlite3.h>
#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "query/index_reader.h"
#include "query/sqlite/writer_gate.h"
#include "storage/sqlite.h"

namespace actkin {

// The index directories of one connection: a reader for each schema whose database is a catalog, opened when first
// asked and kept until another connection changes the catalog or another file is attached under the schema's name. For
// the thread that uses the connection.
class AttachedCatalogs {
 private:
  struct Attached;

 public:
  // The host's connection outlives this object.
  explicit AttachedCatalogs(sqlite3* connection) : connection_(connection), writer_gate_(connection) {}
  AttachedCatalogs(const AttachedCatalogs&) = delete;
  AttachedCatalogs& operator=(const AttachedCatalogs&) = delete;

  // A reader, and a read transaction on its catalog: all that is read while this object lives is one state of the
  // index.
  class Use {
   public:
    explicit Use(Attached& attached) : attached_(attached) {}
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    IndexReader& reader() const;

   private:
    Attached& attached_;
  };

  // schema: "main" or the name of an attached database. Throws Error when it is not attached, lies in no file, or is no
  // catalog. At most one Use at a time.
  Use Open(const std::string& schema);

  WriterGate& writer_gate() { return writer_gate_; }

  // The readers hold prepared statements, which keep a connection from closing. SQLite disconnects a connection's
  // virtual tables before it closes: the readers live as long as one of them is connected. Open connects one where
  // there is none.
  void TableConnected() { ++connected_tables_; }
  void TableDisconnected();

 private:
  struct Attached {
    std::string file;  // as SQLite names it; empty before the first use
    dev_t device = 0;
    ino_t inode = 0;
    unsigned data_version = 0;
    std::optional<SqliteStatement> read_transaction;
    std::unique_ptr<IndexReader> reader;
  };

  void ConnectTable();

  sqlite3* connection_;
  WriterGate writer_gate_;
  std::map<std::string, Attached> attached_;
  int connected_tables_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_SQLITE_ATTACHED_CATALOGS_H_
