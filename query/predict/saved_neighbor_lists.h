#ifndef ACTKIN_QUERY_PREDICT_SAVED_NEIGHBOR_LISTS_H_
#define ACTKIN_QUERY_PREDICT_SAVED_NEIGHBOR_LISTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "query/reader/index_reader.h"
#include "schema/band.h"
#include "schema/site.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/directory/directory_files.h"
#include "storage/formats/saved_neighbors_file.h"

namespace actkin {

// The k nearest neighbors of every prompt of a set in one site, read off a file that may hold more of them: of a longer
// list the beginning, of a list without a band the part within it. Immutable; any thread.
class SavedNeighborLists {
 public:
  // cut: the end of the band that a list goes towards, where its neighbors end earlier than its k-th.
  SavedNeighborLists(std::shared_ptr<const SavedNeighborsFile> file, std::uint64_t k, std::optional<Band> cut)
      : file_(std::move(file)), k_(k), cut_(cut) {}

  std::uint64_t prompts() const { return file_->prompts(); }
  // Best first. REQUIRES: prompt < prompts().
  std::span<const SavedNeighbor> Of(std::uint64_t prompt) const;

 private:
  std::shared_ptr<const SavedNeighborsFile> file_;
  std::uint64_t k_;
  std::optional<Band> cut_;
};

// Saved lists that answer: of the same rows that count, and of the same band with at least k, or without a band where
// the band is open towards the nearest, so that the k nearest within it are among the k nearest of all. Throws Error
// when a file is damaged.
std::optional<SavedNeighborLists> FindSavedNeighbors(IndexReader& reader, std::int64_t prompt_set_id, const Site& site,
                                                     Metric metric, std::uint64_t k, const std::optional<Band>& within,
                                                     const CountedRows& counted = {});

// Opens a file that the catalog names. Throws Error naming it when it is not what the catalog says.
template <typename File>
std::shared_ptr<const File> OpenCatalogued(const IndexDirectory& directory, const FileRow& row, std::uint64_t prompts) {
  auto file = std::make_shared<const File>(OpenListed<File>(directory, row));
  if (file->prompts() != prompts) {
    FailDamaged("{}: has {} prompts, its set has {}: 'actkin verify' says more", directory.Resolve(row.file).string(),
                file->prompts(), prompts);
  }
  return file;
}

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_SAVED_NEIGHBOR_LISTS_H_
