#include "query/approximate/open_approximate_index.h"

#include <utility>

#include "query/approximate/faiss_index.h"
#include "query/approximate/graph_index.h"
#include "schema/error.h"
#include "storage/directory/directory_files.h"
#include "storage/formats/faiss_file.h"
#include "storage/formats/graph_file.h"

namespace actkin {
namespace {

void RequireMetric(Metric metric, const SiteIndexRow& row, const std::filesystem::path& path) {
  if (row.metric != metric) FailDamaged("{}: is for {}, the catalog says another metric", path.string(), Name(metric));
}

}  // namespace

std::shared_ptr<const SiteIndex> OpenApproximateIndex(const IndexDirectory& directory, const SiteIndexRow& row,
                                                      RowSource rows, std::shared_ptr<const RowMap> order) {
  const std::filesystem::path path = directory.Resolve(row.file.file);
  if (IndexDirectory::IsGraph(row.file.file)) {
    auto file = OpenListed<GraphFile>(directory, row.file);
    RequireMetric(file.graph().metric, row, path);
    return std::make_shared<GraphIndex>(row.name, std::move(file), std::move(rows), std::move(order));
  }
  auto file = OpenListed<FaissFile>(directory, row.file);
  RequireMetric(file.source().metric, row, path);
  return std::make_shared<FaissIndex>(row.name, std::move(file), std::move(rows), std::move(order));
}

}  // namespace actkin
