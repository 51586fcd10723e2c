#ifndef ACTKIN_INDEXER_MODEL_KEPT_MEMORY_H_
#define ACTKIN_INDEXER_MODEL_KEPT_MEMORY_H_

namespace actkin {

// glibc gives every large matrix back to the kernel as soon as it is freed; fetching the pages again costs up to 40 %
// of a forward pass. From here on it keeps what it can. For programs of our own; any thread.
void KeepFreedMemory();

}  // namespace actkin

#endif  // ACTKIN_INDEXER_MODEL_KEPT_MEMORY_H_
