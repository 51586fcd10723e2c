#include "tools/benchmarks/command_call.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

void RunQueryCommand(const std::filesystem::path& directory, const Site& site, const std::string& prompt,
                     std::uint64_t k, int threads) {
  std::vector<std::string> words = {
      ACTKIN_COMMAND,           "query", directory.string(), "--stream",  std::string(Name(site.stream)), "--t-i",
      std::to_string(site.t_i), "-k",    std::to_string(k),  "--threads", std::to_string(threads)};
  if (site.stream != Stream::kEmbedding) {
    words.emplace_back("--block");
    words.push_back(std::to_string(site.block));
  }
  words.insert(words.end(), {"--", prompt});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t process = 0;
  const int error = ::posix_spawn(&process, ACTKIN_COMMAND, &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Fail("{}: cannot be run", ACTKIN_COMMAND);
  int status = 0;
  if (::waitpid(process, &status, 0) != process || status != 0) {
    Fail("'{} query {} ... {}' failed", ACTKIN_COMMAND, directory.string(), Quote(prompt));
  }
}

}  // namespace actkin
