#include "tools/command/stop_signals.h"

#include <unistd.h>

#include <csignal>

namespace actkin {
namespace {

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void AskToStop(int signal) {
  stop_asked = true;
  std::signal(signal, SIG_DFL);
}

void SayInterrupted(int signal) {
  static constexpr char kLine[] = "\nactkin: interrupted: run the same command again, it continues\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kLine, sizeof(kLine) - 1);
  ::_exit(128 + signal);
}

void Install(void (*handler)(int)) {
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) std::signal(signal, handler);
  }
}

}  // namespace

const std::atomic<bool>& StopOnSignal() {
  Install(AskToStop);
  return stop_asked;
}

void EndOnSignal() { Install(SayInterrupted); }

}  // namespace actkin
