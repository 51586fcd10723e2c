#ifndef ACTKIN_INDEXER_BUILD_POSITION_SITES_H_
#define ACTKIN_INDEXER_BUILD_POSITION_SITES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "indexer/build/build_inputs.h"
#include "indexer/build/existing_directory.h"
#include "indexer/build/position_capture.h"
#include "indexer/text/corpus.h"
#include "indexer/text/corpus_windows.h"
#include "indexer/text/position_choice.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// The positions of a corpus that some sites have rows of, in the windows that the sites were seen in. `tokens` outlives
// it. Immutable; any thread.
class CorpusPositions {
 public:
  CorpusPositions(const CorpusTokens& tokens, const PositionPlan& plan);

  const PositionPlan& plan() const { return plan_; }
  SeenPositions seen() const;
  std::uint64_t row_count() const { return seen().row_count(); }

  // The file of the rows' positions, made as site_files.h makes files; none where the rows are all positions.
  std::optional<FileRow> MakeFile(const IndexDirectory& directory) const;
  // Bytes of that file.
  std::uint64_t FileBytes() const;

  // What the catalog says of a site; its files are the caller's to add. set: of this choice, or one to be added.
  NewSite NewSiteRow(const Site& site, std::uint64_t dimension, Element element, const PositionSetRow& set) const;

 private:
  const CorpusTokens& tokens_;
  const PositionPlan plan_;
  const CorpusWindows windows_;
  std::vector<std::uint64_t> chosen_;  // unless all are
};

// Names what is captured: an unfinished capture is continued only by the same.
std::string PositionFingerprint(const BuildInputs& inputs, const PositionPlan& plan, Element element,
                                const std::vector<Site>& sites);

// How a site of a build was seen; none where it was recorded elsewhere.
std::optional<PositionPlan> PlanOfSite(const SiteRow& site, const PositionSetRow& set);

// Throws Error where the directory has one of these sites from other windows or positions.
void RequireSamePositions(const IndexDirectory& directory, const ExistingDirectory& existing, const PositionPlan& plan,
                          const std::vector<Site>& sites);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_POSITION_SITES_H_
