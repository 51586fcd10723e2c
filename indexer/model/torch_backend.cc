#include "indexer/model/torch_backend.h"

#include "indexer/model/blas_kernels.h"
#include "indexer/model/kept_memory.h"
#include "storage/machine/own_library.h"

namespace actkin {
namespace {

const TorchBackend& LoadTorch() {
  KeepFreedMemory();
  ChooseBlasKernels();
  void* symbol = LoadOwnLibrary("libactkin_torch.so", "actkin_torch_backend");
  return *reinterpret_cast<const TorchBackend* (*)()>(symbol)();
}

}  // namespace

const TorchBackend& LoadTorchBackend() {
  static const TorchBackend& backend = LoadTorch();
  return backend;
}

}  // namespace actkin
