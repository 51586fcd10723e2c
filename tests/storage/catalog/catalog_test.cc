#include "storage/catalog/catalog.h"

#include <gmock/gmock.h>

#include "schema/catalog_sql.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/content_checksum.h"
#include "storage/catalog/site_statistics.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

// The catalog of the corpus "abab" with L = 2: a, b; ab, ba.
class CatalogTest : public testing::Test {
 protected:
  CatalogTest() : directory_(folder_ / "x.actkin") {
    directory_.Create();
    NewCatalog catalog(directory_.Catalog());
    catalog.AddCorpus({"abab.txt", "00", 4, 2, 4}, std::vector<DocumentRow>{{0, "abab.txt", 0, 4}});
    catalog.AddTokenizer({});
    catalog.AddToken(0, "a", "a");
    catalog.AddToken(1, "b", "b");
    catalog.AddLength({1, 2, 2, 1});
    catalog.AddLength({2, 2, 2, 3});
    catalog.AddString(1, 1, "a", 2, std::string(1, 0));
    catalog.AddString(2, 1, "b", 2, "\x01");
    catalog.AddString(3, 2, "ab", 2, std::string("\0\x01", 2));
    catalog.AddString(4, 2, "ba", 1, std::string("\x01\0", 2));
    catalog.AddNextToken(1, 1, 2);
    catalog.AddNextToken(2, 0, 1);
    catalog.AddNextToken(3, 0, 1);
    catalog.AddNextToken(4, 1, 1);
    catalog.Finish();
  }

  TemporaryFolder folder_;
  IndexDirectory directory_;
};

NewSite ProjSite(int block) {
  NewSite site;
  site.site = {0, {Stream::kProj, block, 1}, 4, 2, 3, Element::kFloat32};
  const FileRow file{IndexDirectory::Vectors(site.site.site), 8192, "00000000000000aa"};
  site.vector_files.push_back({{0, 2}, file});
  site.indices.push_back({kExactIndexName, std::nullopt, file, 1.5});
  return site;
}

TEST_F(CatalogTest, StringsAndNextTokensReadBack) {
  const auto connection = OpenCatalog(directory_);
  Catalog catalog(connection->handle());
  EXPECT_EQ(catalog.Corpus().characters, 4U);
  EXPECT_THAT(catalog.TokenTexts(), testing::ElementsAre("a", "b"));
  EXPECT_EQ(catalog.Token(1).bytes, "b");
  EXPECT_EQ(catalog.TokenCount(), 2U);
  EXPECT_EQ(catalog.FindString(std::vector<TokenId>{0, 1})->string_id, 3U);
  EXPECT_FALSE(catalog.FindString(std::vector<TokenId>{1, 1}));
  EXPECT_EQ(catalog.StringsOfText("ab", 2).size(), 1U);
  EXPECT_TRUE(catalog.StringsOfText("ab", 1).empty());
  EXPECT_EQ(catalog.String(4).text, "ba");
  EXPECT_THAT(catalog.String(4).tokens, testing::ElementsAre(1, 0));
  EXPECT_FALSE(catalog.Tokenizer().file);
  ASSERT_EQ(catalog.Documents().size(), 1U);
  EXPECT_EQ(catalog.Documents()[0].token_count, 4U);
  ASSERT_EQ(catalog.NextTokens(1).size(), 1U);
  EXPECT_EQ(catalog.NextTokens(1)[0].token_id, 1U);
  EXPECT_EQ(catalog.NextTokens(1)[0].count, 2U);
  EXPECT_FALSE(catalog.Model());
}

TEST_F(CatalogTest, TheViewIsForPeople) {
  const auto connection = OpenCatalog(directory_);
  EXPECT_EQ(connection->Value("SELECT group_concat(length || prefix || token || count || '/' || probability, ' ') "
                              "FROM next_token_map WHERE prefix = 'a'"),
            "1ab2/1.0");
}

// What users' queries rely on: a text alone, and a length with a text, are both found through the index.
TEST_F(CatalogTest, TextsAreFoundByTheIndex) {
  const auto connection = OpenCatalog(directory_);
  for (const char* where : {"prefix = 'ab'", "length = 2 AND prefix = 'ab'"}) {
    SqliteStatement plan(connection->handle(),
                         fmt::format("EXPLAIN QUERY PLAN SELECT * FROM next_token_map WHERE {}", where));
    ASSERT_TRUE(plan.Step());
    EXPECT_THAT(plan.Text(3), testing::HasSubstr("INDEX string_text")) << where;
  }
}

// By their tokens: two may have the same text.
TEST_F(CatalogTest, StringsAreUnique) {
  SqliteConnection connection(directory_.Catalog(), SqliteConnection::Mode::kWrite);
  EXPECT_THAT(ErrorOf([&] { connection.Execute("INSERT INTO string VALUES (9, 2, 'x', 1, x'0001')"); }),
              OneLineWith("UNIQUE"));
  connection.Execute("INSERT INTO string VALUES (9, 2, 'ab', 1, x'0101')");
  Catalog catalog(connection.handle());
  EXPECT_EQ(catalog.StringsOfText("ab", 2).size(), 2U);
}

TEST_F(CatalogTest, StringsOfOtherTokensThanThereAreAreDamage) {
  SqliteConnection connection(directory_.Catalog(), SqliteConnection::Mode::kWrite);
  connection.Execute("DROP INDEX string_tokens");
  for (const char* tokens : {"x''", "x'00'", "x'000102'", "x'0002'"}) {
    connection.Execute(fmt::format("UPDATE string SET tokens = {} WHERE string_id = 3", tokens));
    EXPECT_THAT(ErrorOf([&] { Catalog(connection.handle()).String(3); }), OneLineWith("damaged", "string 3")) << tokens;
  }
}

TEST_F(CatalogTest, SitesReadBackAndTheJournalIsGoneAfterwards) {
  {
    CatalogWriter writer(directory_);
    EXPECT_EQ(OpenCatalog(directory_)->Value("PRAGMA journal_mode"), "wal");
    const std::vector<std::pair<LengthRow, FileRow>> orders{{{2, 2, 2, 3}, {"sites/t1.rows", 9, "0b"}}};
    writer.AddSites(std::vector<NewSite>{ProjSite(0), ProjSite(1)}, orders);
  }
  EXPECT_FALSE(std::filesystem::exists(directory_.Catalog().string() + "-wal"));
  const auto connection = OpenCatalog(directory_);
  EXPECT_EQ(connection->Value("PRAGMA journal_mode"), "delete");
  Catalog catalog(connection->handle());
  ASSERT_EQ(catalog.Sites().size(), 2U);
  const std::optional<SiteRow> site = catalog.FindSite({Stream::kProj, 1, 1});
  ASSERT_TRUE(site);
  EXPECT_EQ(site->dimension, 4U);
  EXPECT_EQ(catalog.VectorFiles(site->site_id).at(0).file.file, "sites/proj-b1-t1.vectors");
  EXPECT_EQ(catalog.SiteIndices(site->site_id).at(0).build_seconds, 1.5);
  EXPECT_EQ(catalog.RowOrder(1)->bytes, 9U);
  EXPECT_FALSE(catalog.FindSite({Stream::kFfwd, 1, 1}));
}

TEST_F(CatalogTest, AReaderSeesAllOfATransactionOrNothing) {
  const auto connection = OpenCatalog(directory_);
  Catalog catalog(connection->handle());
  CatalogWriter writer(directory_);
  // The second site collides with the first: nothing of the transaction stays.
  EXPECT_THAT(ErrorOf([&] {
                writer.AddSites(std::vector<NewSite>{ProjSite(0), ProjSite(0)}, {});
              }),
              OneLineWith("UNIQUE"));
  EXPECT_TRUE(catalog.Sites().empty());
  writer.AddSites(std::vector<NewSite>{ProjSite(0)}, {});
  EXPECT_EQ(catalog.Sites().size(), 1U);
}

// The checksum of a table that was damaged before a change stays that of what was written.
TEST_F(CatalogTest, AChangeDoesNotMakeDamageRight) {
  CatalogWriter(directory_).AddSites(std::vector<NewSite>{ProjSite(0)}, {});
  const auto change_and_write = [this](const std::string& sql) {
    SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite).Execute(sql);
    return ErrorOf([this] { CatalogWriter(directory_).AddSites(std::vector<NewSite>{ProjSite(1)}, {}); });
  };
  EXPECT_THAT(change_and_write("UPDATE site SET element = 'float16'"),
              OneLineWith(directory_.Catalog().string(), "site: damaged, or changed by hand", "restore it"));
  EXPECT_EQ(OpenCatalog(directory_)->Value("SELECT count(*) FROM site"), "1");
  EXPECT_THAT(ErrorOf([this] { VerifyContent(OpenCatalog(directory_)->handle(), "site"); }), OneLineWith("damaged"));
  EXPECT_EQ(change_and_write("UPDATE site SET element = 'float32'"), "no error") << "as it was";
}

TEST_F(CatalogTest, ANameThatLooksLikeAUriIsAName) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  SqliteConnection("file:x.actkin", SqliteConnection::Mode::kCreate).Execute("CREATE TABLE t(x)");
  EXPECT_TRUE(std::filesystem::exists(folder_ / "file:x.actkin"));
  std::filesystem::current_path(before);
}

TEST_F(CatalogTest, AFinishedCatalogIsReadFromAReadOnlyFolder) {
  { CatalogWriter writer(directory_); }
  std::filesystem::permissions(directory_.path(),
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  const auto connection = OpenCatalog(directory_);
  EXPECT_EQ(Catalog(connection->handle()).Corpus().name, "abab.txt");
  std::filesystem::permissions(directory_.path(), std::filesystem::perms::owner_all);
}

TEST_F(CatalogTest, WhatIsNoCatalogIsRefused) {
  EXPECT_THAT(ErrorOf([&] { OpenCatalog(IndexDirectory(folder_ / "absent")); }), OneLineWith("absent", "actkin build"));
  EXPECT_THAT(ErrorOf([&] { OpenCatalog(IndexDirectory(folder_.path())); }), OneLineWith("no catalog.db"));
  SqliteConnection other(folder_ / "other.db", SqliteConnection::Mode::kCreate);
  other.Execute("CREATE TABLE t(x)");
  EXPECT_THAT(ErrorOf([&] { Catalog{other.handle()}; }), OneLineWith("no actkin catalog"));
  std::filesystem::create_directory(folder_ / "text.actkin");
  folder_.Write("text.actkin/catalog.db", std::string(5000, 'x'));
  EXPECT_THAT(ErrorOf([&] { Catalog{OpenCatalog(IndexDirectory(folder_ / "text.actkin"))->handle()}; }),
              OneLineWith("text.actkin", "not a database"));
}

TEST_F(CatalogTest, ANewerCatalogIsRefusedByItsVersion) {
  SqliteConnection connection(directory_.Catalog(), SqliteConnection::Mode::kWrite);
  connection.Execute(fmt::format("PRAGMA user_version = {}", kCatalogVersion + 1));
  EXPECT_THAT(ErrorOf([&] { Catalog{connection.handle()}; }),
              OneLineWith(fmt::format("version {}", kCatalogVersion + 1), "written by a newer actkin"));
}

// There is nothing that reads or changes it; the line says how to have one that is read.
TEST_F(CatalogTest, AnOlderCatalogIsRefusedWithTheCommandThatBuildsAnew) {
  {
    CatalogWriter writer(directory_);
    writer.SetModel({"model.safetensors", "00", {2, 8, 4, 1, 1, 0, 0}});
  }
  SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite).Execute("PRAGMA user_version = 2");
  const auto older =
      OneLineWith(directory_.Catalog().string(), "written by an older actkin", "version 2", "this program reads 3",
                  "actkin build abab.txt --length 2 --model " + (directory_.path() / "model.safetensors").string());
  EXPECT_THAT(ErrorOf([this] { Catalog{OpenCatalog(directory_)->handle()}; }), older);
  EXPECT_THAT(ErrorOf([this] { CatalogWriter writer(directory_); }), older);
  const auto connection = OpenCatalog(directory_);
  EXPECT_EQ(connection->Value("PRAGMA user_version"), "2");
}

TEST_F(CatalogTest, ATableThatIsGoneIsNotWrittenOver) {
  SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite).Execute("DROP TABLE recall");
  EXPECT_THAT(ErrorOf([this] { CatalogWriter(directory_).AddSites(std::vector<NewSite>{ProjSite(0)}, {}); }),
              OneLineWith(directory_.Catalog().string(), "recall", "restore it"));
}

SiteStatisticsRow SomeStatistics() {
  return {1.5, 1, 40, 0.25, 0.5, std::nullopt, {{"nearest", 0.5, 0.125}, {"random", 0.01, 1}, {"random", 0.5, 2}}};
}

TEST_F(CatalogTest, StatisticsReadBackUntilTheRowsOrSketchesAreMadeAgain) {
  const NewSite site = ProjSite(0);
  CatalogWriter(directory_).AddSites(std::vector<NewSite>{site, ProjSite(1)}, {});
  const auto read = [this](std::int64_t site_id) {
    const auto connection = OpenCatalog(directory_);
    Catalog catalog(connection->handle());
    return ReadSiteStatistics(catalog, site_id);
  };
  EXPECT_FALSE(read(1));
  SiteStatisticsRow other = SomeStatistics();
  other.centered_cosine = -0.25;
  StatisticsWriter(directory_)
      .SetStatistics(std::vector<StatisticsWriter::NewStatistics>{{1, SomeStatistics()}, {2, SomeStatistics()}});
  StatisticsWriter(directory_).SetStatistics(std::vector<StatisticsWriter::NewStatistics>{{2, other}});
  EXPECT_EQ(read(1), SomeStatistics());
  EXPECT_EQ(read(2), other);
  CatalogWriter(directory_).SetExactIndex(1, {"sites/proj-b0-t1.sketches", 4096, "00000000000000ab"}, 1);
  EXPECT_FALSE(read(1));
  EXPECT_TRUE(read(2));
  CatalogWriter(directory_).SetRows(2, site.vector_files[0].file);
  EXPECT_FALSE(read(2));
  EXPECT_EQ(OpenCatalog(directory_)->Value("SELECT count(*) FROM site_distance"), "0");
}

// One that is a few tables older than this program is read, and gets them from who writes next. Tables that are gone
// with their checksums left are damage.
TEST_F(CatalogTest, ACatalogWithoutStatisticsGetsItsTablesWhenItIsWritten) {
  const auto change = [this](const char* sql) {
    SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite).Execute(sql);
  };
  change(
      "DROP TABLE site_statistics; DROP TABLE site_distance; "
      "DELETE FROM content_checksum WHERE name IN ('site_statistics', 'site_distance')");
  {
    const auto connection = OpenCatalog(directory_);
    Catalog catalog(connection->handle());
    EXPECT_FALSE(ReadSiteStatistics(catalog, 1));
    EXPECT_TRUE(WasMadeBefore(connection->handle(), "site_distance"));
  }
  CatalogWriter(directory_).AddSites(std::vector<NewSite>{ProjSite(0)}, {});
  StatisticsWriter(directory_).SetStatistics(std::vector<StatisticsWriter::NewStatistics>{{1, SomeStatistics()}});
  {
    const auto connection = OpenCatalog(directory_);
    Catalog catalog(connection->handle());
    EXPECT_EQ(ReadSiteStatistics(catalog, 1), SomeStatistics());
    EXPECT_FALSE(WasMadeBefore(connection->handle(), "site_distance"));
    for (const std::string& table : CheckedTables()) VerifyContent(connection->handle(), table);
  }
  change("DROP TABLE site_distance");
  EXPECT_THAT(ErrorOf([this] { CatalogWriter(directory_).SetRows(1, {}); }),
              OneLineWith("site_distance", "restore it"));
}

TEST_F(CatalogTest, StatisticsThatAreNoNumbersAreDamage) {
  CatalogWriter(directory_).AddSites(std::vector<NewSite>{ProjSite(0)}, {});
  StatisticsWriter(directory_).SetStatistics(std::vector<StatisticsWriter::NewStatistics>{{1, SomeStatistics()}});
  SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite)
      .Execute("UPDATE site_statistics SET longest = 9e999");
  const auto connection = OpenCatalog(directory_);
  Catalog catalog(connection->handle());
  EXPECT_THAT(ErrorOf([&] { ReadSiteStatistics(catalog, 1); }), OneLineWith("damaged", "statistics"));
  EXPECT_THAT(ErrorOf([&] { VerifyContent(connection->handle(), "site_statistics"); }), OneLineWith("damaged"));
}

TEST_F(CatalogTest, AModelMayBeginWithAToken) {
  CatalogWriter(directory_).SetModel({"model.safetensors", "00", {2, 8, 4, 1, 1, 0, 0}, 1});
  const auto connection = OpenCatalog(directory_);
  EXPECT_EQ(Catalog(connection->handle()).Model()->bos_token_id, 1U);
  SqliteConnection(directory_.Catalog(), SqliteConnection::Mode::kWrite).Execute("UPDATE model SET bos_token_id = 2");
  EXPECT_THAT(ErrorOf([&] { Catalog(connection->handle()).Model(); }), OneLineWith("damaged", "token 2"));
}

// Python's recorder adds its table by SQL.
TEST(CatalogObjectsTest, WhatTheRecorderKeepsIsNotAUsers) {
  SqliteConnection catalog(":memory:", SqliteConnection::Mode::kCreate);
  catalog.Execute(kCatalogSql);
  catalog.Execute("CREATE TABLE recorder(key TEXT PRIMARY KEY, value TEXT); CREATE TABLE mine(x)");
  EXPECT_EQ(AddedObjects(catalog.handle()), std::vector<std::string>{"table mine"});
}

}  // namespace
}  // namespace actkin
