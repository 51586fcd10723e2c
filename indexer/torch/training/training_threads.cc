#include "indexer/torch/training/training_threads.h"

namespace actkin {

TrainingThreads::TrainingThreads(int count) : errors_(static_cast<std::size_t>(count)) {
  for (int number = 1; number < count; ++number) threads_.emplace_back([this, number] { Serve(number); });
}

TrainingThreads::~TrainingThreads() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TrainingThreads::Run(const std::function<void(int)>& work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = &work;
    running_ = static_cast<int>(threads_.size());
    ++round_;
  }
  begin_.notify_all();
  Do(0);
  {
    std::unique_lock lock(mutex_);
    end_.wait(lock, [this] { return running_ == 0; });
  }
  std::exception_ptr first;
  for (std::exception_ptr& error : errors_) {
    if (error && !first) first = error;
    error = nullptr;
  }
  if (first) std::rethrow_exception(first);
}

void TrainingThreads::Do(int number) {
  try {
    (*work_)(number);
  } catch (...) {
    errors_[static_cast<std::size_t>(number)] = std::current_exception();
  }
}

void TrainingThreads::Serve(int number) {
  for (std::uint64_t served = 0;;) {
    {
      std::unique_lock lock(mutex_);
      begin_.wait(lock, [&] { return closing_ || round_ != served; });
      if (closing_) return;
      served = round_;
    }
    Do(number);
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) end_.notify_one();
  }
}

}  // namespace actkin
