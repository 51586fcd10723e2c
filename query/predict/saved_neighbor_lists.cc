#include "query/predict/saved_neighbor_lists.h"

#include <algorithm>
#include <limits>

#include "schema/error.h"
#include "storage/catalog/experiment_catalog.h"

namespace actkin {
namespace {

// True where every distance better than one in the band is in the band.
bool OpenTowardsNearest(Metric metric, const Band& band) {
  if (metric == Metric::kL2) return band.low <= 0;
  return band.high >= (metric == Metric::kDot ? std::numeric_limits<double>::infinity() : 1);
}

}  // namespace

std::span<const SavedNeighbor> SavedNeighborLists::Of(std::uint64_t prompt) const {
  std::span<const SavedNeighbor> all = file_->Of(prompt);
  all = all.first(std::min<std::size_t>(k_, all.size()));
  if (!cut_) return all;
  const auto end = std::ranges::partition_point(
      all, [this](const SavedNeighbor& neighbor) { return cut_->Contains(neighbor.distance); });
  return {all.begin(), end};
}

std::optional<SavedNeighborLists> FindSavedNeighbors(IndexReader& reader, std::int64_t prompt_set_id, const Site& site,
                                                     Metric metric, std::uint64_t k, const std::optional<Band>& within,
                                                     const CountedRows& counted) {
  ExperimentCatalog experiments(reader.catalog());
  const bool can_cut = within && OpenTowardsNearest(metric, *within);
  std::optional<SavedNeighborsRow> best;
  for (SavedNeighborsRow& row : experiments.SavedNeighbors(prompt_set_id)) {
    const bool right_rows = row.counted == counted && (row.within == within || (can_cut && !row.within));
    if (row.site != site || row.metric != metric || row.k < k || !right_rows) continue;
    // The shortest that suffices: fewer bytes to read.
    if (!best || row.k < best->k) best = std::move(row);
  }
  if (!best) return std::nullopt;
  std::uint64_t prompts = 0;
  for (const PromptSetRow& set : experiments.PromptSets()) {
    if (set.prompt_set_id == prompt_set_id) prompts = set.prompt_count;
  }
  auto file = OpenCatalogued<SavedNeighborsFile>(reader.directory(), best->file, prompts);
  if (file->k() != best->k) FailDamaged("{}: not the neighbors that the catalog knows", file->path().string());
  return SavedNeighborLists(std::move(file), k, best->within == within ? std::nullopt : within);
}

}  // namespace actkin
