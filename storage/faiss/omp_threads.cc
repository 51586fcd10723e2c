#include "storage/faiss/omp_threads.h"

#include <omp.h>

// Of OpenBLAS, which is FAISS's BLAS.
extern "C" {
void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);
}

namespace actkin {

OmpThreads::OmpThreads(int threads, bool multiplies) : omp_before_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
  if (multiplies) {
    blas_before_ = openblas_get_num_threads();
    openblas_set_num_threads(1);
  }
}

OmpThreads::~OmpThreads() {
  omp_set_num_threads(omp_before_);
  if (blas_before_ > 0) openblas_set_num_threads(blas_before_);
}

}  // namespace actkin
