#include "indexer/build/site_sketches.h"

#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "indexer/model/forward_backend.h"
#include "indexer/sketches/sketch_encoder.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/publish.h"
#include "storage/formats/row_source.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

struct SiteWithoutSketches {
  SiteRow row;
  std::vector<std::filesystem::path> files;
};

std::vector<SiteWithoutSketches> SitesWithoutSketches(const IndexDirectory& directory,
                                                      const std::set<std::string>& damaged) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  std::vector<SiteWithoutSketches> sites;
  for (const SiteRow& row : catalog.Sites()) {
    if (row.site.of_codes() || row.row_count < kFewestRowsWithSketches || row.element == Element::kNone) continue;
    if (row.dimension > kMostSketchedDimension) continue;
    SiteWithoutSketches site{row, {}};
    bool has_sketches = false;
    for (const DirectoryFile& file : SiteFiles(catalog, row)) {
      if (file.kind == DirectoryFile::Kind::kVectors) site.files.push_back(directory.Resolve(file.file.file));
      if (file.kind == DirectoryFile::Kind::kSketches) has_sketches = !damaged.contains(file.file.file);
    }
    if (!has_sketches) sites.push_back(std::move(site));
  }
  return sites;
}

}  // namespace

Element ElementOf(Element asked, std::uint64_t row_count, std::uint64_t dimension) {
  const bool sketched = row_count >= kFewestRowsWithSketches && dimension <= kMostSketchedDimension;
  return asked == Element::kNone && !sketched ? Element::kFloat32 : asked;
}

FileRow MakeSketches(const IndexDirectory& directory, const Site& site, const RowSource& rows, int threads,
                     const std::function<void(std::uint64_t rows)>& done) {
  const std::string name = IndexDirectory::Sketches(site);
  const std::filesystem::path partial = directory.Partial() / std::filesystem::path(name).filename();
  const std::uint64_t checksum = WriteSketches(partial, rows, LoadForwardBackend().row_algebra(), threads, done);
  return Publish<SketchFile>(directory, partial, name, checksum);
}

bool LacksSketches(const IndexDirectory& directory, const std::set<std::string>& damaged) {
  return !SitesWithoutSketches(directory, damaged).empty();
}

std::uint64_t AddSketches(const IndexDirectory& directory, const std::set<std::string>& damaged, int threads,
                          ProgressListener& progress) {
  const std::vector<SiteWithoutSketches> sites = SitesWithoutSketches(directory, damaged);
  if (sites.empty()) return 0;
  std::uint64_t total = 0;
  for (const SiteWithoutSketches& site : sites) total += 3 * site.row.row_count;
  std::uint64_t done = 0;
  std::uint64_t bytes = 0;
  progress.Begin("sketches", total, "rows");
  for (const SiteWithoutSketches& site : sites) {
    const Clock::time_point start = Clock::now();
    std::vector<VectorFile> files;
    for (const std::filesystem::path& file : site.files) files.emplace_back(file);
    const FileRow published =
        MakeSketches(directory, site.row.site, RowSource(std::move(files)), threads, [&](std::uint64_t rows) {
          done += rows;
          progress.Advance(done, 0);
        });
    bytes += published.bytes;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    CatalogWriter(directory).SetExactIndex(site.row.site_id, published, seconds);
  }
  progress.End();
  return bytes;
}

}  // namespace actkin
