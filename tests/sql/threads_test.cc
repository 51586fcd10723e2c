// Threads, each with a connection of its own, load the extension and ask at once: each gets the answer that one alone
// gets. The thread sanitizer looks on where the build has it.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::array kStatements{
    "SELECT rank, text, distance FROM actkin_neighbors('abba c', 'ffwd', 1, 5) WHERE k = 20",
    "SELECT rank, text FROM actkin_neighbors('abba c', 'proj', 0, 5) ORDER BY distance LIMIT 30",
    "SELECT text, distance FROM actkin_neighbors('abba c', 'embedding') WHERE metric = 'cosine' AND k = 10",
    "SELECT s.text, b.text FROM (SELECT text FROM string WHERE length = 6 LIMIT 5) AS s, "
    "actkin_neighbors(s.text, 'ffwd', 1, 5) AS b WHERE b.k = 2",
    "SELECT token, probability FROM actkin_model('abba c')",
    "SELECT token, probability FROM actkin_predict('abba c')",
    "SELECT count(*) FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5)",
    "SELECT hex(actkin_vector(string_id, 'ffwd', 1)) FROM string WHERE length = 6 LIMIT 3"};

class Connection {
 public:
  Connection() {
    const std::string catalog = std::string(std::getenv("ACTKIN_SQL_FOLDER")) + "/made.actkin/catalog.db";
    EXPECT_EQ(sqlite3_open_v2(catalog.c_str(), &connection_, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
    EXPECT_EQ(sqlite3_load_extension(connection_, std::getenv("ACTKIN_EXTENSION"), nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(connection_);
  }
  ~Connection() { EXPECT_EQ(sqlite3_close(connection_), SQLITE_OK); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Every statement's rows, from the one with this number on.
  std::array<std::string, kStatements.size()> Ask(std::size_t first) {
    std::array<std::string, kStatements.size()> answers;
    for (std::size_t i = 0; i < kStatements.size(); ++i) {
      const std::size_t number = (first + i) % kStatements.size();
      answers[number] = Rows(kStatements[number]);
    }
    return answers;
  }

 private:
  std::string Rows(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(connection_, sql, -1, &statement, nullptr), SQLITE_OK) << sqlite3_errmsg(connection_);
    std::string rows;
    int status = sqlite3_step(statement);
    for (; status == SQLITE_ROW; status = sqlite3_step(statement)) {
      for (int column = 0; column < sqlite3_column_count(statement); ++column) {
        rows += reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
        rows += column + 1 < sqlite3_column_count(statement) ? '|' : '\n';
      }
    }
    EXPECT_EQ(status, SQLITE_DONE) << sqlite3_errmsg(connection_);
    sqlite3_finalize(statement);
    return rows;
  }

  sqlite3* connection_ = nullptr;
};

TEST(SqlThreadsTest, EachGetsTheAnswerThatOneAloneGets) {
  constexpr std::size_t kThreads = 4;
  constexpr int kTimes = 3;
  const auto expected = Connection().Ask(0);
  for (const std::string& rows : expected) EXPECT_FALSE(rows.empty());
  std::vector<std::jthread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int time = 0; time < kTimes; ++time) EXPECT_EQ(Connection().Ask(2 * thread), expected);
    });
  }
}

}  // namespace
