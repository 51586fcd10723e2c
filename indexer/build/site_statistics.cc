#include "indexer/build/site_statistics.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "indexer/build/row_statistics.h"
#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/site_statistics.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/open_site_rows.h"
#include "storage/formats/code_file.h"
#include "storage/formats/row_moments.h"
#include "storage/formats/sketch_file.h"

namespace actkin {
namespace {

// The statistics of smaller sites are registered together with the next ones.
constexpr std::uint64_t kManyRows = 65'536;

// A site's files, checked against the catalog.
struct SiteToDescribe {
  SiteRow row;
  std::optional<FileRow> codes = {};
  std::optional<RowSource> rows = {};
  std::optional<FileRow> sketches = {};
};

std::vector<SiteToDescribe> SitesWithoutStatistics(const IndexDirectory& directory) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  std::vector<SiteToDescribe> sites;
  for (const SiteRow& row : catalog.Sites()) {
    if (row.row_count == 0 || row.element == Element::kNone || ReadSiteStatistics(catalog, row.site_id)) continue;
    SiteToDescribe& site = sites.emplace_back(SiteToDescribe{row});
    if (!row.site.of_codes()) site.rows = OpenSiteRows(directory, catalog, row);
    if (site.rows && (site.rows->dimension() != row.dimension || site.rows->row_count() != row.row_count)) {
      FailDamaged("{}: its rows are not those of {} in the catalog", site.rows->Path(0).string(), Describe(row.site));
    }
    for (const DirectoryFile& file : SiteFiles(catalog, row)) {
      if (file.kind == DirectoryFile::Kind::kCodes) site.codes = file.file;
      if (file.kind == DirectoryFile::Kind::kSketches) site.sketches = file.file;
    }
  }
  return sites;
}

SiteStatisticsRow Describe(const IndexDirectory& directory, const SiteToDescribe& site, int threads,
                           const std::function<void(std::uint64_t)>& done) {
  if (site.codes) {
    SiteStatisticsRow statistics = FindStatistics(OpenListed<CodeFile>(directory, *site.codes));
    done(site.row.row_count);
    return statistics;
  }
  if (!site.sketches) return FindStatistics(*site.rows, FindMoments(*site.rows, threads).mean, threads, done);
  return StatisticsOfSketched(directory, *site.sketches, *site.rows, threads, done);
}

}  // namespace

SiteStatisticsRow StatisticsOfSketched(const IndexDirectory& directory, const FileRow& sketches, const RowSource& rows,
                                       int threads, const std::function<void(std::uint64_t)>& done) {
  const SketchFile file = OpenListed<SketchFile>(directory, sketches);
  if (file.dimension() != rows.dimension()) {
    FailDamaged("{}: not the sketches of {}", file.path().string(), rows.Path(0).string());
  }
  return FindStatistics(rows, file.mean(), threads, done);
}

void AddStatistics(const IndexDirectory& directory, int threads, ProgressListener& progress) {
  const std::vector<SiteToDescribe> sites = SitesWithoutStatistics(directory);
  if (sites.empty()) return;
  std::uint64_t total = 0;
  for (const SiteToDescribe& site : sites) total += site.row.row_count;
  std::uint64_t done = 0;
  std::vector<StatisticsWriter::NewStatistics> found;
  progress.Begin("statistics", total, "rows");
  for (const SiteToDescribe& site : sites) {
    found.push_back({site.row.site_id, Describe(directory, site, threads, [&](std::uint64_t rows) {
                       done += rows;
                       progress.Advance(done, 0);
                     })});
    if (site.row.row_count < kManyRows && &site != &sites.back()) continue;
    StatisticsWriter(directory).SetStatistics(std::exchange(found, {}));
  }
  progress.End();
}

}  // namespace actkin
