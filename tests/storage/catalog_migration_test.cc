// A catalog of an earlier actkin is brought up to date in one transaction, or refused by name.
#include "storage/catalog/catalog_migration.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "schema/catalog_sql.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/experiment_catalog.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

// As it was before evaluations said what they compare with.
constexpr char kEvaluationBefore[] = R"(
DROP TABLE evaluation;
CREATE TABLE evaluation(
  evaluation_id  INTEGER PRIMARY KEY,
  prompt_set_id  INTEGER NOT NULL REFERENCES prompt_set,
  first_prompt   INTEGER NOT NULL,
  samples        INTEGER NOT NULL,
  scheme         TEXT    NOT NULL,
  definition     TEXT    NOT NULL,
  metric         TEXT    NOT NULL,
  t_is           TEXT    NOT NULL,
  merge          TEXT    NOT NULL,
  k              INTEGER,
  within         TEXT    NOT NULL,
  hellinger_mean REAL    NOT NULL
);
CREATE UNIQUE INDEX evaluation_run
    ON evaluation(prompt_set_id, first_prompt, samples, scheme, metric, t_is, merge, ifnull(k, 0), within);
INSERT INTO prompt_set VALUES (1, 'sample', 1, 2, '', 1337, 0);
INSERT INTO evaluation VALUES (7, 1, 0, 2, 'last_ffwd_only', '{}', 'l2', '9', 'nearest', 10, '', 0.25);
INSERT INTO evaluation VALUES (8, 1, 0, 2, 'prompt_only', '{}', 'l2', '9', 'nearest', NULL, '', 0.5);
INSERT INTO evaluation_top_n VALUES (7, 1, 0.5, 0.75), (8, 1, 0.25, 0.5);
)";

class CatalogMigrationTest : public testing::Test {
 protected:
  CatalogMigrationTest() : directory_(folder_ / "x.actkin") {
    directory_.Create();
    NewCatalog catalog(directory_.Catalog());
    catalog.AddCorpus({"aa.txt", "00", 2, 1}, std::vector<std::string>{"a"});
    catalog.AddLength({1, 1, 1, 1});
    catalog.AddString(1, 1, "a", 2);
    catalog.AddNextToken(1, 0, 1);
    catalog.Finish();
  }

  void Execute(const std::string& sql) {
    SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite).Execute(sql);
  }
  std::string Value(const std::string& sql) {
    return SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kRead).Value(sql).value_or("nothing");
  }
  std::vector<EvaluationRow> Evaluations() {
    const auto connection = OpenCatalog(directory_);
    Catalog catalog(connection->handle());
    return ExperimentCatalog(catalog).Evaluations(1);
  }
  std::string Everything() {
    return Value(
               "SELECT group_concat(type || name || sql, ';') FROM (SELECT * FROM sqlite_schema ORDER BY type, name)") +
           Value("SELECT count(*) FROM evaluation_top_n");
  }

  TemporaryFolder folder_;
  IndexDirectory directory_;
};

TEST_F(CatalogMigrationTest, EvaluationsFromBeforeComparedWithAreReadAndKept) {
  const std::string current = Value("SELECT sql FROM sqlite_schema WHERE name = 'evaluation'");
  const std::string index = Value("SELECT sql FROM sqlite_schema WHERE name = 'evaluation_run'");
  Execute(kEvaluationBefore);
  const std::string before = Everything();
  const auto expect_rows = [this] {
    const std::vector<EvaluationRow> rows = Evaluations();
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].scheme.name, "last_ffwd_only");
    EXPECT_EQ(rows[0].k, 10U);
    EXPECT_EQ(rows[0].hellinger_mean, 0.25);
    EXPECT_EQ(rows[0].top_n_any_order, std::vector<double>{0.75});
    EXPECT_EQ(rows[1].k, std::nullopt);
    for (const EvaluationRow& row : rows) EXPECT_EQ(row.compared_with, "model");
  };
  expect_rows();
  EXPECT_EQ(Everything(), before) << "reading changes nothing";
  { CatalogWriter writer(directory_); }
  expect_rows();
  EXPECT_EQ(Value("SELECT sql FROM sqlite_schema WHERE name = 'evaluation'"), current);
  EXPECT_EQ(Value("SELECT sql FROM sqlite_schema WHERE name = 'evaluation_run'"), index);
  EXPECT_EQ(Value("SELECT count(*) FROM pragma_foreign_key_check"), "0");
  EXPECT_EQ(Value("PRAGMA integrity_check"), "ok");
  const std::string after = Everything();
  { CatalogWriter writer(directory_); }
  EXPECT_EQ(Everything(), after) << "once is enough";
}

TEST_F(CatalogMigrationTest, KilledBeforeItCommitsItHasDoneNothing) {
  Execute(kEvaluationBefore);
  const std::string before = Everything();
  EXPECT_EXIT(
      {
        ::setenv("ACTKIN_STOP_BEFORE", "commit:1", 1);
        CatalogWriter writer(directory_);
      },
      testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(Everything(), before);
  EXPECT_EQ(Evaluations().size(), 2U);
  { CatalogWriter writer(directory_); }
  EXPECT_EQ(Evaluations().size(), 2U);
  EXPECT_NE(Everything(), before);
}

TEST_F(CatalogMigrationTest, MissingTablesAreMadeAndOthersLeftAlone) {
  const std::string complete = Everything();
  Execute(
      "DROP TABLE evaluation_top_n; DROP TABLE evaluation; DROP TABLE recall; DROP VIEW scheme_weight; "
      "DROP TABLE scheme; PRAGMA user_version = 1");
  { CatalogWriter writer(directory_); }
  EXPECT_EQ(Everything(), complete);
  Execute("CREATE TABLE notes(text)");
  { CatalogWriter writer(directory_); }
  EXPECT_EQ(Value("SELECT count(*) FROM notes"), "0");
}

TEST_F(CatalogMigrationTest, ColumnsThatWereAddedStay) {
  Execute("DROP TABLE recall; ALTER TABLE scheme ADD COLUMN author TEXT; PRAGMA user_version = 1");
  { CatalogWriter writer(directory_); }
  EXPECT_EQ(Value("SELECT count(author) FROM scheme"), "0");
  EXPECT_EQ(Value("PRAGMA user_version"), std::to_string(kCatalogVersion));
}

// Made again it would be empty, and answers would come from it.
TEST_F(CatalogMigrationTest, ATableThatIsGoneFromACatalogOfThisVersionIsRefusedByName) {
  for (const std::string table : {"recall", "next_token"}) {
    Execute("DROP TABLE " + table);
    const std::string before = Everything();
    EXPECT_THAT(ErrorOf([this] { CatalogWriter writer(directory_); }),
                OneLineWith(directory_.Catalog().string(), "table " + table + " is gone", "restore it"));
    EXPECT_EQ(Everything(), before);
    Execute("CREATE TABLE IF NOT EXISTS recall AS SELECT 1");
  }
}

TEST_F(CatalogMigrationTest, MissingColumnsAreRefusedByNameAndNothingChanges) {
  const std::string file = directory_.Catalog().string();
  const auto refusal = [this] { return ErrorOf([this] { CatalogWriter writer(directory_); }); };
  Execute("DROP TABLE recall; ALTER TABLE saved_predictions DROP COLUMN checksum; PRAGMA user_version = 1");
  Execute(kEvaluationBefore);
  const std::string before = Everything();
  EXPECT_THAT(refusal(), OneLineWith(file, "table saved_predictions lacks the column checksum"));
  EXPECT_EQ(Everything(), before);
}

TEST_F(CatalogMigrationTest, ANewerCatalogIsRefusedByNameBeforeAnythingIsDone) {
  Execute(fmt::format("DROP TABLE recall; PRAGMA user_version = {}", kCatalogVersion + 1));
  const std::string before = Everything();
  EXPECT_THAT(
      ErrorOf([this] { CatalogWriter writer(directory_); }),
      OneLineWith(directory_.Catalog().string(), fmt::format("version {}", kCatalogVersion + 1), "newer actkin"));
  EXPECT_EQ(Everything(), before);
}

}  // namespace
}  // namespace actkin
