#include "tools/benchmarks/sql_measurement.h"

#include <memory>

#include "schema/error.h"
#include "storage/catalog/sqlite.h"
#include "tools/benchmarks/interleave.h"

namespace actkin {
namespace {

constexpr std::size_t kPrompts = 32;

struct Close {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};

std::unique_ptr<sqlite3, Close> Connect(const IndexDirectory& directory) {
  sqlite3* handle = nullptr;
  if (sqlite3_open_v2(directory.Catalog().c_str(), &handle, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
    Fail("{}: cannot open", directory.Catalog().string());
  }
  std::unique_ptr<sqlite3, Close> connection(handle);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  char* message = nullptr;
  if (sqlite3_load_extension(handle, ACTKIN_SQLITE_EXTENSION, nullptr, &message) != SQLITE_OK) {
    const std::string text = message == nullptr ? "cannot be loaded" : message;
    sqlite3_free(message);
    Fail("{}: {}", ACTKIN_SQLITE_EXTENSION, text);
  }
  return connection;
}

// Reads every column of every row; returns the sum of the distances.
double Ask(SqliteStatement& statement, const std::string& prompt, const Site& site, std::uint64_t k) {
  statement.Bind(prompt, std::string(Name(site.stream)), site.block, site.t_i, k);
  double sum = 0;
  while (statement.Step()) {
    static_cast<void>(statement.Integer(0));
    static_cast<void>(statement.Integer(1));
    static_cast<void>(statement.Text(2));
    sum += statement.Real(3);
  }
  return sum;
}

}  // namespace

BenchRow MeasureSql(SiteWorkload& site, const Task& task, double seconds) {
  BenchRow row;
  row.name = task.name;
  row.peer = task.peer;
  row.rows = row.site_rows = site.index_rows();
  const Queries prompts = site.InCorpus(kPrompts);

  // The library in one read transaction, as a statement is: else it would lock the catalog for every string it reads.
  const IndexDirectory& directory = site.reader().directory();
  SqliteConnection library_connection(directory.Catalog(), SqliteConnection::Mode::kRead);
  IndexReader reader(directory, library_connection.handle(), "main");
  library_connection.Execute("BEGIN");
  NeighborQuery query;
  query.stream = site.site().stream;
  query.block = site.site().block;
  query.t_i = site.site().t_i;
  query.search.k = task.name.k;
  query.search.threads = site.threads();
  const auto library = [&](std::size_t number) {
    double sum = 0;
    const auto answers = reader.FindNeighbors({reader.Encode(prompts.Prompt(number))}, query);
    for (const Neighbor& neighbor : answers.front().rows) sum += neighbor.distance;
    return sum;
  };

  const auto connection = Connect(directory);
  SqliteStatement statement(
      connection.get(), "SELECT rank, string_id, text, distance FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE k = ?5");
  const auto sql = [&](std::size_t number) { return Ask(statement, prompts.Prompt(number), site.site(), task.name.k); };

  for (std::size_t number = 0; number < 4; ++number) {
    const double a = library(number);
    const double b = sql(number);
    if (a != b) {
      row.error =
          fmt::format("the answers differ: prompt {}: distances sum to {} in SQL, {} in the library", number + 1, b, a);
      return row;
    }
  }
  const InterleavedTimes times = Interleave(
      seconds, [&](std::size_t number) { sql(number); }, [&](std::size_t number) { library(number); });
  row.ours_ms = times.ours.Median();
  row.peer_ms = times.peer.Median();
  return row;
}

}  // namespace actkin
