#ifndef ACTKIN_TESTS_DURABILITY_KILLED_CHILD_H_
#define ACTKIN_TESTS_DURABILITY_KILLED_CHILD_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace actkin {

// Calls `work` in a child that kills itself before its event-th write, flush or rename (fault_file_system.h). Whether
// it came so far; a child that ended in another way fails the test.
template <typename Work>
bool KilledBefore(int event, const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("ACTKIN_STOP_BEFORE", std::to_string(event).c_str(), 1);
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const bool killed = WIFSIGNALED(status);
  EXPECT_TRUE(killed ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0) << "before event " << event;
  return killed;
}

}  // namespace actkin

#endif  // ACTKIN_TESTS_DURABILITY_KILLED_CHILD_H_
