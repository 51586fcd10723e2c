#ifndef ACTKIN_INDEXER_BUILD_CORPUS_FILES_H_
#define ACTKIN_INDEXER_BUILD_CORPUS_FILES_H_

#include <cstdint>

#include "indexer/text/corpus.h"
#include "schema/progress.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// The files that hold the corpus. Each is written under partial/, flushed, opened again, and moved to its name, in
// place of what is there; the returned row is for the catalog. Throw Error naming the file.

FileRow MakeCorpusTokens(const IndexDirectory& directory, const CorpusTokens& tokens, std::uint64_t vocabulary_size);
// Of the tokens that MakeCorpusTokens made. Takes 4 bytes of memory a byte of tokens.
FileRow MakeCorpusSuffixes(const IndexDirectory& directory, ProgressListener& progress);

// Bytes of both on disk.
std::uint64_t CorpusFileBytes(const CorpusTokens& tokens, std::uint64_t vocabulary_size);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_CORPUS_FILES_H_
