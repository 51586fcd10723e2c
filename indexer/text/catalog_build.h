#ifndef ACTKIN_INDEXER_TEXT_CATALOG_BUILD_H_
#define ACTKIN_INDEXER_TEXT_CATALOG_BUILD_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "indexer/text/corpus.h"
#include "indexer/text/string_levels.h"
#include "schema/progress.h"
#include "schema/tokenizer/tokenizer.h"
#include "storage/catalog/catalog.h"

namespace actkin {

// About how many bytes the catalog of these strings takes on disk. corpus_bytes: what the tokens stand for.
std::uint64_t EstimateCatalogBytes(std::uint64_t corpus_bytes, const CorpusTokens& tokens, std::size_t vocabulary_size,
                                   const StringLevels& strings);

// Writes the catalog of a corpus (strings, occurrences, next-token counts, tokens) to a file at `path`, flushed.
// files, tokenizer_row: what it says of the corpus's files and of the tokenizer. strings: of corpus_tokens.tokens.
void WriteCatalog(const std::filesystem::path& path, const Corpus& corpus, const CorpusTokens& corpus_tokens,
                  const CorpusFilesRow& files, const Tokenizer& tokenizer, const TokenizerRow& tokenizer_row,
                  const StringLevels& strings, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_TEXT_CATALOG_BUILD_H_
