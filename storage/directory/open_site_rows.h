#ifndef ACTKIN_STORAGE_DIRECTORY_OPEN_SITE_ROWS_H_
#define ACTKIN_STORAGE_DIRECTORY_OPEN_SITE_ROWS_H_

#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/row_source.h"
#include "storage/formats/vector_file.h"

namespace actkin {

// The files of a site's rows, by first row, checking headers against the catalog; none for codes. Throws Error naming a
// file.
std::vector<VectorFile> OpenVectorFiles(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site);

// Opens the rows of a site, checking headers against the catalog. Throws Error naming a file, for an embedding site,
// and (usage) for a site whose rows are not kept.
RowSource OpenSiteRows(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_OPEN_SITE_ROWS_H_
