#include "indexer/build/approximate_build.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "indexer/model/blas_kernels.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/directory/open_site_rows.h"
#include "storage/directory/publish.h"
#include "storage/directory/verify_file.h"
#include "storage/faiss/faiss_backend.h"
#include "storage/formats/faiss_file.h"
#include "storage/formats/graph_file.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

// Says before each step which site it is for.
class SiteProgress : public ProgressListener {
 public:
  SiteProgress(ProgressListener& progress, std::string site) : progress_(progress), site_(std::move(site)) {}

  void Begin(const std::string& step, std::uint64_t total, const std::string& unit) override {
    progress_.Begin(site_ + ": " + step, total, unit);
  }
  void Advance(std::uint64_t done, std::uint64_t already) override { progress_.Advance(done, already); }
  void Detail(const std::string& text) override { progress_.Detail(text); }
  void End() override { progress_.End(); }
  void Note(const std::string& line) override { progress_.Note(line); }

 private:
  ProgressListener& progress_;
  const std::string site_;
};

bool IsNamed(const SiteIndexRow& index, const std::string& name, std::optional<Metric> metric) {
  return index.name == name && index.name != kExactIndexName && (!metric || index.metric == metric);
}

std::vector<SiteRow> ChooseVectorSites(Catalog& catalog, SiteFilter filter) {
  if (std::ranges::find(filter.streams, Stream::kEmbedding) != filter.streams.end()) {
    FailUsage("`stream` embedding: embedding sites have the index 'exact' alone, which is small and fast");
  }
  if (filter.streams.empty()) filter.streams = {Stream::kProj, Stream::kFfwd};
  // Without being named, a stream that is not built is no mistake.
  std::set<Stream> built;
  for (const SiteRow& row : catalog.Sites()) built.insert(row.site.stream);
  if (filter.streams.size() == 2 && built.contains(filter.streams[0]) != built.contains(filter.streams[1])) {
    std::erase_if(filter.streams, [&](Stream stream) { return !built.contains(stream); });
  }
  return ChooseSites(catalog, filter);
}

// A damaged one is added again.
bool IsSound(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site, const SiteIndexRow& index,
             ProgressListener& progress) {
  try {
    VerifyApproximateIndex(directory, catalog, site, index, VerifyDepth::kEveryByte);
    return true;
  } catch (const Error& error) {
    progress.Note(fmt::format("damaged: {}", error.what()));
    return false;
  }
}

// Writes and checks the index under partial/, and moves it to where the catalog will name it. On any error nothing of
// it is left.
SiteIndexRow Make(const IndexDirectory& directory, const SiteRow& site, const RowSource& rows,
                  const FaissBuildOptions& options, ProgressListener& progress) {
  const auto start = std::chrono::steady_clock::now();
  const FaissBackend& backend = LoadFaissBackend();
  const bool graph = backend.Kind(options, rows.dimension()) == FaissKind::kGraph;
  const std::string file = graph ? IndexDirectory::Graph(site.site, options.metric, options.factory)
                                 : IndexDirectory::Faiss(site.site, options.metric, options.factory);
  const std::filesystem::path partial = directory.Partial() / std::filesystem::path(file).filename();
  SiteIndexRow row{options.factory, options.metric, {file, 0, ""}, 0};
  try {
    const std::uint64_t checksum = backend.Build(rows, options, partial, progress);
    const auto verify = [](const auto& written) { written.Verify(); };
    row.file = graph ? Publish<GraphFile>(directory, partial, file, checksum, verify)
                     : Publish<FaissFile>(directory, partial, file, checksum, verify);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    throw;
  }
  row.build_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return row;
}

// The functions below read the catalog over connections that are closed again: the writer returns it to
// journal_mode=DELETE only while nobody else is at it.

// The sites that match and do not have the index yet.
std::vector<SiteRow> SitesWithout(const IndexDirectory& directory, const FaissBuildOptions& options,
                                  const SiteFilter& filter, ProgressListener& progress) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  std::vector<SiteRow> sites = ChooseVectorSites(catalog, filter);
  for (const SiteRow& site : sites) LoadFaissBackend().Kind(options, site.dimension);
  const std::size_t matching = sites.size();
  std::erase_if(sites, [&](const SiteRow& site) {
    return std::ranges::any_of(catalog.SiteIndices(site.site_id), [&](const SiteIndexRow& index) {
      return IsNamed(index, options.factory, options.metric) && IsSound(directory, catalog, site, index, progress);
    });
  });
  if (sites.empty()) {
    // Not an error: a command that was killed at its very end is run again.
    progress.Note(fmt::format("the {} sites that match have {} for {} already: 'actkin index {} --drop {}' drops it",
                              matching, options.factory, Name(options.metric), directory.path().string(),
                              options.factory));
  } else if (sites.size() < matching) {
    progress.Note(fmt::format("{} of {} sites have it already", matching - sites.size(), matching));
  }
  return sites;
}

RowSource ReadRows(const IndexDirectory& directory, const SiteRow& site) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  return OpenSiteRows(directory, catalog, site);
}

std::vector<std::pair<SiteRow, SiteIndexRow>> FindIndices(const IndexDirectory& directory, const std::string& name,
                                                          std::optional<Metric> metric, const SiteFilter& filter) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  std::set<std::string> there;
  std::vector<std::pair<SiteRow, SiteIndexRow>> found;
  for (const SiteRow& site : ChooseVectorSites(catalog, filter)) {
    for (SiteIndexRow& index : catalog.SiteIndices(site.site_id)) {
      there.insert(Describe(index));
      if (IsNamed(index, name, metric)) found.emplace_back(site, std::move(index));
    }
  }
  if (found.empty()) {
    FailUsage("`drop` {}: no site that matches has it{}: they have {}", name,
              metric ? fmt::format(" for {}", Name(*metric)) : "", fmt::join(there, ", "));
  }
  return found;
}

}  // namespace

void AddApproximateIndex(const IndexDirectory& directory, const FaissBuildOptions& options, const SiteFilter& filter,
                         ProgressListener& progress, const HearIndex& report) {
  if (options.factory == kExactIndexName) FailUsage("`add` exact: every site has it");
  if (options.metric != Metric::kL2 && options.metric != Metric::kCosine) {
    FailUsage(ErrorCode::kUnsupported, "metric {}: approximate indices are built for l2 and cosine",
              Name(options.metric));
  }
  OpenCatalog(directory);  // says so when there is no index directory
  const BuildLock lock(directory);
  ChooseBlasKernels();
  std::filesystem::create_directories(directory.Partial());
  const std::vector<SiteRow> sites = SitesWithout(directory, options, filter, progress);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const std::string name = Describe(sites[i].site);
    SiteProgress site_progress(progress,
                               sites.size() > 1 ? fmt::format("{} ({} of {})", name, i + 1, sites.size()) : name);
    const SiteIndexRow row = Make(directory, sites[i], ReadRows(directory, sites[i]), options, site_progress);
    CatalogWriter(directory).AddIndex(sites[i].site_id, row);
    report(sites[i].site, row);
  }
}

void DropApproximateIndex(const IndexDirectory& directory, const std::string& name, std::optional<Metric> metric,
                          const SiteFilter& sites, const HearIndex& report) {
  if (name == kExactIndexName) FailUsage("`drop` exact: every other index needs it");
  OpenCatalog(directory);
  const BuildLock lock(directory);
  for (const auto& [site, index] : FindIndices(directory, name, metric, sites)) {
    CatalogWriter(directory).DropIndex(site.site_id, index);
    // A reader never sees a row without its file; a file without its row is nobody's.
    std::error_code ignored;
    std::filesystem::remove(directory.Resolve(index.file.file), ignored);
    report(site.site, index);
  }
}

}  // namespace actkin
