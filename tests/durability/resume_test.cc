// A build that is killed at any of its writes, flushes, renames and commits, and run again, ends as if nothing had
// been.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <csignal>
#include <functional>
#include <map>
#include <optional>
#include <random>

#include "storage/catalog/catalog.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

class ResumeTest : public testing::Test {
 protected:
  ResumeTest() {
    corpus_ = folder_.Write("corpus.txt", MadeCorpus(250));
    model_ = folder_.Write("model.safetensors", SerializeSafetensors(MadeModel()));
  }

  CommandResult Build(const std::string& name, const std::vector<std::string>& environment = {}) {
    return RunCommand({"build", corpus_, "--model", model_, "--out", folder_ / name, "--length", "4", "--t-i", "2,3"},
                      environment);
  }

  // Every file but the catalog, by name; the catalog as sorted rows, without its timing column.
  std::map<std::string, std::string> Contents(const std::string& name) {
    const std::filesystem::path path = folder_ / name;
    std::map<std::string, std::string> contents;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      const std::string file = std::filesystem::relative(entry.path(), path);
      if (entry.is_regular_file() && file != "catalog.db") contents[file] = ReadFile(entry.path());
      if (entry.is_directory()) contents[file] = "folder";
    }
    SqliteConnection connection(path / "catalog.db", SqliteConnection::Mode::kRead);
    SqliteStatement tables(connection.handle(),
                           "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'content_checksum' "
                           "ORDER BY name");  // which sums up timing columns too
    while (tables.Step()) {
      const std::string table = tables.Text(0);
      SqliteStatement columns(connection.handle(),
                              "SELECT group_concat('quote(' || quote(name) || ')', ',') FROM pragma_table_info(?1) "
                              "WHERE name <> 'build_seconds'");
      columns.Bind(table);
      columns.Step();
      std::string names = columns.Text(0);
      std::ranges::replace(names, '\'', '"');
      std::string& rows = contents["table " + table];
      SqliteStatement select(connection.handle(),
                             fmt::format("SELECT json_array({0}) FROM {1} ORDER BY 1", names, table));
      while (select.Step()) rows += select.Text(0) + "\n";
    }
    EXPECT_EQ(connection.Value("PRAGMA journal_mode"), "delete");
    return contents;
  }

  using Command = std::function<CommandResult(const std::string& name, const std::vector<std::string>& environment)>;
  using Steps = std::map<std::string, int>;  // kind of event -> before every how manyth it is killed

  // `undisturbed` is made without a kill; then others, killed before an event, looked at, and continued to the same
  // contents. Returns how many were killed.
  int KilledAndContinued(const Command& build, const Steps& steps,
                         const std::function<void(const std::string&)>& look = nullptr) {
    std::filesystem::remove_all(folder_ / "undisturbed");
    EXPECT_EQ(build("undisturbed", {}).status, 0);
    const std::map<std::string, std::string> expected = Contents("undisturbed");
    int kills = 0;
    for (const auto& [kind, step] : steps) {
      for (int number = 1;; number += step) {
        const std::string name = fmt::format("{}-{}", kind, number);
        const CommandResult stopped = build(name, {fmt::format("ACTKIN_STOP_BEFORE={}:{}", kind, number)});
        if (stopped.status == 0) break;
        EXPECT_EQ(stopped.status, 128 + SIGKILL) << name << ": " << stopped.err;
        if (stopped.status != 128 + SIGKILL) return kills;
        ++kills;
        // A reader sees nothing, or an index that is sound as far as it goes.
        if (std::filesystem::exists((folder_ / name) / "catalog.db")) {
          const CommandResult verified = RunCommand({"verify", folder_ / name});
          EXPECT_EQ(verified.status, 0) << name << ": " << verified.out;
        }
        if (look) look(name);
        const CommandResult continued = build(name, {});
        EXPECT_EQ(continued.status, 0) << name << ": " << continued.err;
        EXPECT_EQ(Contents(name), expected) << "killed before " << kind << " " << number;
        std::filesystem::remove_all(folder_ / name);
      }
    }
    return kills;
  }

  TemporaryFolder folder_;
  std::string corpus_;
  std::string model_;
};

TEST_F(ResumeTest, KilledAtEveryPublishStepAndContinuedItEndsTheSame) {
  const Command build = [&](const std::string& name, const std::vector<std::string>& environment) {
    return Build(name, environment);
  };
  EXPECT_GT(KilledAndContinued(build, {{"write", 37}, {"flush", 17}, {"rename", 5}, {"commit", 1}}), 12);
  EXPECT_GT(Contents("undisturbed").size(), 20U);
}

// Sites over strings and over positions, of which some have rows, are registered together.
TEST_F(ResumeTest, KilledWhileItBuildsOverPositionsItEndsTheSame) {
  const Command build = [&](const std::string& name, const std::vector<std::string>& environment) {
    return RunCommand({"build", corpus_, "--model", model_, "--out", folder_ / name, "--length", "4", "--t-i", "3",
                       "--positions", "--window", "8", "--stride", "3", "--every", "2", "--blocks", "1"},
                      environment);
  };
  EXPECT_GT(KilledAndContinued(build, {{"write", 61}, {"flush", 37}, {"rename", 5}, {"commit", 2}}), 8);
  EXPECT_TRUE(Contents("undisturbed").contains("sites/embedding-b0-positions.vectors"));
}

// A site large enough for sketches gets them after its rows are registered: until then it answers without.
TEST_F(ResumeTest, KilledWhileItMakesSketchesItEndsTheSame) {
  // The characters that the model knows, without the repetition that makes strings few.
  std::mt19937 generator(6);
  const std::vector<std::string> characters{"a", "b", "c", "d", " ", "\n", "\u00e4"};
  std::string text;
  for (int i = 0; i < 6000; ++i) text += characters[generator() % characters.size()];
  const std::string corpus = folder_.Write("large.txt", text);
  const Command build = [&](const std::string& name, const std::vector<std::string>& environment) {
    return RunCommand(
        {"build", corpus, "--model", model_, "--out", folder_ / name, "--length", "6", "--streams", "ffwd"},
        environment);
  };
  const auto query = [&](const std::string& name) {
    return RunForJson({"query", folder_ / name, "abba c", "--metric", "cosine", "-k", "50", "--json"});
  };
  std::optional<nlohmann::json> answer;
  int without_sketches = 0;
  const auto look = [&](const std::string& name) {
    if (!answer) answer = query("undisturbed");
    if (!std::filesystem::exists((folder_ / name) / "sites/ffwd-b1-t5.vectors") ||
        RunForJson({"info", folder_ / name, "--json"})["sites"].size() != 2) {
      return;
    }
    ++without_sketches;
    EXPECT_EQ(query(name), *answer) << name;
  };
  KilledAndContinued(build, {{"write", 83}, {"rename", 1}, {"commit", 1}}, look);
  EXPECT_TRUE(Contents("undisturbed").contains("sites/ffwd-b1-t5.sketches"));
  EXPECT_GT(without_sketches, 3);
}

// Rows that are rounded, and rows that are gone once they have sketches: of these a reader sees all or nothing.
TEST_F(ResumeTest, KilledWhateverRowsAreKeptAsItEndsTheSame) {
  std::mt19937 generator(7);
  const std::vector<std::string> characters{"a", "b", "c", "d", " ", "\n", "\u00e4"};
  std::string text;
  for (int i = 0; i < 5500; ++i) text += characters[generator() % characters.size()];
  const std::string corpus = folder_.Write("large.txt", text);
  for (const char* element : {"int8", "none"}) {
    const Command build = [&](const std::string& name, const std::vector<std::string>& environment) {
      return RunCommand({"build", corpus, "--model", model_, "--out", folder_ / name, "--length", "6", "--streams",
                         "ffwd", "--rows", element},
                        environment);
    };
    EXPECT_GT(KilledAndContinued(build, {{"write", 151}, {"rename", 5}, {"commit", 2}}), 4);
    const std::map<std::string, std::string> kept = Contents("undisturbed");
    EXPECT_TRUE(kept.contains("sites/ffwd-b1-t5.sketches"));
    EXPECT_EQ(kept.contains("sites/ffwd-b1-t5.vectors"), element == std::string("int8"));
  }
}

TEST_F(ResumeTest, WhatAReaderSeesChangesOnlyAtTheEnd) {
  ASSERT_EQ(RunCommand({"build", corpus_, "--model", model_, "--out", folder_ / "x", "--length", "4"}).status, 0);
  const auto sites = [&] { return RunForJson({"info", folder_ / "x", "--json"})["sites"]; };
  const nlohmann::json before = sites();
  EXPECT_EQ(Build("x", {"ACTKIN_STOP_BEFORE=commit:1"}).status, 137);
  EXPECT_EQ(sites(), before);
  EXPECT_THAT(RunCommand({"verify", folder_ / "x"}).status, 0);
  EXPECT_EQ(Build("x").status, 0);
  EXPECT_GT(sites().size(), before.size());
}

TEST_F(ResumeTest, UnfinishedWorkOfAnotherBuildIsNamedAndKept) {
  EXPECT_EQ(Build("x", {"ACTKIN_STOP_BEFORE=commit:3"}).status, 137);
  const CommandResult other =
      RunCommand({"build", corpus_, "--model", model_, "--out", folder_ / "x", "--streams", "embedding"});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_THAT(other.err, testing::HasSubstr("partial/capture-"));
  EXPECT_FALSE(RunForJson({"info", folder_ / "x", "--json"})["unfinished"].empty());
  EXPECT_EQ(Build("x").status, 0);
  EXPECT_TRUE(RunForJson({"info", folder_ / "x", "--json"})["unfinished"].empty());
}

}  // namespace
}  // namespace actkin
