#ifndef ACTKIN_STORAGE_DIRECTORY_VERIFY_FILE_H_
#define ACTKIN_STORAGE_DIRECTORY_VERIFY_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/verify.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/suffix_order_file.h"

namespace actkin {

// Checks the files of an index directory, each as its kind asks. One thread; `catalog` outlives this object.
class FileVerifier {
 public:
  FileVerifier(const IndexDirectory& directory, Catalog& catalog, VerifyDepth depth);

  // Throws Error when the file is not as written, or contradicts the catalog or a file that was found sound before.
  void Verify(const DirectoryFile& file);
  // Both files of the corpus were found sound.
  bool has_corpus() const { return tokens_ && suffixes_; }
  // The catalog's strings and counts once more, in the corpus (verify_counts.h). REQUIRES: has_corpus().
  void VerifyCounts();

 private:
  void VerifyTokens(const FileRow& row);
  void VerifySuffixes(const FileRow& row);
  void VerifyTokenizer(const FileRow& row) const;
  void VerifyModel(const FileRow& row);
  void VerifyRowOrder(const DirectoryFile& file);
  void VerifyPositions(const DirectoryFile& file) const;
  void VerifyVectors(const DirectoryFile& file) const;
  void VerifyCodes(const DirectoryFile& file) const;
  void VerifySketches(const DirectoryFile& file) const;
  template <typename File>
  File OpenSaved(const DirectoryFile& file) const;
  void VerifySavedNeighbors(const DirectoryFile& file);
  void VerifySavedBandTotals(const DirectoryFile& file);
  void VerifySavedPredictions(const DirectoryFile& file) const;

  const LengthRow* FindLength(int length);
  const LengthRow& RequireLength(int length);
  void RequireDocuments(const CorpusTokensFile& tokens) const;

  const IndexDirectory& directory_;
  Catalog& catalog_;
  const bool every_byte_;
  std::vector<LengthRow> lengths_;
  std::shared_ptr<const CorpusTokensFile> tokens_;  // sound
  std::optional<SuffixOrderFile> suffixes_;         // sound
};

// Throws Error when the file of an approximate index is not as written, or was built over other rows than the site has.
void VerifyApproximateIndex(const IndexDirectory& directory, Catalog& catalog, const SiteRow& site,
                            const SiteIndexRow& index, VerifyDepth depth);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_DIRECTORY_VERIFY_FILE_H_
