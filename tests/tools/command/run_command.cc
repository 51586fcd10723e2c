#include "tests/tools/command/run_command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "storage/machine/file.h"
#include "tests/durability/fault_file_system.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/command_server.h"

namespace actkin {

namespace {

// The standard streams of a command: a file that it reads, and those that get what it writes.
class StreamFiles {
 public:
  explicit StreamFiles(const std::string& input)
      : input_(::open(input.c_str(), O_RDONLY | O_CLOEXEC)), output_(Create("out")), errors_(Create("err")) {}
  ~StreamFiles() {
    for (const int descriptor : {input_, output_, errors_}) ::close(descriptor);
  }
  StreamFiles(const StreamFiles&) = delete;
  StreamFiles& operator=(const StreamFiles&) = delete;

  int input() const { return input_; }
  int output() const { return output_; }
  int errors() const { return errors_; }

  // status: as waitpid has it
  CommandResult Result(int status) const {
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), ReadFile(folder_ / "out"),
            ReadFile(folder_ / "err")};
  }

 private:
  int Create(const char* name) const { return ::open((folder_ / name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600); }

  TemporaryFolder folder_;
  int input_;
  int output_;
  int errors_;
};

CommandResult RunOn(const std::string& input, const std::string& path, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment) {
  const StreamFiles streams(input);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(streams.input(), STDIN_FILENO);
    ::dup2(streams.output(), STDOUT_FILENO);
    ::dup2(streams.errors(), STDERR_FILENO);
    std::vector<char*> argv{const_cast<char*>(path.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    ::execv(path.c_str(), argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return streams.Result(status);
}

// A process of a program that serves, which ends with this one. Any thread may ask it.
class CommandServer {
 public:
  explicit CommandServer(std::string path) : path_(std::move(path)) {
    std::array<int, 2> sockets;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()), 0);
    socket_ = sockets[0];
    const std::string variable = std::string(kServedSocket) + "=" + std::to_string(sockets[1]);
    if (::fork() == 0) {
      ::fcntl(sockets[1], F_SETFD, 0);
      ::putenv(const_cast<char*>(variable.c_str()));
      ::execl(path_.c_str(), path_.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(sockets[1]);
  }

  CommandResult Run(const std::string& input, const std::vector<std::string>& arguments,
                    const std::vector<std::string>& environment) const {
    ServedRequest request{{path_}, environment};
    request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
    const TemporaryFolder folder;
    const int written = ::open(folder.Write("request", request.Text()).c_str(), O_RDONLY | O_CLOEXEC);
    const StreamFiles streams(input);
    std::array<int, 2> pipe;
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    EXPECT_TRUE(SendStreams(socket_, {{written, streams.input(), streams.output(), streams.errors(), pipe[1]}}));
    ::close(written);
    ::close(pipe[1]);
    int status = -1;
    EXPECT_EQ(::read(pipe[0], &status, sizeof(status)), static_cast<ssize_t>(sizeof(status))) << path_ << " has ended";
    ::close(pipe[0]);
    return streams.Result(status);
  }

 private:
  std::string path_;
  int socket_ = -1;
};

// environment: nothing, or what has orders for the file system.
CommandResult RunServed(const std::string& input, const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment) {
  if (environment.empty()) {
    static const CommandServer server(ACTKIN_SERVED);
    return server.Run(input, arguments, environment);
  }
  static const CommandServer server(ACTKIN_WITH_FAULTS);
  return server.Run(input, arguments, environment);
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
  if (breaks || environment.empty()) return RunServed("/dev/null", arguments, environment);
  return RunProgram(ACTKIN_COMMAND, arguments, environment);
}

CommandResult RunCommandOn(const std::string& input, const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  return RunServed(folder.Write("in", input), arguments, {});
}

nlohmann::json RunForJson(const std::vector<std::string>& arguments) {
  const CommandResult result = RunCommand(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

}  // namespace actkin
