#include "query/row_workers.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace actkin {

int UsefulThreads(RowRange rows, std::uint64_t piece, int threads) {
  const std::uint64_t pieces = (rows.size() + piece - 1) / piece;
  return static_cast<int>(std::clamp<std::uint64_t>(pieces, 1, static_cast<std::uint64_t>(std::max(threads, 1))));
}

void ForEachPiece(RowRange rows, std::uint64_t piece, int workers, const std::function<void(int, RowRange)>& work) {
  std::atomic<std::uint64_t> next = rows.begin;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto run = [&](int worker) {
    try {
      while (true) {
        const std::uint64_t begin = next.fetch_add(piece);
        if (begin >= rows.end) return;
        work(worker, {begin, std::min(begin + piece, rows.end)});
      }
    } catch (...) {
      next = rows.end;
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(workers - 1));
    try {
      for (int worker = 1; worker < workers; ++worker) threads.emplace_back(run, worker);
    } catch (const std::system_error&) {
      // The system gives no more threads: those there are do the work.
    }
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace actkin
