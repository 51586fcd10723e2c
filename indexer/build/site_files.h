#ifndef ACTKIN_INDEXER_BUILD_SITE_FILES_H_
#define ACTKIN_INDEXER_BUILD_SITE_FILES_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "indexer/text/prefix_tree.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/formats/model_tensors.h"

namespace actkin {

// The files of an index directory that are not captured. Each is written under partial/, flushed, and published
// (storage/directory/publish.h). Throw Error naming the file.

// Which string each row at a t_i belongs to. REQUIRES: t_i < tree.depth().
FileRow MakeRowOrder(const IndexDirectory& directory, const PrefixTree& tree, int t_i);
// The embedding site at a t_i.
FileRow MakeCodes(const IndexDirectory& directory, const PrefixTree& tree, int t_i, const ModelTensors& model,
                  std::optional<TokenId> beginning);
// The copy of the model (SerializeModel); the row's checksum is its SHA-256.
FileRow MakeModelCopy(const IndexDirectory& directory, const ModelTensors& model,
                      const std::map<std::string, std::string>& metadata);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_SITE_FILES_H_
