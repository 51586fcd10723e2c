// Names may hold any byte: JSON and the catalog hold UTF-8 alone, people read one line.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "schema/text.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kLatin[] = "caf\xe9";                 // no UTF-8
constexpr char kHostile[] = "a\nb\x1b[31m\r\u0085";  // what a terminal obeys

class NamesTest : public testing::TestWithParam<std::string> {
 protected:
  NamesTest() : name_(GetParam()) {}

  std::string Path(const std::string& ending) { return folder_ / (name_ + ending); }

  // Nothing but printable UTF-8 and line ends.
  static void ExpectPrintable(const std::string& text) {
    EXPECT_EQ(Printable(text), [&] {
      std::string ends;
      for (const char c : text) ends += c == '\n' ? "\\n" : std::string(1, c);
      return ends;
    }());
  }
  // Both ways to print, which succeed. Returns the JSON.
  static nlohmann::json Run(const std::vector<std::string>& arguments) {
    const CommandResult people = RunCommand(arguments);
    EXPECT_EQ(people.status, 0) << people.err;
    ExpectPrintable(people.out);
    ExpectPrintable(people.err);
    std::vector<std::string> more = arguments;
    more.emplace_back("--json");
    const CommandResult programs = RunCommand(more);
    EXPECT_EQ(programs.status, 0) << arguments[0] << programs.err;
    EXPECT_EQ(ValidUtf8(programs.out), programs.out) << arguments[0];
    const nlohmann::json shown = nlohmann::json::parse(programs.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(shown.is_discarded()) << arguments[0];
    return shown;
  }
  static void ExpectFailure(const std::vector<std::string>& arguments, const std::string& part = "") {
    const CommandResult failed = RunCommand(arguments);
    EXPECT_NE(failed.status, 0);
    EXPECT_THAT(failed.err, HasSubstr(part));
    ExpectPrintable(failed.err);
    EXPECT_EQ(std::ranges::count(failed.err, '\n'), 1) << failed.err;
  }
  static void ExpectUtf8(const std::string& index) {
    SqliteConnection catalog(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kRead);
    SqliteStatement tables(catalog.handle(), "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')");
    while (tables.Step()) {
      SqliteStatement rows(catalog.handle(), fmt::format("SELECT * FROM \"{}\"", tables.Text(0)));
      while (rows.Step()) {
        for (int column = 0; column < rows.ColumnCount(); ++column) {
          if (rows.Type(column) == SQLITE_TEXT) {
            EXPECT_EQ(ValidUtf8(rows.Text(column)), rows.Text(column)) << tables.Text(0);
          }
        }
      }
    }
  }

  TemporaryFolder folder_;
  const std::string name_;
};

TEST_P(NamesTest, EveryCommandAnswersWithAnyName) {
  const std::string corpus = folder_.Write(name_ + ".txt", MadeCorpus(400));
  const std::string model = folder_.Write(name_ + "-model.safetensors", SerializeSafetensors(MadeModel()));
  const std::string index = Path(".actkin");
  const std::string shown = ValidUtf8(name_);
  EXPECT_EQ(Run({"build", corpus, "--model", model, "--out", index, "--length", "5"})["out"], ValidUtf8(index));
  const nlohmann::json info = Run({"info", index});
  EXPECT_EQ(info["corpus"]["name"], shown + ".txt");
  EXPECT_EQ(info["directory"], ValidUtf8(index));
  EXPECT_EQ(Run({"verify", index})["damaged"], 0);
  Run({"index", index, "--add", "HNSW8", "--stream", "ffwd"});
  Run({"recall", index, "--index", "HNSW8", "--sample", "10"});
  EXPECT_THAT(Run({"export", index, "--layout", "npy", Path(".npys")})[0]["file"].get<std::string>(), HasSubstr(shown));
  const std::string similar = Path(".similar");
  const std::string prompts = folder_.Write(name_ + ".json", R"(["abba ", "abcab", "bba c"])");
  EXPECT_THAT(
      Run({"export", index, "--layout", "similar-strings", similar, "--prompts", prompts, "-k", "3"})["prompt_set"]
          .get<std::string>(),
      testing::StartsWith(shown + "-"));
  const std::string set = Run({"import", index, "--layout", "similar-strings", similar})["prompt_set"];
  EXPECT_THAT(set, testing::StartsWith(shown + ".similar-"));
  Run({"import", index, "--layout", "similar-strings", similar, "--name", name_});
  // A set is found by the name that it was given and by the one that is shown.
  for (const std::string& asked : {name_, shown}) Run({"evaluate", index, "--prompt-set", asked, "-k", "3"});
  const std::string scheme = folder_.Write(name_ + "-scheme.json", R"({"ffwd": [1, 2]})");
  Run({"predict", index, "abba ", "--scheme", scheme});
  Run({"evaluate", index, "--sample", "10", "-k", "3", "--scheme", scheme, "--plot", Path(".svg")});
  EXPECT_EQ(ValidUtf8(ReadFile(Path(".svg"))), ReadFile(Path(".svg")));
  EXPECT_THAT(ReadFile(Path(".svg")), Not(HasSubstr("\x1b")));
  for (const std::string& asked : {name_, shown}) Run({"predict", index, "abba ", "--scheme", asked + "-scheme"});
  Run({"tune", index, "--sample", "10", "--name", name_});
  Run({"learn", index, "--sample", "10", "--steps", "2", "--name", name_});
  Run({"similar", index, "abba "});
  Run({"query", index, "abba "});
  Run({"train", corpus, "--out", Path(".safetensors"), "--steps", "1", "--blocks", "1", "--heads", "1", "--embed", "4",
       "--context", "8"});
  Run({"verify", index});
  ExpectUtf8(index);
}

TEST_P(NamesTest, WhatIsWrongIsSaidOnOneLine) {
  const std::string absent = Path(".actkin");
  for (const char* command : {"info", "verify"}) ExpectFailure({command, absent}, "no such index directory");
  ExpectFailure({"query", absent, "prompt"}, Printable(absent));
  ExpectFailure({"build", absent, "--out", Path("2.actkin")});
  ExpectFailure({"train", absent, "--out", Path(".safetensors")});
  ExpectFailure({"train", absent, "--out", name_}, ".safetensors");
  ExpectFailure({"export", absent, "--layout", name_, "out"}, "--layout");
  ExpectFailure({"query", absent, "p", "-k", name_}, "-k");
  ExpectFailure({"query", absent, "p", "--" + name_}, "is no flag of");
  ExpectFailure({name_, absent, "p"}, Quote(name_) + " is no subcommand");
  const std::string model = folder_.Write(name_ + ".pt", "none");
  ExpectFailure({"build", folder_.Write(name_ + ".txt", MadeCorpus(400)), "--model", model, "--out", absent});
}

INSTANTIATE_TEST_SUITE_P(Names, NamesTest, testing::Values(kLatin, kHostile),
                         [](const auto& name) { return name.param == kLatin ? "NotUtf8" : "Hostile"; });

TEST(UnexpectedTest, TheFirstUnexpectedArgumentIsNamed) {
  const auto complaint = [](const std::vector<std::string>& arguments) {
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, 2);
    return result.err;
  };
  EXPECT_EQ(complaint({"quer", "DIR", "x"}),
            "actkin: \"quer\" is no subcommand of actkin: 'actkin --help' lists them\n");
  EXPECT_THAT(complaint({"info", "DIR", "most", "gr"}),
              AllOf(HasSubstr("\"most\" was not expected"), HasSubstr("in quotes"), Not(HasSubstr("gr\""))));
  EXPECT_THAT(complaint({"info", "DIR", "--jsn"}), HasSubstr("\"--jsn\" is no flag of 'actkin info'"));
  EXPECT_THAT(complaint({"info", "DIR", "--jsn=2", "x"}), HasSubstr("\"--jsn=2\""));
}

class UnreadableTest : public testing::Test {
 protected:
  UnreadableTest() {
    index_ = folder_ / "made.actkin";
    const std::string corpus = folder_.Write("corpus.txt", MadeCorpus(100));
    EXPECT_EQ(RunCommand({"build", corpus, "--out", index_, "--length", "5"}).status, 0);
  }
  // As somebody who may not read everything.
  CommandResult RunUnprivileged(std::vector<std::string> arguments) {
    if (::geteuid() != 0) return RunCommand(arguments);
    arguments.insert(arguments.begin(),
                     {"--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", ACTKIN_COMMAND});
    return RunProgram("/usr/bin/setpriv", arguments);
  }
  void ExpectLine(const std::string& path, const std::string& reason) {
    for (const char* command : {"info", "verify"}) {
      const CommandResult failed = RunUnprivileged({command, index_});
      EXPECT_EQ(failed.status, 1) << failed.out;
      EXPECT_EQ(failed.err, fmt::format("actkin: {}: {}\n", path, reason)) << command << failed.out;
    }
  }

  TemporaryFolder folder_;
  std::string index_;
};

TEST_F(UnreadableTest, TheLineNamesThePathAndTheReason) {
  using std::filesystem::perms;
  const std::string catalog = index_ + "/catalog.db";
  std::filesystem::permissions(folder_.path(), perms::owner_all | perms::others_exec | perms::others_read);
  std::filesystem::permissions(catalog, perms::none);
  ExpectLine(catalog, "cannot be read: Permission denied");
  std::filesystem::permissions(catalog, perms::all);
  std::filesystem::permissions(index_, perms::owner_read | perms::others_read);
  ExpectLine(catalog, "cannot be read: Permission denied");
  std::filesystem::permissions(index_, perms::all);
  std::filesystem::permissions(folder_.path(), perms::owner_read);
  ExpectLine(index_, "cannot be read: Permission denied");
  std::filesystem::permissions(folder_.path(), perms::owner_all);
}

// A reader needs the folder then, for the shared memory of the journal.
TEST_F(UnreadableTest, InWalModeTheFolderIsNamed) {
  using std::filesystem::perms;
  SqliteConnection(index_ + "/catalog.db", SqliteConnection::Mode::kWrite).Execute("PRAGMA journal_mode=WAL");
  std::filesystem::permissions(folder_.path(), perms::owner_all | perms::others_exec | perms::others_read);
  std::filesystem::permissions(index_, perms::owner_read | perms::owner_exec | perms::others_read | perms::others_exec);
  for (const char* command : {"info", "verify"}) {
    const CommandResult failed = RunUnprivileged({command, index_});
    EXPECT_EQ(failed.status, 1) << failed.out;
    EXPECT_EQ(failed.out, "");
    EXPECT_THAT(failed.err, AllOf(HasSubstr(index_ + "/catalog.db"), HasSubstr("its folder cannot be written")));
  }
  std::filesystem::permissions(index_, perms::owner_all);
}

TEST_F(UnreadableTest, AFileThatIsNoDatabaseIsSaidToBeNone) {
  const std::string catalog = index_ + "/catalog.db";
  ReplaceFile(catalog, "no database at all");
  const CommandResult failed = RunCommand({"info", index_});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr(catalog), HasSubstr("not a database"), Not(HasSubstr("-wal"))));
  std::filesystem::remove(catalog);
  std::filesystem::create_symlink("catalog.db", catalog);
  EXPECT_THAT(RunCommand({"info", index_}).err, AllOf(HasSubstr(catalog), HasSubstr("symbolic links")));
}

}  // namespace
}  // namespace actkin
