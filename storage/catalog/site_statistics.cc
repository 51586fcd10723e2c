#include "storage/catalog/site_statistics.h"

#include <algorithm>
#include <cmath>

#include "schema/error.h"
#include "storage/catalog/catalog_objects.h"

namespace actkin {
namespace {

constexpr double kMuchAlike = 0.3;
constexpr double kFarLess = 3;

double ReadNumber(const SqliteStatement& statement, int column) {
  const double number = statement.Real(column);
  if (!std::isfinite(number)) FailDamaged("the catalog is damaged: a site's statistics hold {}", number);
  return number;
}

bool HasTable(Catalog& catalog) {
  SqliteStatement found(
      catalog.connection(),
      fmt::format("SELECT 1 FROM \"{}\".sqlite_schema WHERE type = 'table' AND name = 'site_statistics'",
                  catalog.schema()));
  return found.Step();
}

}  // namespace

std::optional<SiteStatisticsRow> ReadSiteStatistics(Catalog& catalog, std::int64_t site_id) {
  if (!HasTable(catalog)) return std::nullopt;
  SqliteStatement statement(
      catalog.connection(),
      fmt::format("SELECT mean_length, median_length, longest, long_share, cosine, centered_cosine "
                  "FROM \"{}\".site_statistics WHERE site_id = ?1",
                  catalog.schema()));
  statement.Bind(site_id);
  if (!statement.Step()) return std::nullopt;
  SiteStatisticsRow row{ReadNumber(statement, 0), ReadNumber(statement, 1), ReadNumber(statement, 2),
                        ReadNumber(statement, 3)};
  if (!statement.IsNull(4)) row.cosine = ReadNumber(statement, 4);
  if (!statement.IsNull(5)) row.centered_cosine = ReadNumber(statement, 5);
  SqliteStatement distances(catalog.connection(),
                            fmt::format("SELECT pairs, quantile, distance FROM \"{}\".site_distance "
                                        "WHERE site_id = ?1 ORDER BY pairs, quantile",
                                        catalog.schema()));
  distances.Bind(site_id);
  while (distances.Step()) {
    row.distances.push_back({distances.Text(0), ReadNumber(distances, 1), ReadNumber(distances, 2)});
  }
  return row;
}

bool IsWorthCentering(const SiteStatisticsRow& statistics) {
  return statistics.cosine && statistics.centered_cosine && *statistics.cosine > kMuchAlike &&
         std::abs(*statistics.centered_cosine) * kFarLess < *statistics.cosine;
}

void ForgetStatistics(sqlite3* connection, std::int64_t site_id) {
  for (const char* table : {"site_distance", "site_statistics"}) {
    SqliteStatement(connection, fmt::format("DELETE FROM {} WHERE site_id = ?1", table)).Bind(site_id).Run();
  }
}

void InsertStatistics(sqlite3* connection, std::int64_t site_id, const SiteStatisticsRow& statistics) {
  SqliteStatement add(connection, InsertSql("site_statistics", "?1, ?2, ?3, ?4, ?5, ?6, ?7"));
  SqliteStatement add_distance(connection, InsertSql("site_distance", "?1, ?2, ?3, ?4"));
  add.Bind(site_id, statistics.mean_length, statistics.median_length, statistics.longest, statistics.long_share,
           nullptr, nullptr);
  if (statistics.cosine) add.BindAt(6, *statistics.cosine);
  if (statistics.centered_cosine) add.BindAt(7, *statistics.centered_cosine);
  add.Run();
  for (const SiteDistanceRow& quantile : statistics.distances) {
    add_distance.Bind(site_id, quantile.pairs, quantile.quantile, quantile.distance).Run();
  }
}

void StatisticsWriter::SetStatistics(std::span<const NewStatistics> rows) {
  CatalogTransaction transaction(connection_);
  for (const NewStatistics& row : rows) {
    ForgetStatistics(connection_.handle(), row.site_id);
    InsertStatistics(connection_.handle(), row.site_id, row.statistics);
  }
  transaction.Commit();
}

}  // namespace actkin
