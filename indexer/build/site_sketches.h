#ifndef ACTKIN_INDEXER_BUILD_SITE_SKETCHES_H_
#define ACTKIN_INDEXER_BUILD_SITE_SKETCHES_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "schema/progress.h"
#include "schema/site.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/row_source.h"

namespace actkin {

// Rows of more numbers get no sketches: finding their axes takes memory by the square, and time by the cube. Wider ones
// are not a model's own, but features or logits.
inline constexpr std::uint64_t kMostSketchedDimension = 8192;

// What rows are kept as that are to be kept as `asked`: none are kept where sketches stand in for them, that is where
// there are enough, and not too wide; else float32.
Element ElementOf(Element asked, std::uint64_t row_count, std::uint64_t dimension);

// Makes a site's sketches from its rows and publishes them. done: as WriteSketches says. Needs LibTorch.
FileRow MakeSketches(const IndexDirectory& directory, const Site& site, const RowSource& rows, int threads,
                     const std::function<void(std::uint64_t rows)>& done);

// Gives every site its sketches that has none yet, whoever made its rows, or whose sketches are among `damaged` (names
// of files, as the catalog has them); sites of few rows need none, and very wide ones get none. Those of rows that are
// not kept are made with them (Build, Repair). Each site's are
// registered when they are whole. Returns the bytes that were added. Needs LibTorch where there is something to do.
// Throws Error. REQUIRES: the build lock is held.
std::uint64_t AddSketches(const IndexDirectory& directory, const std::set<std::string>& damaged, int threads,
                          ProgressListener& progress);

// Whether there is a site that AddSketches has something to do for.
bool LacksSketches(const IndexDirectory& directory, const std::set<std::string>& damaged);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_SITE_SKETCHES_H_
