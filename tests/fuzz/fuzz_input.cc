#include "tests/fuzz/fuzz_input.h"

#include <sys/mman.h>
#include <unistd.h>

namespace actkin {

MemoryFile::MemoryFile() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
  if (descriptor_ < 0) Wrong("no file in memory");
  path_ = "/proc/self/fd/" + std::to_string(descriptor_);
}

void MemoryFile::Write(std::string_view bytes) const {
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    Wrong("cannot write to a file in memory");
  }
}

}  // namespace actkin
