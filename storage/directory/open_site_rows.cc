#include "storage/directory/open_site_rows.h"

#include <utility>

#include "schema/error.h"
#include "storage/directory/directory_files.h"

namespace actkin {

std::vector<VectorFile> OpenVectorFiles(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site) {
  std::vector<VectorFile> files;
  for (const VectorFileRow& row : catalog.VectorFiles(site.site_id)) {
    const VectorFile& file = files.emplace_back(OpenListed<VectorFile>(directory, row.file));
    if (file.rows() != row.rows) FailDamaged("{}: holds other rows than the catalog says", file.path().string());
  }
  return files;
}

RowSource OpenSiteRows(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site) {
  if (site.element == Element::kNone) {
    FailUsage(
        ErrorCode::kUnsupported,
        "{}: its rows are not kept, but made again by the model for the few that a search reads: this needs all of "
        "them, as a build with rows of float32, float16 or int8 keeps them",
        Describe(site.site));
  }
  RowSource rows(OpenVectorFiles(directory, catalog, site));
  if (rows.dimension() != site.dimension || rows.row_count() != site.row_count) {
    FailDamaged("{}: its rows are not those of {} in the catalog", rows.Path(0).string(), Describe(site.site));
  }
  return rows;
}

}  // namespace actkin
