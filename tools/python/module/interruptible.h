#ifndef ACTKIN_TOOLS_PYTHON_MODULE_INTERRUPTIBLE_H_
#define ACTKIN_TOOLS_PYTHON_MODULE_INTERRUPTIBLE_H_

#include <nanobind/nanobind.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "storage/machine/stop_scope.h"

namespace actkin {

// Only a process' first thread runs Python's signal handlers.
inline bool OnMainThread() { return ::gettid() == ::getpid(); }

// How soon Ctrl-C is heard.
inline constexpr auto kSignalPause = std::chrono::milliseconds(20);

// For questions, of which most take less time than to start a thread: calls action(stop) without the interpreter's
// lock, on the calling thread. On the main thread a signal whose handler raises (Ctrl-C) makes `stop` true, and the
// handler's exception is what is thrown. Signals are looked for between pieces of work over rows (LookScope). A handler
// may run within the action: it must not wait for what the action holds. action: returns no Python object and touches
// none. REQUIRES: the caller holds the interpreter's lock.
template <typename Action>
auto RunLookingOut(const Action& action) {
  using Result = std::invoke_result_t<Action, const std::atomic<bool>&>;
  std::atomic<bool> stop = false;
  if (!OnMainThread()) {
    const nanobind::gil_scoped_release release;
    return action(stop);
  }
  auto looked = std::chrono::steady_clock::now();
  const std::function<void()> look = [&] {
    const auto now = std::chrono::steady_clock::now();
    if (stop || now - looked < kSignalPause) return;
    looked = now;
    const nanobind::gil_scoped_acquire acquire;
    stop = PyErr_CheckSignals() != 0;
  };
  std::optional<Result> result;
  {
    const nanobind::gil_scoped_release release;
    const LookScope scope(look);
    try {
      result = action(stop);
    } catch (...) {
      if (!stop) throw;
    }
  }
  if (stop) throw nanobind::python_error();
  return std::move(*result);
}

// For what takes its time, or hears of an end in its own way: calls action() without the interpreter's lock. On the
// main thread a signal whose handler raises (Ctrl-C) calls interrupt(), again and again until the action ends, and the
// handler's exception is what is thrown. The action runs on a thread of its own then: one that runs it cannot look out
// for signals too. action: returns no Python object and touches none. REQUIRES: the caller holds the interpreter's
// lock.
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
  bool interrupted = false;
  while (true) {
    {
      const nanobind::gil_scoped_release release;
      std::unique_lock lock(mutex);
      ended.wait_for(lock, kSignalPause, [&] { return done; });
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
