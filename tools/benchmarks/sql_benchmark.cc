// What SQL costs over the library: the same prompts asked through IndexReader and through the loaded extension.
//   sql_benchmark INDEX.actkin [STREAM BLOCK T_I [REPETITIONS]]
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "query/index_reader.h"
#include "schema/error.h"

namespace actkin {
namespace {

double Seconds(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  return seconds[seconds.size() / 2];
}

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
  char* error = nullptr;
  if (sqlite3_load_extension(handle, ACTKIN_SQLITE_EXTENSION, nullptr, &error) != SQLITE_OK) Fail("{}", error);
  return connection;
}

// Reads every column of every row; returns the sum of the distances.
double Ask(SqliteStatement& statement, const std::string& prompt, const Site& site) {
  statement.Bind(prompt, std::string(Name(site.stream)), site.block, site.t_i);
  double sum = 0;
  while (statement.Step()) {
    static_cast<void>(statement.Integer(0));
    static_cast<void>(statement.Integer(1));
    static_cast<void>(statement.Text(2));
    sum += statement.Real(3);
  }
  return sum;
}

void Run(int argc, char** argv) {
  if (argc != 2 && argc != 5 && argc != 6) FailUsage("sql_benchmark INDEX.actkin [STREAM BLOCK T_I [REPETITIONS]]");
  const IndexDirectory directory{argv[1]};
  // In one read transaction, as a statement is: the library locks the catalog for every string that it reads otherwise.
  SqliteConnection library_connection(directory.Catalog(), SqliteConnection::Mode::kRead);
  IndexReader reader(directory, library_connection.handle(), "main");
  library_connection.Execute("BEGIN");
  Site site;
  if (argc > 4) {
    site = {ParseStream(argv[2]), std::atoi(argv[3]), std::atoi(argv[4])};
  } else {
    site = reader.ResolveSite({}, static_cast<std::size_t>(reader.string_length()));
  }
  const int repetitions = argc > 5 ? std::atoi(argv[5]) : 5;

  // Strings of the longest length, evenly over the corpus.
  std::vector<std::string> prompts;
  const LengthRow length = reader.catalog().Lengths().back();
  for (std::uint64_t i = 0; i < 20; ++i) {
    prompts.push_back(reader.catalog().String(length.first_string_id + i * (length.row_count / 20)).text);
  }
  NeighborQuery query;
  query.stream = site.stream;
  query.block = site.block;
  query.t_i = site.t_i;

  const double cold = Seconds([&] {
    const auto connection = Connect(directory);
    SqliteStatement statement(connection.get(),
                              "SELECT rank, string_id, text, distance FROM actkin_neighbors(?1, ?2, ?3, ?4)");
    Ask(statement, prompts[0], site);
  });

  const auto connection = Connect(directory);
  SqliteStatement statement(
      connection.get(), "SELECT rank, string_id, text, distance FROM actkin_neighbors(?1, ?2, ?3, ?4) WHERE k = 10");
  std::vector<double> library;
  std::vector<double> sql;
  for (int repetition = -1; repetition < repetitions; ++repetition) {
    for (const std::string& prompt : prompts) {
      double library_sum = 0;
      double sql_sum = 0;
      const double a = Seconds([&] {
        const std::vector<Neighbors> answer = reader.FindNeighbors({reader.Encode(prompt)}, query);
        for (const Neighbor& row : answer[0].rows) library_sum += row.distance;
      });
      const double b = Seconds([&] { sql_sum = Ask(statement, prompt, site); });
      if (library_sum != sql_sum) Fail("the answers differ: {} {}", library_sum, sql_sum);
      if (repetition < 0) continue;  // the first round opens files and fills caches
      library.push_back(a);
      sql.push_back(b);
    }
  }
  fmt::print("{}, {} rows, {} prompts, {} repetitions, k 10, medians\n", Describe(site),
             reader.OpenIndex(site)->row_count(), prompts.size(), repetitions);
  fmt::print("library        {:10.1f} us\n", 1e6 * Median(library));
  fmt::print("SQL            {:10.1f} us  {:+.1f} %\n", 1e6 * Median(sql), 100 * (Median(sql) / Median(library) - 1));
  fmt::print("connection, load and first answer {:.1f} ms\n", 1e3 * cold);
}

}  // namespace
}  // namespace actkin

int main(int argc, char** argv) {
  try {
    actkin::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sql_benchmark: %s\n", error.what());
    return 1;
  }
  return 0;
}
