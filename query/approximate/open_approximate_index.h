#ifndef ACTKIN_QUERY_APPROXIMATE_OPEN_APPROXIMATE_INDEX_H_
#define ACTKIN_QUERY_APPROXIMATE_OPEN_APPROXIMATE_INDEX_H_

#include <memory>

#include "query/exact/site_index.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/row_map.h"
#include "storage/formats/row_source.h"

namespace actkin {

// Opens an index that 'actkin index' made, over the rows of its site. Throws Error naming its file when that is damaged
// or of another build.
std::shared_ptr<const SiteIndex> OpenApproximateIndex(const IndexDirectory& directory, const SiteIndexRow& row,
                                                      RowSource rows, std::shared_ptr<const RowMap> order);

}  // namespace actkin

#endif  // ACTKIN_QUERY_APPROXIMATE_OPEN_APPROXIMATE_INDEX_H_
