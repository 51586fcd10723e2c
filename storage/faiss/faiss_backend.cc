#include "storage/faiss/faiss_backend.h"

#include "storage/machine/own_library.h"

namespace actkin {

const FaissBackend& LoadFaissBackend() {
  static const FaissBackend& backend =
      *reinterpret_cast<const FaissBackend* (*)()>(LoadOwnLibrary("libactkin_faiss.so", "actkin_faiss_backend"))();
  return backend;
}

}  // namespace actkin
