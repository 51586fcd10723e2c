#include "indexer/torch_backend.h"

#include <dlfcn.h>
#include <malloc.h>

#include <string>
#include <vector>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr char kLibrary[] = "libactkin_torch.so";

std::vector<std::filesystem::path> Folders() {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const char* relative : {".", "../lib", "../lib/actkin", "../../lib"}) {
      folders.push_back(program.parent_path() / relative);
    }
  }
#ifdef ACTKIN_TORCH_FOLDER
  folders.emplace_back(ACTKIN_TORCH_FOLDER);
#endif
  return folders;
}

std::filesystem::path FindLibrary() {
  const std::vector<std::filesystem::path> folders = Folders();
  for (const std::filesystem::path& folder : folders) {
    std::error_code error;
    const std::filesystem::path path = folder / kLibrary;
    if (std::filesystem::is_regular_file(path, error)) return path.lexically_normal();
  }
  std::vector<std::string> names;
  for (const std::filesystem::path& folder : folders) names.push_back(folder.lexically_normal().string());
  Fail("{}: not found in {}", kLibrary, fmt::join(names, ", "));
}

// glibc gives every large tensor back to the kernel as soon as it is freed; fetching the pages again costs up to 40 %
// of a forward pass. The threshold is the largest that glibc takes.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

const TorchBackend& Load() {
  const std::filesystem::path path = FindLibrary();
  KeepFreedMemory();
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Fail("{}: cannot be loaded: {}", path.string(), ::dlerror());
  void* symbol = ::dlsym(library, "actkin_torch_backend");
  if (symbol == nullptr) Fail("{}: is not actkin's: {}", path.string(), ::dlerror());
  return *reinterpret_cast<const TorchBackend* (*)()>(symbol)();
}

}  // namespace

const TorchBackend& LoadTorchBackend() {
  static const TorchBackend& backend = Load();
  return backend;
}

}  // namespace actkin
