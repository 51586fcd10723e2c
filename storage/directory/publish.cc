#include "storage/directory/publish.h"

#include <system_error>

#include "storage/machine/file.h"

namespace actkin {

FileRow PublishFile(const IndexDirectory& directory, const std::filesystem::path& partial, const std::string& name,
                    std::uint64_t header_checksum) {
  const std::filesystem::path path = directory.path() / name;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) Fail("{}: cannot make this folder: {}", path.parent_path().string(), error.message());
  const std::uint64_t bytes = std::filesystem::file_size(partial);
  RenameDurably(partial, path);
  return {name, bytes, ChecksumText(header_checksum)};
}

}  // namespace actkin
