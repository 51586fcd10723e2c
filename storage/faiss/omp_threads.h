#ifndef ACTKIN_STORAGE_FAISS_OMP_THREADS_H_
#define ACTKIN_STORAGE_FAISS_OMP_THREADS_H_

namespace actkin {

// While it lives, FAISS works for the calling thread with this many of OpenMP's threads. Where it multiplies matrices,
// OpenBLAS is held to one, for the two would compete. OpenBLAS's number is the whole process's, which may be somebody
// else's: both are put back.
class OmpThreads {
 public:
  OmpThreads(int threads, bool multiplies);
  ~OmpThreads();
  OmpThreads(const OmpThreads&) = delete;
  OmpThreads& operator=(const OmpThreads&) = delete;

 private:
  int omp_before_;
  int blas_before_ = 0;  // 0: left alone
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_FAISS_OMP_THREADS_H_
