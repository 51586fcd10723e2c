#ifndef ACTKIN_QUERY_EXPERIMENT_SIMILAR_STRINGS_IMPORT_H_
#define ACTKIN_QUERY_EXPERIMENT_SIMILAR_STRINGS_IMPORT_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/progress.h"
#include "schema/site.h"

namespace actkin {

struct ImportRequest {
  std::filesystem::path folder;
  std::optional<Metric> metric;  // without: as the distances are sorted
  std::string name;              // of the prompt set; empty: made from the folder's name and the prompts
};

struct ImportSummary {
  std::string prompt_set;
  std::uint64_t prompts = 0;
  std::uint64_t k = 0;
  Metric metric = Metric::kL2;
  int blocks = 0;
  std::vector<int> t_is;
  std::uint64_t files = 0;
};

// Reads a folder of the study's files (similar_strings_folder.h) into the index directory, as saved neighbors of a
// prompt set that is marked as imported; a model is not needed. Every neighbor must be a string of the corpus, of the
// length that its file says; prompts need not be. All is checked before the catalog is changed, in one transaction.
// Throws Error naming the file that is missing, damaged or contradicts another, the corpus or the model; then nothing
// is changed. Memory: that of one file, and of the strings of the corpus that are found.
ImportSummary ImportSimilarStrings(IndexReader& reader, const ImportRequest& request, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_SIMILAR_STRINGS_IMPORT_H_
