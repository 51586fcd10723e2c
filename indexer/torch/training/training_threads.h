#ifndef ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_THREADS_H_
#define ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_THREADS_H_

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace actkin {

// A fixed team of threads that do the same work side by side, the caller being one of them. One caller at a time.
class TrainingThreads {
 public:
  explicit TrainingThreads(int count);
  ~TrainingThreads();
  TrainingThreads(const TrainingThreads&) = delete;
  TrainingThreads& operator=(const TrainingThreads&) = delete;

  int count() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls work(0) ... work(count() - 1), each in a thread of its own and always the same one, and returns when all have
  // returned. What one of them throws, it throws: the first by number.
  void Run(const std::function<void(int)>& work);

 private:
  void Serve(int number);
  void Do(int number);

  std::vector<std::thread> threads_;
  std::vector<std::exception_ptr> errors_;
  std::mutex mutex_;
  std::condition_variable begin_;
  std::condition_variable end_;
  const std::function<void(int)>* work_ = nullptr;
  std::uint64_t round_ = 0;
  int running_ = 0;
  bool closing_ = false;
};

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TORCH_TRAINING_TRAINING_THREADS_H_
