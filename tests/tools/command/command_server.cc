#include "tests/tools/command/command_server.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "indexer/model/torch_backend.h"
#include "storage/machine/file.h"

// The command's.
extern "C" int __real_main(int argc, char** argv);

namespace actkin {
namespace {

// Whether LibTorch is likely to be wanted: loading it for commands that only ask would make their tests slower.
bool WantsLibTorch(const ServedRequest& request) {
  const std::vector<std::string> those{"build", "import", "learn", "train"};
  return request.arguments.size() > 1 && std::ranges::find(those, request.arguments[1]) != those.end();
}

// In a process of its own; never returns.
[[noreturn]] void RunHere(const ServedRequest& request, const ServedStreams& streams) {
  ::dup2(streams.descriptors[ServedStreams::kInput], STDIN_FILENO);
  ::dup2(streams.descriptors[ServedStreams::kOutput], STDOUT_FILENO);
  ::dup2(streams.descriptors[ServedStreams::kErrors], STDERR_FILENO);
  for (const int descriptor : streams.descriptors) ::close(descriptor);
  ::unsetenv(kServedSocket);
  for (const std::string& variable : request.environment) ::putenv(const_cast<char*>(variable.c_str()));
  std::vector<char*> argv;
  for (const std::string& argument : request.arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int status = __real_main(static_cast<int>(request.arguments.size()), argv.data());
#ifndef __SANITIZE_ADDRESS__  // which looks for leaks at the end
  // What LibTorch takes back at a process's end takes longer than a small command.
  std::fflush(nullptr);
  ::_exit(status);
#else
  std::exit(status);
#endif
}

// Returns at the socket's end. Several commands run at once: each has a process that waits for it.
int Serve(int socket) {
  // As the command's main does, before a library of LibTorch's reads it.
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  std::signal(SIGCHLD, SIG_IGN);
  ServedStreams streams;
  while (ReceiveStreams(socket, streams)) {
    const ServedRequest request =
        ServedRequest::Parse(ReadFile("/proc/self/fd/" + std::to_string(streams.descriptors[ServedStreams::kRequest])));
    if (WantsLibTorch(request)) LoadTorchBackend();
    if (::fork() == 0) {
      ::close(socket);
      std::signal(SIGCHLD, SIG_DFL);
      const pid_t command = ::fork();
      if (command == 0) RunHere(request, streams);
      int status = 0;
      ::waitpid(command, &status, 0);
      const bool told = ::write(streams.descriptors[ServedStreams::kStatus], &status, sizeof(status)) == sizeof(status);
      ::_exit(told ? 0 : 1);
    }
    for (const int descriptor : streams.descriptors) ::close(descriptor);
  }
  return 0;
}

}  // namespace
}  // namespace actkin

extern "C" int __wrap_main(int argc, char** argv) {
  const char* socket = std::getenv(actkin::kServedSocket);
  return socket == nullptr ? __real_main(argc, argv) : actkin::Serve(std::atoi(socket));
}
