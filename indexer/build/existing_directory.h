#ifndef ACTKIN_INDEXER_BUILD_EXISTING_DIRECTORY_H_
#define ACTKIN_INDEXER_BUILD_EXISTING_DIRECTORY_H_

#include <optional>
#include <set>
#include <vector>

#include "schema/site.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// What an index directory holds before a build.
struct ExistingDirectory {
  std::optional<CorpusRow> corpus;  // none: there is no catalog
  std::optional<ModelRow> model;
  std::optional<TokenizerRow> tokenizer;
  std::vector<TokenRow> tokens;
  std::vector<Site> sites;
  struct PositionSite {
    SiteRow row;
    PositionSetRow set;
  };
  std::vector<PositionSite> over_positions;  // those among them
  std::vector<PositionSetRow> position_sets;
  std::set<int> row_orders;  // t_is
};

ExistingDirectory ReadExisting(const IndexDirectory& directory);

// Throws Error where the path is a file, or a folder that is neither an index directory nor empty: somebody else's.
void RefuseForeignFolder(const IndexDirectory& directory);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_EXISTING_DIRECTORY_H_
