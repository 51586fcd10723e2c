#include "storage/index_directory.h"

#include <algorithm>
#include <system_error>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {

std::string IndexDirectory::Vectors(const Site& site) {
  return fmt::format("sites/{}-b{}-t{}.vectors", Name(site.stream), site.block, site.t_i);
}

std::string IndexDirectory::Heads(const Site& site) {
  return fmt::format("sites/{}-b{}-t{}.heads", Name(site.stream), site.block, site.t_i);
}

std::string IndexDirectory::Codes(int t_i) { return fmt::format("sites/embedding-t{}.codes", t_i); }

std::string IndexDirectory::RowOrder(int t_i) { return fmt::format("sites/t{}.rows", t_i); }

std::filesystem::path IndexDirectory::Resolve(const std::string& relative) const {
  const std::filesystem::path name(relative);
  const bool leaves = relative.empty() || relative.find('\0') != std::string::npos || name.is_absolute() ||
                      std::ranges::any_of(name, [](const auto& part) { return part == ".."; });
  if (leaves) Fail("{}: its catalog names a file outside the directory: {}", path_.string(), Quote(relative));
  return path_ / name;
}

void IndexDirectory::Create() const {
  for (const std::filesystem::path& directory : {path_, path_ / "sites", Partial()}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) Fail("{}: cannot make this folder: {}", directory.string(), error.message());
    if (!std::filesystem::is_directory(directory)) Fail("{}: expected a folder", directory.string());
  }
}

}  // namespace actkin
