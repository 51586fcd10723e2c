#include "indexer/build/existing_directory.h"

#include <filesystem>

#include "schema/error.h"

namespace actkin {

ExistingDirectory ReadExisting(const IndexDirectory& directory) {
  ExistingDirectory existing;
  if (!std::filesystem::exists(directory.Catalog())) return existing;
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  existing.corpus = catalog.Corpus();
  existing.model = catalog.Model();
  existing.tokenizer = catalog.Tokenizer();
  existing.tokens = catalog.Tokens();
  existing.position_sets = catalog.PositionSets();
  for (const SiteRow& row : catalog.Sites()) {
    existing.sites.push_back(row.site);
    if (row.position_set_id) existing.over_positions.push_back({row, catalog.PositionSet(*row.position_set_id)});
  }
  for (int t_i = 0; t_i < existing.corpus->string_length; ++t_i) {
    if (catalog.RowOrder(t_i)) existing.row_orders.insert(t_i);
  }
  return existing;
}

void RefuseForeignFolder(const IndexDirectory& directory) {
  const std::filesystem::path& path = directory.path();
  if (!std::filesystem::exists(path)) return;
  if (!std::filesystem::is_directory(path)) {
    Fail("{}: expected an index directory, this is a file: give `out` a new name", path.string());
  }
  if (std::filesystem::exists(directory.Catalog()) || std::filesystem::exists(directory.Lock())) return;
  if (!std::filesystem::is_empty(path)) {
    Fail("{}: a folder with other things in it: give `out` a new name, such as {}.actkin", path.string(),
         (path / path.filename()).string());
  }
}

}  // namespace actkin
