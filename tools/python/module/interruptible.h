#ifndef ACTKIN_TOOLS_PYTHON_MODULE_INTERRUPTIBLE_H_
#define ACTKIN_TOOLS_PYTHON_MODULE_INTERRUPTIBLE_H_

#include <nanobind/nanobind.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>

namespace actkin {

// Only a process' first thread runs Python's signal handlers.
inline bool OnMainThread() { return ::gettid() == ::getpid(); }

// Calls action() without the interpreter's lock. On the main thread a signal whose handler raises (Ctrl-C) calls
// interrupt(), again and again until the action ends, and the handler's exception is what is thrown. The action runs on
// a thread of its own then: one that runs it cannot look out for signals too. action: returns no Python object and
// touches none. REQUIRES: the caller holds the interpreter's lock.
template <typename Action, typename Interrupt>
auto RunInterruptibly(const Action& action, const Interrupt& interrupt) {
  using Result = std::invoke_result_t<Action>;
  if (!OnMainThread()) {
    const nanobind::gil_scoped_release release;
    return action();
  }
  std::conditional_t<std::is_void_v<Result>, std::optional<bool>, std::optional<Result>> result;
  std::exception_ptr failure;
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::jthread worker([&] {
    try {
      if constexpr (std::is_void_v<Result>) {
        action();
      } else {
        result = action();
      }
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    done = true;
    ended.notify_one();
  });
  // How soon Ctrl-C is heard.
  constexpr auto kPause = std::chrono::milliseconds(20);
  bool interrupted = false;
  while (true) {
    {
      const nanobind::gil_scoped_release release;
      std::unique_lock lock(mutex);
      ended.wait_for(lock, kPause, [&] { return done; });
      if (done) break;
    }
    if (!interrupted) interrupted = PyErr_CheckSignals() != 0;
    if (interrupted) interrupt();
  }
  worker.join();
  if (interrupted) throw nanobind::python_error();
  if (failure) std::rethrow_exception(failure);
  if constexpr (!std::is_void_v<Result>) return std::move(*result);
}

}  // namespace actkin

#endif  // ACTKIN_TOOLS_PYTHON_MODULE_INTERRUPTIBLE_H_
