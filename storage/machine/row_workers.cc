#include "storage/machine/row_workers.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "schema/error.h"
#include "storage/machine/stop_scope.h"

namespace actkin {

int UsefulThreads(RowRange rows, std::uint64_t piece, int threads) {
  const std::uint64_t pieces = (rows.size() + piece - 1) / piece;
  return static_cast<int>(std::clamp<std::uint64_t>(pieces, 1, static_cast<std::uint64_t>(std::max(threads, 1))));
}

WorkTeam::WorkTeam(int workers) {
  threads_.reserve(static_cast<std::size_t>(workers - 1));
  try {
    for (int worker = 1; worker < workers; ++worker) threads_.emplace_back([this, worker] { Serve(worker); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those there are do the work.
  }
  size_ = static_cast<int>(threads_.size()) + 1;
}

WorkTeam::~WorkTeam() {
  ended_ = true;
  ++step_;
  step_.notify_all();
}

void WorkTeam::Serve(int worker) {
  for (std::uint32_t seen = 0;; ++seen) {
    step_.wait(seen);
    if (ended_) return;
    TakePieces(worker);
    if (--working_ != 0) continue;
    working_.notify_one();
    const std::lock_guard lock(failure_mutex_);
    others_ended_.notify_one();
  }
}

void WorkTeam::TakePieces(int worker) {
  const StopScope scope(stop_);
  try {
    while (true) {
      const std::uint64_t begin = next_.fetch_add(piece_);
      if (begin >= rows_.end) return;
      if (worker == 0 && look_ != nullptr) (*look_)();
      if (stop_ != nullptr && *stop_) Fail(ErrorCode::kInterrupted, "interrupted");
      (*work_)(worker, {begin, std::min(begin + piece_, rows_.end)});
    }
  } catch (...) {
    next_ = rows_.end;
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

void WorkTeam::ForEachPiece(RowRange rows, std::uint64_t piece, const std::function<void(int, RowRange)>& work) {
  rows_ = rows;
  piece_ = piece;
  work_ = &work;
  stop_ = StopScope::Current();
  look_ = LookScope::Current();
  next_ = rows.begin;
  failure_ = nullptr;
  // A step with one piece wakes nobody.
  if (threads_.empty() || rows.size() <= piece) {
    TakePieces(0);
  } else {
    working_ = size_ - 1;
    ++step_;
    step_.notify_all();
    TakePieces(0);
    WaitForOthers();
  }
  if (failure_) std::rethrow_exception(failure_);
}

void WorkTeam::WaitForOthers() {
  if (look_ == nullptr) {
    for (int left = working_; left != 0; left = working_) working_.wait(left);
    return;
  }
  // Whoever looks does so while the others work, too.
  std::unique_lock lock(failure_mutex_);
  while (working_ != 0) {
    if (others_ended_.wait_for(lock, std::chrono::milliseconds(10), [this] { return working_ == 0; })) break;
    lock.unlock();
    (*look_)();
    lock.lock();
  }
}

void ForEachPiece(RowRange rows, std::uint64_t piece, int workers, const std::function<void(int, RowRange)>& work) {
  WorkTeam(workers).ForEachPiece(rows, piece, work);
}

}  // namespace actkin
