#include "indexer/model/forward_backend.h"

#include "indexer/model/blas_kernels.h"
#include "indexer/model/kept_memory.h"
#include "storage/machine/own_library.h"

namespace actkin {
namespace {

const ForwardBackend& LoadForward() {
  KeepFreedMemory();
  ChooseBlasKernels();
  void* symbol = LoadOwnLibrary("libactkin_forward.so", "actkin_forward_backend");
  return *reinterpret_cast<const ForwardBackend* (*)()>(symbol)();
}

}  // namespace

const ForwardBackend& LoadForwardBackend() {
  static const ForwardBackend& backend = LoadForward();
  return backend;
}

}  // namespace actkin
