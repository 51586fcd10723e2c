#ifndef ACTKIN_STORAGE_DIRECTORY_PUBLISH_H_
#define ACTKIN_STORAGE_DIRECTORY_PUBLISH_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// The last step of a file's way into an index directory, before the catalog names it.

// Moves a finished and flushed file from under partial/ to `name`, relative to the directory, in place of what is
// there. The returned row is for the catalog.
FileRow PublishFile(const IndexDirectory& directory, const std::filesystem::path& partial, const std::string& name,
                    std::uint64_t header_checksum);

// The same for a file that opens and has the header that was written, and passes `check`. Throws Error where it does
// not.
template <typename File>
FileRow Publish(
    const IndexDirectory& directory, const std::filesystem::path& partial, const std::string& name,
    std::uint64_t header_checksum, const std::function<void(const File&)>& check = [](const File&) {}) {
  const File file(partial);
  if (file.header_checksum() != header_checksum) Fail("{}: did not read back as written", partial.string());
  check(file);
  return PublishFile(directory, partial, name, header_checksum);
}

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_PUBLISH_H_
