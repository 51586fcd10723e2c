#include "indexer/model/kept_memory.h"

#include <malloc.h>

namespace actkin {

void KeepFreedMemory() {
  // The threshold is the largest that glibc takes.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

}  // namespace actkin
