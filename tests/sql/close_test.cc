// A connection that used the extension closes with sqlite3_close: nothing of the extension stays open.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <string>

namespace {

class SqlCloseTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string catalog = std::string(std::getenv("ACTKIN_SQL_FOLDER")) + "/made.actkin/catalog.db";
    ASSERT_EQ(sqlite3_open_v2(catalog.c_str(), &connection_, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
    char* error = nullptr;
    ASSERT_EQ(sqlite3_load_extension(connection_, std::getenv("ACTKIN_EXTENSION"), nullptr, &error), SQLITE_OK)
        << error;
    // A code that is left behind would fail the opening of a connection that loads it by sqlite3_auto_extension.
    EXPECT_EQ(sqlite3_errcode(connection_), SQLITE_OK);
  }

  // Leaves the statement at its first row.
  sqlite3_stmt* FirstRow() {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(connection_, GetParam(), -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(connection_);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW) << sqlite3_errmsg(connection_);
    return statement;
  }

  sqlite3* connection_ = nullptr;
};

TEST_P(SqlCloseTest, AfterAStatement) {
  EXPECT_EQ(sqlite3_finalize(FirstRow()), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(connection_), SQLITE_OK);
}

TEST_P(SqlCloseTest, AnOpenStatementIsTheOnlyThingInTheWay) {
  sqlite3_stmt* statement = FirstRow();
  EXPECT_EQ(sqlite3_close(connection_), SQLITE_BUSY);
  EXPECT_NE(sqlite3_step(statement), SQLITE_ERROR) << sqlite3_errmsg(connection_);
  EXPECT_EQ(sqlite3_finalize(statement), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(connection_), SQLITE_OK);
}

TEST_P(SqlCloseTest, AnOpenStatementOutlivesCloseV2) {
  sqlite3_stmt* statement = FirstRow();
  EXPECT_EQ(sqlite3_close_v2(connection_), SQLITE_OK);
  EXPECT_EQ(sqlite3_finalize(statement), SQLITE_OK);
}

INSTANTIATE_TEST_SUITE_P(Statements, SqlCloseTest,
                         testing::Values("SELECT text FROM actkin_neighbors('abba c', 'ffwd', 1, 5)",
                                         "SELECT token FROM actkin_model('abba c')",
                                         "SELECT token FROM actkin_predict('abba c')",
                                         "SELECT rank FROM actkin_saved_neighbors('sample-20-seed-1337', 'ffwd', 1, 5)",
                                         "SELECT actkin_vector(string_id, 'ffwd', 1) FROM string",
                                         "SELECT b.text FROM (SELECT actkin_vector(400, 'ffwd', 1) AS v) AS s, "
                                         "actkin_neighbors_of(s.v, 'ffwd', 1, 5) AS b",
                                         "SELECT actkin_version() FROM string"));

}  // namespace
