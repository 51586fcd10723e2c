#include "storage/catalog/csv_export.h"

#include <gtest/gtest.h>

#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

class NoProgress : public ProgressListener {
 public:
  void Begin(const std::string& /*step*/, std::uint64_t /*total*/, const std::string& /*unit*/) override {}
  void Advance(std::uint64_t /*done*/, std::uint64_t /*already*/) override {}
  void End() override {}
  void Note(const std::string& /*line*/) override {}
};

class CsvExportTest : public testing::Test {
 protected:
  CsvExportTest() : connection_(folder_ / "x.db", SqliteConnection::Mode::kCreate) {}

  std::vector<CsvFile> Export(const std::vector<std::string>& tables = {}) {
    NoProgress progress;
    return ExportCsv(connection_, tables, ExportFolder(folder_.path()), progress);
  }

  TemporaryFolder folder_;
  SqliteConnection connection_;
};

TEST_F(CsvExportTest, FieldsAreQuotedAsTheRfcSays) {
  connection_.Execute(
      "CREATE TABLE t(a, b); INSERT INTO t VALUES ('plain', 1), ('a,b', -2), ('say \"no\"', 0.1), ('two\nlines', "
      "1e16), "
      "('', NULL), (' space ', 2.0), ('\u00e4\u4e2d', x'00ff')");
  EXPECT_EQ(Export({"t"}).front().rows, 7U);
  EXPECT_EQ(ReadFile(folder_ / "t.csv"),
            "a,b\r\nplain,1\r\n\"a,b\",-2\r\n\"say \"\"no\"\"\",0.1\r\n\"two\nlines\",1e+16\r\n\"\",\r\n space ,2.0\r\n"
            "\u00e4\u4e2d,00ff\r\n");
}

TEST_F(CsvExportTest, TablesAndViewsEachGetAFile) {
  connection_.Execute(
      "CREATE TABLE one(x); INSERT INTO one VALUES (1), (2), (3); CREATE TABLE empty(y); "
      "CREATE VIEW doubled AS SELECT 2 * x AS twice FROM one; CREATE INDEX one_x ON one(x); ANALYZE");
  const std::vector<CsvFile> written = Export({"one", "empty", "doubled"});
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(ReadFile(folder_ / "doubled.csv"), "twice\r\n2\r\n4\r\n6\r\n");
  EXPECT_EQ(ReadFile(folder_ / "empty.csv"), "y\r\n");
  EXPECT_EQ(written[0].table, "doubled");
  std::size_t files = 0;  // the database among them
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) files += entry.exists() ? 1 : 0;
  EXPECT_EQ(files, 4U);
}

TEST_F(CsvExportTest, WithoutNamesTheCatalogsOwnAreWritten) {
  connection_.Execute(
      "CREATE TABLE token(token_id, text, note); CREATE TABLE mine(x); CREATE VIEW broken AS SELECT * FROM gone");
  EXPECT_EQ(Export().size(), 1U);
  EXPECT_EQ(ReadFile(folder_ / "token.csv"), "token_id,text,note\r\n");
  EXPECT_EQ(Export({"mine"}).size(), 1U);
}

TEST_F(CsvExportTest, TablesAreChosenByName) {
  connection_.Execute("CREATE TABLE one(x); CREATE TABLE two(x)");
  EXPECT_EQ(Export({"two"}).size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "one.csv"));
  EXPECT_THAT(ErrorOf([&] { Export({"three"}); }), OneLineWith("no table \"three\"", "one, two"));
}

TEST_F(CsvExportTest, ATablesNameIsNoPath) {
  connection_.Execute("CREATE TABLE \"../out\"(x)");
  EXPECT_THAT(ErrorOf([&] { Export({"../out"}); }), OneLineWith("../out"));
}

TEST_F(CsvExportTest, ManyRowsAreWrittenInOrder) {
  connection_.Execute(
      "CREATE TABLE many(n INTEGER PRIMARY KEY, text); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
      "WHERE n < 100000) INSERT INTO many SELECT n, 'row number ' || n FROM c");
  EXPECT_EQ(Export({"many"}).front().rows, 100000U);
  std::string expected = "n,text\r\n";
  for (int n = 1; n <= 100000; ++n) expected += fmt::format("{},row number {}\r\n", n, n);
  EXPECT_EQ(ReadFile(folder_ / "many.csv"), expected);
}

}  // namespace
}  // namespace actkin
