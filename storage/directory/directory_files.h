#ifndef ACTKIN_STORAGE_DIRECTORY_DIRECTORY_FILES_H_
#define ACTKIN_STORAGE_DIRECTORY_DIRECTORY_FILES_H_

#include <optional>
#include <string>
#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// A file of an index directory, and all that the catalog says of it. What is done with every file by its kind: opening
// and verifying in verify_file.h, making again in indexer/build/repair.h.
struct DirectoryFile {
  enum class Kind {
    kModel,
    kTokenizer,
    kCorpusTokens,
    kCorpusSuffixes,
    kRowOrder,
    kPositions,
    kVectors,
    kCodes,
    kSketches,
    kApproximateIndex,
    kSavedNeighbors,
    kSavedBandTotals,
    kSavedPredictions,
  };

  Kind kind = Kind::kModel;
  FileRow file = {};  // the model's checksum is its SHA-256, and its bytes are 0: the catalog does not know them

  // What it is of; which of these there are is the kind's.
  int t_i = 0;                                   // kRowOrder
  std::optional<PositionSetRow> positions = {};  // kPositions
  std::optional<SiteRow> site = {};              // kVectors, kCodes, kSketches, kApproximateIndex
  RowRange rows = {};                            // kVectors: which of the site's
  std::optional<SiteIndexRow> index = {};        // kCodes, kSketches, kApproximateIndex
  std::optional<PromptSetRow> prompts = {};      // the saved kinds
  std::optional<SavedNeighborsRow> neighbors = {};
  std::optional<SavedBandTotalsRow> totals = {};

  // "the model", "ffwd block 5 t_i 9", for people.
  std::string Owner() const;
};

// Each reads the catalog alone, and throws Error where that is damaged.

// The corpus, the tokenizer, the model, the order of rows, and positions.
std::vector<DirectoryFile> SharedFiles(Catalog& catalog);
// A site's rows by first row, then what is built over them.
std::vector<DirectoryFile> SiteFiles(Catalog& catalog, const SiteRow& site);
// What experiments saved, set after set.
std::vector<DirectoryFile> ExperimentFiles(Catalog& catalog);
// All of these. A file of the directory that is not among them does not exist for a reader.
std::vector<DirectoryFile> ListFiles(Catalog& catalog);

// Opens a file that the catalog names. Throws Error naming it where its header is not the one that the catalog knows.
template <typename File>
File OpenListed(const IndexDirectory& directory, const FileRow& row) {
  const std::filesystem::path path = directory.Resolve(row.file);
  File file(path);
  RequireAsCatalogued(file, row, path);
  return file;
}

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_DIRECTORY_FILES_H_
