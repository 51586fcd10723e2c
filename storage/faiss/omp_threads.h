#ifndef ACTKIN_STORAGE_FAISS_OMP_THREADS_H_
#define ACTKIN_STORAGE_FAISS_OMP_THREADS_H_

#include <functional>

namespace actkin {

// libgomp keeps the team that a thread of the caller's once asked for, and after fork() the child has the record of it
// but not its threads: the next region that wants them never ends. So no thread of the caller's is ever given a team:
// searches run on one of OpenMP's threads each, and what is built is built on a thread of its own.

// While it lives, FAISS works for the calling thread with this many of OpenMP's threads.
class OmpThreads {
 public:
  explicit OmpThreads(int threads);
  ~OmpThreads();
  OmpThreads(const OmpThreads&) = delete;
  OmpThreads& operator=(const OmpThreads&) = delete;

 private:
  int before_;
};

// While it lives, OpenBLAS multiplies on one thread, for it would compete with the threads that call it. Its number is
// the whole process's, which may be somebody else's: it is put back.
class OneBlasThread {
 public:
  OneBlasThread();
  ~OneBlasThread();
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;

 private:
  int before_;
};

// Runs the action on a thread of its own, whose team of OpenMP's threads ends with it, and waits. Throws what it
// throws.
void OnOwnThread(const std::function<void()>& action);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_OMP_THREADS_H_
