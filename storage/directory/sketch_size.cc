#include "storage/directory/sketch_size.h"

#include "schema/error.h"
#include "storage/directory/directory_files.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

SketchSize SketchSizeOf(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site) {
  SketchSize size;
  for (const DirectoryFile& listed : SiteFiles(catalog, site)) {
    if (listed.kind != DirectoryFile::Kind::kSketches || site.row_count == 0) continue;
    try {
      const auto file = OpenListed<SketchFile>(directory, listed.file);
      const SketchLevels& levels = file.levels();
      size.levels.assign(levels.codes.begin(), levels.codes.begin() + static_cast<std::ptrdiff_t>(levels.count));
      size.bytes_per_row = static_cast<double>(file.file_bytes()) / static_cast<double>(site.row_count);
    } catch (const Error&) {
      return {};
    }
  }
  return size;
}

}  // namespace actkin
