#ifndef ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_H_
#define ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/site_statistics_row.h"

namespace actkin {

// None where none were made, or the catalog was made before there were any. Throws Error where the catalog is damaged.
std::optional<SiteStatisticsRow> ReadSiteStatistics(Catalog& catalog, std::int64_t site_id);

// Whether rows with such mean cosines stand in a cone that hides their differences, so that cosine is worth centering:
// random pairs are more similar than .3, and of rows less the mean less than a third of that.
bool IsWorthCentering(const SiteStatisticsRow& statistics);

// REQUIRES: the build lock is held.
class StatisticsWriter : public CatalogWriter {
 public:
  using CatalogWriter::CatalogWriter;

  struct NewStatistics {
    std::int64_t site_id = 0;
    SiteStatisticsRow statistics;
  };
  // In one transaction; each takes the place of the site's earlier ones.
  void SetStatistics(std::span<const NewStatistics> rows);
};

// REQUIRES: a CatalogTransaction is open.
void ForgetStatistics(sqlite3* connection, std::int64_t site_id);
// REQUIRES: a CatalogTransaction is open; the site has none.
void InsertStatistics(sqlite3* connection, std::int64_t site_id, const SiteStatisticsRow& statistics);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_H_
