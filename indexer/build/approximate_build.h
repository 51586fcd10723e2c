#ifndef ACTKIN_INDEXER_BUILD_APPROXIMATE_BUILD_H_
#define ACTKIN_INDEXER_BUILD_APPROXIMATE_BUILD_H_

#include <functional>
#include <optional>
#include <string>

#include "schema/progress.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/catalog/site_filter.h"
#include "storage/faiss/faiss_backend.h"

namespace actkin {

// Hears of an index that was added or dropped.
using HearIndex = std::function<void(const Site& site, const SiteIndexRow& index)>;

// Adds an approximate index, named after its factory string, to every site that matches (without streams: proj and
// ffwd) and has none of that name and metric. A site's index is in the catalog once it is whole and flushed: a call
// that was killed is continued, site by site, by the same call. Throws Error: (usage) when FAISS knows no such index or
// every site has it.
void AddApproximateIndex(const IndexDirectory& directory, const FaissBuildOptions& options, const SiteFilter& sites,
                         ProgressListener& progress, const HearIndex& report);

// Drops the index of that name from every site that matches and has it; of all metrics where none is named. Readers
// that have it open go on. Throws Error (usage), saying what is there, when no site has it.
void DropApproximateIndex(const IndexDirectory& directory, const std::string& name, std::optional<Metric> metric,
                          const SiteFilter& sites, const HearIndex& report);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_APPROXIMATE_BUILD_H_
