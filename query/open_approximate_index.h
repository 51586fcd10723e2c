#ifndef ACTKIN_QUERY_OPEN_APPROXIMATE_INDEX_H_
#define ACTKIN_QUERY_OPEN_APPROXIMATE_INDEX_H_

#include <memory>

#include "query/site_index.h"
#include "storage/catalog.h"
#include "storage/index_directory.h"
#include "storage/row_order_file.h"
#include "storage/site_rows.h"

namespace actkin {

// Opens an index that 'actkin index' made, over the rows of its site. Throws Error naming its file when that is damaged
// or of another build.
std::shared_ptr<const SiteIndex> OpenApproximateIndex(const IndexDirectory& directory, const SiteIndexRow& row,
                                                      SiteRows rows, std::shared_ptr<const RowOrderFile> order);

}  // namespace actkin

#endif  // ACTKIN_QUERY_OPEN_APPROXIMATE_INDEX_H_
