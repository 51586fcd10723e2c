// The SQLite extensions, each in a database in memory.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "schema/error.h"
#include "storage/catalog/sqlite.h"
#include "tools/benchmarks/peers/peer.h"

namespace actkin {
namespace {

struct Close {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
using Connection = std::unique_ptr<sqlite3, Close>;

Connection OpenInMemory() {
  sqlite3* handle = nullptr;
  if (sqlite3_open_v2(":memory:", &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr) != SQLITE_OK) {
    Fail("cannot open a database in memory");
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  return Connection(handle);
}

void LoadExtension(sqlite3* connection, const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    Fail("{} is missing: 'tools/bench' installs it where npm is installed", path.string());
  }
  char* message = nullptr;
  if (sqlite3_load_extension(connection, path.c_str(), nullptr, &message) != SQLITE_OK) {
    const std::string text = message == nullptr ? "cannot be loaded" : message;
    sqlite3_free(message);
    Fail("{}", text);
  }
}

void Execute(sqlite3* connection, const std::string& sql) {
  char* message = nullptr;
  if (sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, &message) != SQLITE_OK) {
    const std::string text = message == nullptr ? "failed" : message;
    sqlite3_free(message);
    Fail("{}: {}", sql, text);
  }
}

// A statement whose parameters are ?1: a vector, ?2: a number.
class VectorStatement {
 public:
  VectorStatement(sqlite3* connection, const std::string& sql) : connection_(connection) {
    Check(sqlite3_prepare_v2(connection, sql.c_str(), -1, &statement_, nullptr));
  }
  ~VectorStatement() { sqlite3_finalize(statement_); }
  VectorStatement(const VectorStatement&) = delete;
  VectorStatement& operator=(const VectorStatement&) = delete;

  // `each` is called for every row of the answer.
  void Run(const float* vector, std::size_t dimension, std::int64_t number,
           const std::function<void(sqlite3_stmt*)>& each = {}) {
    sqlite3_reset(statement_);
    Check(sqlite3_bind_blob64(statement_, 1, vector, dimension * sizeof(float), SQLITE_STATIC));
    Check(sqlite3_bind_int64(statement_, 2, number));
    int status = 0;
    while ((status = sqlite3_step(statement_)) == SQLITE_ROW) {
      if (each) each(statement_);
    }
    if (status != SQLITE_DONE) Check(status);
    sqlite3_reset(statement_);
  }

 private:
  void Check(int status) const {
    if (status != SQLITE_OK) Fail("{}", sqlite3_errmsg(connection_));
  }

  sqlite3* connection_;
  sqlite3_stmt* statement_ = nullptr;
};

// Each row's id is its number plus one: neither extension has a row 0.
class SqlitePeer : public Peer {
 public:
  void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) override {
    for (std::size_t query = 0; query < count; ++query) {
      std::size_t found = 0;
      search_->Run(queries + query * dimension_, dimension_, static_cast<std::int64_t>(k), [&](sqlite3_stmt* row) {
        if (found == k) Fail("more rows than asked for");
        rows[query * k + found] = sqlite3_column_int64(row, 0) - 1;
        const double distance = sqlite3_column_double(row, 1);
        distances[query * k + found] = static_cast<float>(squared_ ? std::sqrt(distance) : distance);
        ++found;
      });
      if (found != k) Fail("{} rows instead of {}", found, k);
    }
  }

 protected:
  SqlitePeer(const PeerRows& rows, bool squared)
      : dimension_(rows.dimension), connection_(OpenInMemory()), squared_(squared) {}

  // In transactions of so many rows.
  void Insert(const PeerRows& rows, const std::string& sql, std::uint64_t rows_of_transaction) {
    VectorStatement insert(connection_.get(), sql);
    for (std::uint64_t first = 0; first < rows.count; first += rows_of_transaction) {
      Execute(connection_.get(), "BEGIN");
      for (std::uint64_t row = first; row < std::min(rows.count, first + rows_of_transaction); ++row) {
        insert.Run(rows.values + row * dimension_, dimension_, static_cast<std::int64_t>(row) + 1);
      }
      Execute(connection_.get(), "COMMIT");
    }
  }

  std::size_t dimension_;
  Connection connection_;
  bool squared_;
  std::unique_ptr<VectorStatement> search_;
};

class SqliteVec : public SqlitePeer {
 public:
  explicit SqliteVec(const PeerRows& rows) : SqlitePeer(rows, /*squared=*/false) {
    LoadExtension(connection_.get(), std::filesystem::path(rows.extensions) / "sqlite-vec-linux-x64/vec0.so");
    Execute(connection_.get(), fmt::format("CREATE VIRTUAL TABLE site USING vec0(vector float[{}])", dimension_));
    Insert(rows, "INSERT INTO site(vector, rowid) VALUES (?1, ?2)", rows.count);
    search_ = std::make_unique<VectorStatement>(
        connection_.get(), "SELECT rowid, distance FROM site WHERE vector MATCH ?1 AND k = ?2 ORDER BY distance");
  }
};

// It keeps its whole FAISS index as one BLOB, which SQLite limits to 1 GB and every commit writes anew; within a
// transaction every row copies the transaction's rows so far. Transactions of sqrt(3 * rows) make the two equal.
class SqliteVss : public SqlitePeer {
 public:
  explicit SqliteVss(const PeerRows& rows) : SqlitePeer(rows, /*squared=*/true) {
    const std::filesystem::path folder = std::filesystem::path(rows.extensions) / "sqlite-vss-linux-x64/lib";
    LoadExtension(connection_.get(), folder / "vector0.so");
    LoadExtension(connection_.get(), folder / "vss0.so");
    Execute(connection_.get(), fmt::format("CREATE VIRTUAL TABLE site USING vss0(vector({}))", dimension_));
    Insert(rows, "INSERT INTO site(vector, rowid) VALUES (vector_from_raw(?1), ?2)",
           static_cast<std::uint64_t>(std::sqrt(3.0 * static_cast<double>(rows.count))) + 1);
    search_ = std::make_unique<VectorStatement>(
        connection_.get(),
        "SELECT rowid, distance FROM site WHERE vss_search(vector, vss_search_params(vector_from_raw(?1), ?2))");
  }
};

template <typename Kind>
std::unique_ptr<Peer> Load(const PeerRows& rows) {
  return std::make_unique<Kind>(rows);
}

constexpr PeerKind kKinds[] = {
    {"sqlite-vec", "the SQLite extension's vec0 table, database in memory; one thread", PeerTakes::kVectors, true, 1e-6,
     0, Load<SqliteVec>},
    {"sqlite-vss", "the SQLite extension's vss0 table (FAISS inside), database in memory; one thread",
     PeerTakes::kVectors, true, 4e-6, 250'000'000, Load<SqliteVss>},
};

}  // namespace

PeerModule SqlitePeers() { return {kKinds, std::size(kKinds)}; }

}  // namespace actkin
