#include "indexer/build/site_sketches.h"

#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "indexer/build/sketch_encoder.h"
#include "indexer/model/torch_backend.h"
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
    if (row.site.of_codes() || row.row_count < kFewestRowsWithSketches) continue;
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

bool LacksSketches(const IndexDirectory& directory, const std::set<std::string>& damaged) {
  return !SitesWithoutSketches(directory, damaged).empty();
}

std::uint64_t AddSketches(const IndexDirectory& directory, const std::set<std::string>& damaged, int threads,
                          ProgressListener& progress) {
  const std::vector<SiteWithoutSketches> sites = SitesWithoutSketches(directory, damaged);
  if (sites.empty()) return 0;
  std::uint64_t total = 0;
  for (const SiteWithoutSketches& site : sites) total += 3 * site.row.row_count;
  const RowAlgebra& algebra = LoadTorchBackend().row_algebra();
  std::uint64_t done = 0;
  std::uint64_t bytes = 0;
  progress.Begin("sketches", total, "rows");
  for (const SiteWithoutSketches& site : sites) {
    const Clock::time_point start = Clock::now();
    const std::string name = IndexDirectory::Sketches(site.row.site);
    const std::filesystem::path partial = directory.Partial() / std::filesystem::path(name).filename();
    std::vector<VectorFile> files;
    for (const std::filesystem::path& file : site.files) files.emplace_back(file);
    const std::uint64_t checksum =
        WriteSketches(partial, RowSource(std::move(files)), algebra, threads, [&](std::uint64_t rows) {
          done += rows;
          progress.Advance(done, 0);
        });
    const FileRow published = Publish<SketchFile>(directory, partial, name, checksum);
    bytes += published.bytes;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    CatalogWriter(directory).SetExactIndex(site.row.site_id, published, seconds);
  }
  progress.End();
  return bytes;
}

}  // namespace actkin
