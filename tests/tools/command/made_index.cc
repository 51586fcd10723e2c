#include "tests/tools/command/made_index.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {

void MadeIndexTest::MakeIndex(std::size_t characters, const std::string& t_i) {
  folder_ = std::make_unique<TemporaryFolder>();
  folder_->Write("corpus.txt", MadeCorpus(characters));
  folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
  const CommandResult built =
      RunCommand({"build", Corpus(), "--model", Model(), "--out", Index(), "--length", "5", "--t-i", t_i});
  ASSERT_EQ(built.status, 0) << built.err;
}

std::string MadeIndexTest::Copy(const std::string& name) {
  const std::string copy = *folder_ / name;
  std::filesystem::remove_all(copy);
  std::filesystem::copy(Index(), copy, std::filesystem::copy_options::recursive);
  return copy;
}

std::vector<std::string> MadeIndexTest::Arguments(const std::string& command, const std::string& index,
                                                  const std::vector<std::string>& more) {
  std::vector<std::string> arguments{command, index, "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

nlohmann::json MadeIndexTest::Run(const std::string& command, const std::string& index,
                                  const std::vector<std::string>& more) {
  return RunForJson(Arguments(command, index, more));
}

std::string MadeIndexTest::Query(const std::string& index, const std::string& sql) {
  return SqliteConnection(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kRead)
      .Value(sql)
      .value_or("");
}

std::string MadeIndexTest::Rows(const std::string& index, const std::string& table) {
  SqliteConnection connection(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kRead);
  EXPECT_EQ(connection.Value("PRAGMA journal_mode"), "delete");
  SqliteStatement columns(connection.handle(),
                          "SELECT group_concat('quote(' || name || ')', ',') FROM pragma_table_info(?1)");
  columns.Bind(table);
  columns.Step();
  SqliteStatement select(connection.handle(),
                         fmt::format("SELECT json_array({}) FROM {} ORDER BY 1", columns.Text(0), table));
  std::string rows;
  while (select.Step()) rows += select.Text(0) + "\n";
  return rows;
}

std::map<std::string, std::string> MadeIndexTest::Experiments(const std::string& index) {
  std::map<std::string, std::string> files;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(index) / "experiments", absent)) {
    files[entry.path().filename()] = ReadFile(entry.path());
  }
  return files;
}

void MadeIndexTest::ExpectFailure(const std::vector<std::string>& arguments, int status, const std::string& part) {
  const CommandResult failed = RunCommand(arguments);
  EXPECT_EQ(failed.status, status) << failed.err;
  EXPECT_THAT(failed.err, testing::HasSubstr(part));
  EXPECT_EQ(std::ranges::count(failed.err, '\n'), 1) << failed.err;
}

void MadeIndexTest::ExpectSound(const std::string& index) {
  const CommandResult verified = RunCommand({"verify", index});
  EXPECT_EQ(verified.status, 0) << verified.out;
}

void MadeIndexTest::ExpectTidy(const std::string& index) {
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(index) / "partial"));
}

void MadeIndexTest::ExpectKilledEndsTheSame(const std::string& command, const std::vector<std::string>& more,
                                            int step) {
  const nlohmann::json expected = Run(command, Copy("undisturbed.actkin"), more);
  int kills = 0;
  for (int number = 1; number < 200; number += step) {
    const std::string index = Copy("killed.actkin");
    const CommandResult stopped =
        RunCommand(Arguments(command, index, more), {fmt::format("ACTKIN_STOP_BEFORE={}", number)});
    if (stopped.status == 0) break;
    ASSERT_EQ(stopped.status, 128 + SIGKILL) << stopped.err;
    ++kills;
    EXPECT_EQ(Run(command, index, more), expected) << "killed before " << number;
    ExpectSound(index);
    ExpectTidy(index);
  }
  EXPECT_GT(kills, 3);
}

}  // namespace actkin
