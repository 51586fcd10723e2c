// What users add to catalog.db is theirs: it is no damage, stays in place, and does not hide what is.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "schema/text.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class UserCatalogTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(400, "4");
    Write(Index(), "3");
  }

  static void Change(const std::string& index, const std::string& sql) {
    SqliteConnection(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kWrite).Execute(sql);
  }
  static std::vector<std::string> Added(const std::string& index) {
    const SqliteConnection connection(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kRead);
    return AddedObjects(connection.handle());
  }
  // Everything that writes, to every table.
  static void Write(const std::string& index, const std::string& t_i) {
    Succeed({"build", Corpus(), "--model", Model(), "--out", index, "--length", "5", "--t-i", t_i});
    Succeed({"index", index, "--add", "HNSW8", "--stream", "ffwd", "--t-i", "4"});
    Succeed({"index", index, "--add", "HNSW8", "--stream", "ffwd", "--t-i", "4"});
    Succeed({"evaluate", index, "--sample", "20", "-k", "4"});
    Succeed({"evaluate", index, "--sample", "20", "-k", "4"});
    Succeed({"evaluate", index, "--sample", "20", "--within", ":1", "--scheme", "last_ffwd_only"});
    Succeed({"tune", index, "--sample", "20", "--name", "mine"});
    Succeed({"recall", index, "--index", "HNSW8", "--stream", "ffwd", "--t-i", "4", "--sample", "10"});
    const std::string similar = *folder_ / "similar";
    Succeed({"export", index, "--layout", "similar-strings", similar, "--sample", "20", "-k", "4", "--t-i", "4"});
    Succeed({"import", index, "--layout", "similar-strings", similar});
    std::filesystem::remove_all(similar);
  }
  static void Succeed(const std::vector<std::string>& arguments) {
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, 0) << arguments[0] << ": " << result.err;
  }
  static void ExpectSoundAndAdded(const std::string& index, const std::vector<std::string>& added) {
    const CommandResult verified = RunCommand({"verify", index});
    EXPECT_EQ(verified.status, 0) << verified.out;
    EXPECT_THAT(verified.out, Not(HasSubstr("damaged")));
    for (const std::string& object : added) {
      EXPECT_THAT(verified.out, HasSubstr("added  catalog.db: " + object + ": ")) << object;
    }
    EXPECT_EQ(Added(index), added);
  }
};

TEST_F(UserCatalogTest, IndicesTriggersAndColumnsOnEveryTableAreTheUsersOwn) {
  const std::string index = Copy("every.actkin");
  Change(index, "CREATE TABLE log(entry)");
  for (const std::string& table : OwnTables()) {
    const std::vector<std::string>& columns = OwnColumns(table);
    if (columns.empty()) continue;
    Change(index, fmt::format("CREATE INDEX my_{0} ON {0}({1})", table, columns.back()));
    for (const char* event : {"INSERT", "UPDATE", "DELETE"}) {
      Change(index, fmt::format("CREATE TRIGGER {0}_{1} AFTER {1} ON {0} BEGIN INSERT INTO log VALUES ('{0} {1}'); END",
                                table, event));
    }
    Change(index, fmt::format("ALTER TABLE {} ADD COLUMN note TEXT DEFAULT 'a, \"b\" -- c'", table));
    Change(index, fmt::format("ALTER TABLE {} ADD COLUMN \"a, b\" REFERENCES site", table));
  }
  const std::vector<std::string> added = Added(index);
  EXPECT_THAT(added, testing::IsSupersetOf({"index my_string on string", "trigger evaluation_DELETE on evaluation",
                                            "column note of content_checksum", "table log"}));
  ExpectSoundAndAdded(index, added);
  Change(index, "UPDATE evaluation SET note = 'read'; UPDATE scheme SET note = 'read'");
  Write(index, "2");
  ExpectSoundAndAdded(index, added);
  EXPECT_NE(Query(index, "SELECT count(*) FROM log WHERE entry = 'site INSERT'"), "0");
  // A result that takes another's place is the same row.
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation WHERE note <> 'read'"), "0");
  EXPECT_EQ(Query(index, "SELECT note FROM scheme WHERE name = 'mine'"), "read");
  // Taken away again it is as it was.
  for (const std::string& table : OwnTables()) {
    if (OwnColumns(table).empty()) continue;
    Change(index, fmt::format("ALTER TABLE {0} DROP COLUMN \"a, b\"; ALTER TABLE {0} DROP COLUMN note", table));
  }
  ExpectSound(index);
}

TEST_F(UserCatalogTest, FullTextSearchWithTriggersGoesOn) {
  const std::string index = Copy("fts.actkin");
  // As 'sqlite-utils enable-fts --create-triggers' makes it, of a table that grows.
  Change(index,
         "CREATE VIRTUAL TABLE evaluation_fts USING fts5(scheme, content=evaluation);"
         "INSERT INTO evaluation_fts(rowid, scheme) SELECT rowid, scheme FROM evaluation;"
         "CREATE TRIGGER evaluation_ai AFTER INSERT ON evaluation BEGIN INSERT INTO evaluation_fts(rowid, scheme) "
         "VALUES (new.rowid, new.scheme); END;"
         "CREATE TRIGGER evaluation_ad AFTER DELETE ON evaluation BEGIN INSERT INTO evaluation_fts(evaluation_fts, "
         "rowid, scheme) VALUES ('delete', old.rowid, old.scheme); END;"
         "CREATE TRIGGER evaluation_au AFTER UPDATE ON evaluation BEGIN INSERT INTO evaluation_fts(evaluation_fts, "
         "rowid, scheme) VALUES ('delete', old.rowid, old.scheme); INSERT INTO evaluation_fts(rowid, scheme) "
         "VALUES (new.rowid, new.scheme); END;"
         "CREATE VIEW best AS SELECT scheme, min(hellinger_mean) FROM evaluation; ANALYZE");
  const std::vector<std::string> added{"table evaluation_fts", "trigger evaluation_ad on evaluation",
                                       "trigger evaluation_ai on evaluation", "trigger evaluation_au on evaluation",
                                       "view best"};
  ExpectSoundAndAdded(index, added);
  Succeed({"evaluate", index, "--sample", "21", "-k", "4", "--scheme", "prompt_only"});
  Succeed({"evaluate", index, "--sample", "21", "-k", "4", "--scheme", "prompt_only"});
  ExpectSoundAndAdded(index, added);
  EXPECT_EQ(Query(index,
                  "SELECT count(*) FROM evaluation_fts WHERE evaluation_fts MATCH 'prompt_only' AND rowid IN "
                  "(SELECT evaluation_id FROM evaluation WHERE samples = 21)"),
            "1");
  Change(index, "INSERT INTO evaluation_fts(evaluation_fts) VALUES ('integrity-check')");
}

TEST_F(UserCatalogTest, NamesOfTheUsersObjectsAreShownOnOneLine) {
  const std::string index = Copy("names.actkin");
  Change(index, "CREATE TABLE \"a\nb\x1b[31m\"(x); CREATE INDEX \"caf\xe9\" ON string(length)");
  const CommandResult verified = RunCommand({"verify", index});
  EXPECT_EQ(verified.status, 0);
  EXPECT_EQ(std::ranges::count(verified.out, '\n'), 3) << verified.out;
  EXPECT_THAT(verified.out, AllOf(HasSubstr("a\\nb\\x1b[31m"), HasSubstr("caf\\xe9"), Not(HasSubstr("\x1b"))));
  const nlohmann::json shown = RunForJson({"verify", index, "--json"});
  EXPECT_EQ(shown["damaged"], 0);
  EXPECT_EQ(std::ranges::count(shown["findings"], "added", [](const auto& found) { return found["state"]; }), 2);
}

TEST_F(UserCatalogTest, WhatIsDamagedIsFoundBesideWhatIsAdded) {
  for (const std::string change :
       {"UPDATE string SET occurrences = occurrences + 1 WHERE string_id = 3",
        "UPDATE evaluation SET hellinger_mean = 0.25", "ALTER TABLE evaluation DROP COLUMN hellinger_mean",
        "ALTER TABLE corpus RENAME COLUMN name TO title", "DROP INDEX site_index_name", "DROP INDEX string_text",
        "DROP INDEX site_index_name; CREATE INDEX site_index_name ON site_index(site_id)",
        "ALTER TABLE scheme RENAME TO schemes", "DROP VIEW next_token_map; CREATE VIEW next_token_map AS SELECT 1",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'samples        INTEGER NOT NULL', "
        "'samples        INTEGER') WHERE name = 'evaluation'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ',\n  PRIMARY KEY', ',\n CHECK "
        "(n > 0), PRIMARY KEY') WHERE name = 'evaluation_top_n'"}) {
    const std::string index = Copy("damaged.actkin");
    Change(index,
           "ALTER TABLE evaluation ADD COLUMN note; ALTER TABLE evaluation_top_n ADD COLUMN note; CREATE INDEX mine ON "
           "string(occurrences)");
    Change(index, change);
    const CommandResult verified = RunCommand({"verify", index});
    EXPECT_EQ(verified.status, 1) << change;
    EXPECT_THAT(verified.out, AllOf(HasSubstr("damaged"), HasSubstr("restore the catalog"), Not(HasSubstr("--repair"))))
        << change;
  }
}

TEST_F(UserCatalogTest, RepairIsNamedWhereItHelps) {
  const std::string index = Copy("file.actkin");
  std::filesystem::resize_file(std::filesystem::path(index) / "sites/t4.rows", 100);
  EXPECT_THAT(RunCommand({"verify", index}).out,
              AllOf(HasSubstr("'actkin build CORPUS --out " + index + " --repair'"), Not(HasSubstr("restore"))));
}

TEST_F(UserCatalogTest, ATriggerThatChangesOurRowsIsFound) {
  const std::vector<std::string> evaluate{"--sample", "22", "-k", "4"};
  for (const std::string body :
       {"UPDATE evaluation SET hellinger_mean = 0", "DELETE FROM evaluation_top_n WHERE n > 5",
        "INSERT INTO scheme VALUES ('x', '{}')", "REPLACE INTO content_checksum VALUES ('string', 'x')"}) {
    const std::string index = Copy("trigger.actkin");
    Change(index, "CREATE TRIGGER \"over\nall\" AFTER INSERT ON evaluation BEGIN " + body + "; END");
    const std::string before = Rows(index, "evaluation") + Rows(index, "content_checksum");
    // It has done nothing yet; what would make it is refused.
    EXPECT_EQ(RunCommand({"verify", index}).status, 0);
    ExpectFailure(Arguments("evaluate", index, evaluate), 1, "the trigger \"over\\nall\" changes the table");
    Change(index, "DROP TRIGGER \"over\nall\"");
    EXPECT_EQ(Rows(index, "evaluation"), before.substr(0, Rows(index, "evaluation").size()));
    Succeed(Arguments("evaluate", index, evaluate));
    ExpectSound(index);
  }
  const std::string index = Copy("trigger.actkin");
  Change(index,
         "CREATE TABLE mine(x); CREATE TRIGGER later AFTER INSERT ON mine BEGIN UPDATE string SET occurrences = 0 "
         "WHERE string_id = 1; END; INSERT INTO mine VALUES (1)");
  EXPECT_THAT(RunCommand({"verify", index}).out, HasSubstr("damaged  catalog.db: string: "));
  // A column of the user's own is the trigger's to change.
  const std::string noted = Copy("noted.actkin");
  Change(noted,
         "ALTER TABLE evaluation ADD COLUMN note; CREATE TRIGGER take AFTER INSERT ON evaluation BEGIN UPDATE "
         "evaluation SET note = 'taken' WHERE evaluation_id = new.evaluation_id; END");
  Succeed(Arguments("evaluate", noted, evaluate));
  EXPECT_NE(Query(noted, "SELECT count(*) FROM evaluation WHERE note = 'taken'"), "0");
  ExpectSound(noted);
}

TEST_F(UserCatalogTest, WhatTheUsersConstraintForbidsIsSaid) {
  const std::string index = Copy("unique.actkin");
  Change(index, "CREATE UNIQUE INDEX only ON evaluation(samples) WHERE k = 3");
  ExpectFailure(Arguments("evaluate", index,
                          {"--sample", "20", "-k", "3", "--scheme", "prompt_only", "--scheme", "last_ffwd_only"}),
                1, "UNIQUE constraint failed");
  ExpectSound(index);
}

}  // namespace
}  // namespace actkin
