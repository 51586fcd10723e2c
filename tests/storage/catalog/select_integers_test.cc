#include "storage/catalog/select_integers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/catalog/sqlite.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SelectIntegersTest : public testing::Test {
 protected:
  SelectIntegersTest() {
    SqliteConnection maker(path_, SqliteConnection::Mode::kCreate);
    maker.Execute("CREATE TABLE t(a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, NULL)");
  }

  std::vector<std::int64_t> Select(const std::string& sql) {
    SqliteConnection connection(path_, SqliteConnection::Mode::kWrite);
    return SelectIntegers(connection.handle(), sql, "among");
  }
  std::string Error(const std::string& sql) {
    return ErrorOf([&] { Select(sql); });
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "some.db";
};

TEST_F(SelectIntegersTest, YieldsWhatTheTextYields) {
  EXPECT_THAT(Select("SELECT a FROM t WHERE b IS NOT NULL ORDER BY a DESC"), ElementsAre(2, 1));
  EXPECT_THAT(Select("VALUES (7), (-7), (7);  -- done\n"), ElementsAre(7, -7, 7));
  EXPECT_THAT(Select("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT i FROM n"),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(Select("SELECT value FROM json_each('[4, 5]')"), ElementsAre(4, 5));
  EXPECT_THAT(Select("SELECT a FROM t WHERE a > 9"), ElementsAre());
  SqliteConnection(path_, SqliteConnection::Mode::kWrite)
      .Execute("CREATE VIRTUAL TABLE words USING fts5(b); INSERT INTO words VALUES ('some words'), ('others')");
  EXPECT_THAT(Select("SELECT rowid FROM words WHERE words MATCH 'others'"), ElementsAre(2));
}

TEST_F(SelectIntegersTest, WhatIsNoSelectOfIntegersIsRefusedInOneLine) {
  EXPECT_EQ(Error("SELECT c FROM t"), "among: no such column: c");
  EXPECT_THAT(Error("SELEC a"), OneLineWith("among: near", "SELEC"));
  EXPECT_THAT(Error(""), OneLineWith("among: no statement"));
  EXPECT_THAT(Error("  -- nothing"), OneLineWith("among: no statement"));
  EXPECT_THAT(Error("SELECT a FROM t; SELECT 2"), OneLineWith("more than one statement"));
  EXPECT_THAT(Error("SELECT a FROM t; nonsense"), OneLineWith("more than one statement"));
  EXPECT_THAT(Error("SELECT a, b FROM t"), OneLineWith("2 columns"));
  EXPECT_THAT(Error("SELECT a FROM t WHERE a = ?"), OneLineWith("parameter"));
  EXPECT_THAT(Error("SELECT a FROM t WHERE a = :mine"), OneLineWith("parameter", ":mine"));
  EXPECT_THAT(Error("SELECT b FROM t"), OneLineWith("yields", "x"));
  EXPECT_THAT(Error("SELECT NULL"), OneLineWith("yields NULL"));
  EXPECT_THAT(Error("SELECT 1.5"), OneLineWith("yields", "1.5"));
  EXPECT_THAT(Error("SELECT abs(-9223372036854775807 - 1)"), OneLineWith("integer overflow"));
}

// The connection could write: it is the text that may not.
TEST_F(SelectIntegersTest, NothingIsChangedOrAttached) {
  for (const std::string sql :
       {"DELETE FROM t", "INSERT INTO t VALUES (4, 'z') RETURNING a", "UPDATE t SET a = 9 RETURNING a", "DROP TABLE t",
        "CREATE TABLE u(a)", "VACUUM INTO 'copy.db'", "PRAGMA user_version = 7", "ATTACH ':memory:' AS m",
        "PRAGMA user_version", "PRAGMA query_only = 0", "PRAGMA journal_mode = WAL", "BEGIN"}) {
    EXPECT_THAT(Error(sql), OneLineWith("among: ")) << sql;
  }
  EXPECT_THAT(Error("SELECT load_extension('actkin')"), OneLineWith("among: "));
  EXPECT_THAT(Select("SELECT a FROM t"), ElementsAre(1, 2, 3));
  SqliteConnection connection(path_, SqliteConnection::Mode::kRead);
  EXPECT_EQ(connection.Value("PRAGMA user_version"), "0");
  EXPECT_EQ(connection.Value("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(connection.Value("SELECT count(*) FROM sqlite_schema"), "1");
}

TEST_F(SelectIntegersTest, StopsWhereItIsToldTo) {
  SqliteConnection connection(path_, SqliteConnection::Mode::kRead);
  int asked = 0;
  try {
    SelectIntegers(connection.handle(),
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", "among",
                   [&] { return ++asked < 3; });
    FAIL();
  } catch (const actkin::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
  }
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace actkin
