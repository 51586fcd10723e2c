#ifndef ACTKIN_INDEXER_TEXT_CATALOG_BUILD_H_
#define ACTKIN_INDEXER_TEXT_CATALOG_BUILD_H_

#include <cstdint>
#include <filesystem>

#include "indexer/text/corpus.h"
#include "indexer/text/string_levels.h"
#include "schema/progress.h"
#include "schema/vocabulary.h"

namespace actkin {

// About how many bytes the catalog of these strings takes on disk.
std::uint64_t EstimateCatalogBytes(const StringLevels& strings);

// Writes the catalog of a corpus (strings, occurrences, next-token counts, tokens) to a file at `path`, flushed.
void WriteCatalog(const std::filesystem::path& path, const Corpus& corpus, const Vocabulary& vocabulary,
                  const StringLevels& strings, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_CATALOG_BUILD_H_
