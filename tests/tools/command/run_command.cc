#include "tests/tools/command/run_command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "storage/machine/file.h"
#include "tests/durability/fault_file_system.h"
#include "tests/temporary_folder.h"

namespace actkin {

namespace {

// input: the file that is its standard input.
CommandResult RunOn(const std::string& input, const std::string& path, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment) {
  const TemporaryFolder folder;
  const std::string out = folder / "out";
  const std::string err = folder / "err";
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open(input.c_str(), O_RDONLY), STDIN_FILENO);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    std::vector<char*> argv{const_cast<char*>(path.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    ::execv(path.c_str(), argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), ReadFile(out), ReadFile(err)};
}

}  // namespace

CommandResult RunProgram(const std::string& path, const std::vector<std::string>& arguments,
                         const std::vector<std::string>& environment) {
  return RunOn("/dev/null", path, arguments, environment);
}

CommandResult RunCommand(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  const bool breaks = std::ranges::any_of(environment, [](const std::string& variable) {
    return std::ranges::any_of(kFaultOrders, [&](std::string_view order) { return variable.starts_with(order); });
  });
  return RunProgram(breaks ? ACTKIN_WITH_FAULTS : ACTKIN_COMMAND, arguments, environment);
}

CommandResult RunCommandOn(const std::string& input, const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  return RunOn(folder.Write("in", input), ACTKIN_COMMAND, arguments, {});
}

nlohmann::json RunForJson(const std::vector<std::string>& arguments) {
  const CommandResult result = RunCommand(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

}  // namespace actkin
