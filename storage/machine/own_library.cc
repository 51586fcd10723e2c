#include "storage/machine/own_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "schema/error.h"

namespace actkin {
namespace {

std::vector<std::filesystem::path> Folders() {
  std::vector<std::filesystem::path> folders;
  const auto add = [&](const std::filesystem::path& folder) {
    const std::filesystem::path normal = folder.lexically_normal();
    if (std::ranges::find(folders, normal) == folders.end()) folders.push_back(normal);
  };
  const auto add_around = [&](const std::filesystem::path& file) {
    for (const char* relative : {".", "../lib", "../lib/actkin", "../../lib"}) add(file.parent_path() / relative);
  };
  // For a program this may be the bare word that it was started by: then the next two lines find it.
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&LoadOwnLibrary), &info) != 0 && info.dli_fname != nullptr) {
    std::error_code error;
    const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, error);
    if (!error) add_around(file);
  }
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) add_around(program);
#ifdef ACTKIN_LIBRARY_FOLDER
  add(ACTKIN_LIBRARY_FOLDER);
#endif
  return folders;
}

std::filesystem::path FindLibrary(const char* file) {
  const std::vector<std::filesystem::path> folders = Folders();
  for (const std::filesystem::path& folder : folders) {
    std::error_code error;
    if (std::filesystem::is_regular_file(folder / file, error)) return folder / file;
  }
  std::vector<std::string> names;
  names.reserve(folders.size());
  for (const std::filesystem::path& folder : folders) names.push_back(folder.string());
  Fail(ErrorCode::kNotFound, "{}: not found in {}", file, fmt::join(names, ", "));
}

}  // namespace

void* LoadOwnLibrary(const char* file, const char* symbol) {
  const std::filesystem::path path = FindLibrary(file);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Fail("{}: cannot be loaded: {}", path.string(), ::dlerror());
  void* address = ::dlsym(library, symbol);
  if (address == nullptr) Fail("{}: is not actkin's: {}", path.string(), ::dlerror());
  return address;
}

}  // namespace actkin
