#ifndef ACTKIN_INDEXER_ACTIVATIONS_IMPORT_ACTIVATIONS_H_
#define ACTKIN_INDEXER_ACTIVATIONS_IMPORT_ACTIVATIONS_H_

#include <cstdint>
#include <filesystem>
#include <optional>

#include "schema/progress.h"

namespace actkin {

struct ActivationsImport {
  std::filesystem::path folder;  // storage/exchange/activations_file.h
  std::filesystem::path out;     // the index directory
  // L, of a new directory; without: kDefaultStringLength, or the longest document's tokens where these are fewer.
  std::optional<int> string_length;
  // Read every byte that is there, and make again what is damaged; without, what opening a file finds.
  bool repair = false;
  int threads = 1;
  double checkpoint_seconds = 10;  // how much work a killed import may lose
};

struct ActivationsImportSummary {
  std::uint64_t tokens = 0;     // of the corpus
  std::uint64_t documents = 0;  // likewise
  std::size_t sites_added = 0;
  std::size_t sites_before = 0;    // that were there, with the same rows
  std::size_t files_repaired = 0;  // that were damaged
  std::uint64_t bytes_added = 0;   // by the added sites
  double seconds = 0;
};

// Makes an index directory of activations that were recorded elsewhere, or adds their sites to one whose tokens are the
// same: rows over positions, each matrix read once and written once, whatever its size. A new directory has the
// strings, counts and files that a build of these tokens has, and no model. bfloat16 becomes float32; float32 and
// float16 are kept bit by bit. A reader sees all sites or none; then they get their sketches.
//
// Files that are damaged are made again: of the corpus, the tokenizer, positions and rows that came from this folder,
// and sketches.
//
// Throws Error naming the file and number of what does not fit together; then a directory that is there is as it was,
// and a new one is gone. (All but the matrices' numbers is checked before anything is written.) After any other
// failure, and killed, the same import goes on where it was.
ActivationsImportSummary ImportActivations(const ActivationsImport& import, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_ACTIVATIONS_IMPORT_ACTIVATIONS_H_
