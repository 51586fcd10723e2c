#include "indexer/model/torch_backend.h"

#include <malloc.h>

#include "indexer/model/blas_kernels.h"
#include "storage/machine/own_library.h"

namespace actkin {
namespace {

// glibc gives every large tensor back to the kernel as soon as it is freed; fetching the pages again costs up to 40 %
// of a forward pass. The threshold is the largest that glibc takes.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

const TorchBackend& Load() {
  KeepFreedMemory();
  ChooseBlasKernels();
  void* symbol = LoadOwnLibrary("libactkin_torch.so", "actkin_torch_backend");
  return *reinterpret_cast<const TorchBackend* (*)()>(symbol)();
}

}  // namespace

const TorchBackend& LoadTorchBackend() {
  static const TorchBackend& backend = Load();
  return backend;
}

}  // namespace actkin
