#ifndef ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_H_
#define ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"

namespace actkin {

// Words of the column site_distance.pairs.
inline constexpr char kRandomPairs[] = "random";
inline constexpr char kNearestPairs[] = "nearest";
inline constexpr char kTenthPairs[] = "tenth";

struct SiteDistanceRow {
  std::string pairs;
  double quantile = 0;  // 0..1
  double distance = 0;  // Euclidean

  friend bool operator==(const SiteDistanceRow&, const SiteDistanceRow&) = default;
};

// What the rows of a site are like: the tables site_statistics and site_distance, which say what the numbers mean.
struct SiteStatisticsRow {
  double mean_length = 0;
  double median_length = 0;
  double longest = 0;
  double long_share = 0;  // 0..1: of the rows that are longer than kLongRow medians
  std::optional<double> cosine = {};
  std::optional<double> centered_cosine = {};
  std::vector<SiteDistanceRow> distances = {};  // by pairs, then quantile

  friend bool operator==(const SiteStatisticsRow&, const SiteStatisticsRow&) = default;
};

inline constexpr double kLongRow = 10;

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

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_H_
