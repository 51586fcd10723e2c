#ifndef ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_ROW_H_
#define ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_ROW_H_

#include <optional>
#include <string>
#include <vector>

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

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_SITE_STATISTICS_ROW_H_
