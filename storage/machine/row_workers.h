#ifndef ACTKIN_STORAGE_MACHINE_ROW_WORKERS_H_
#define ACTKIN_STORAGE_MACHINE_ROW_WORKERS_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "schema/site.h"

namespace actkin {

// How many of `threads` have work when `rows` are handed out in pieces of `piece` rows; at least 1.
int UsefulThreads(RowRange rows, std::uint64_t piece, int threads);

// Threads that go through rows together, one step of work after the other. Used by one thread at a time, which works
// too. Starting a thread costs some 20 microseconds, a step of a running team two or three.
class WorkTeam {
 public:
  // Starts workers - 1 threads, or as many as the system gives. REQUIRES: workers > 0.
  explicit WorkTeam(int workers);
  ~WorkTeam();
  WorkTeam(const WorkTeam&) = delete;
  WorkTeam& operator=(const WorkTeam&) = delete;

  // At most so many call the work at once.
  int size() const { return size_; }

  // Calls work(worker, rows) for pieces that together are `rows`; a worker (0..size()-1) gets its pieces one after the
  // other, in ascending order. Returns when all are done; an exception of the work is thrown here, after the other
  // workers have stopped, and Error kInterrupted where the caller's StopScope says so, which holds for teams that the
  // work itself asks, on any thread. The caller's LookScope is heard meanwhile, at least every 10 ms where no piece of
  // the caller's own takes longer. REQUIRES: piece > 0.
  void ForEachPiece(RowRange rows, std::uint64_t piece, const std::function<void(int, RowRange)>& work);

 private:
  void Serve(int worker);
  void TakePieces(int worker);
  void WaitForOthers();

  int size_ = 1;
  // The step at hand.
  RowRange rows_;
  std::uint64_t piece_ = 1;
  const std::function<void(int, RowRange)>* work_ = nullptr;
  const std::atomic<bool>* stop_ = nullptr;
  const std::function<void()>* look_ = nullptr;
  std::atomic<std::uint64_t> next_ = 0;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  // Counts steps; the threads wait for the next. The caller waits until all have left the last.
  std::atomic<std::uint32_t> step_ = 0;
  std::atomic<int> working_ = 0;
  std::condition_variable others_ended_;
  std::atomic<bool> ended_ = false;
  std::vector<std::jthread> threads_;
};

// The same with a team of its own. REQUIRES: piece > 0, workers > 0.
void ForEachPiece(RowRange rows, std::uint64_t piece, int workers, const std::function<void(int, RowRange)>& work);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_ROW_WORKERS_H_
