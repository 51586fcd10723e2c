#ifndef ACTKIN_INDEXER_ACTIVATIONS_DIRECTORY_MATCH_H_
#define ACTKIN_INDEXER_ACTIVATIONS_DIRECTORY_MATCH_H_

#include <filesystem>
#include <optional>
#include <string>

#include "indexer/activations/recorded_corpus.h"
#include "indexer/activations/recorded_matrix.h"
#include "indexer/build/existing_directory.h"
#include "schema/progress.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// What an import is made of, for comparing.
struct RecordedSource {
  const std::filesystem::path& folder;
  const ActivationsFile& file;
  const RecordedCorpus& corpus;
};

// Throws Error unless the directory was made of the same tokens in the same documents, naming the first position that
// differs, and its model, where it has one, has the same token before every window. Texts that are listed beside a
// directory's own tokenizer are not compared: bytes that are no characters look otherwise in each.
// tokens_are_damaged: its file of tokens cannot be compared; then the directory must be of an import of the same.
// REQUIRES: the directory has a catalog.
void RequireSameTokens(const RecordedSource& source, const IndexDirectory& directory, const ExistingDirectory& existing,
                       bool tokens_are_damaged);

// What a directory has of a matrix.
enum class SitePresence {
  kAbsent,
  kSame,
  kDamaged,  // its rows, which were imported, are not as written
};

// Compares every row. Throws Error naming the first number that differs where the directory has other rows there.
SitePresence FindSite(const RecordedMatrix& matrix, const IndexDirectory& directory, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_ACTIVATIONS_DIRECTORY_MATCH_H_
