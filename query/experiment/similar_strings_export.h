#ifndef ACTKIN_QUERY_EXPERIMENT_SIMILAR_STRINGS_EXPORT_H_
#define ACTKIN_QUERY_EXPERIMENT_SIMILAR_STRINGS_EXPORT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "query/experiment/experiment.h"
#include "schema/site.h"
#include "storage/machine/export_folder.h"

namespace actkin {

struct SimilarStringsRequest {
  Metric metric = Metric::kL2;
  std::optional<std::uint64_t> k;  // without: kDefaultPoolCount, or all rows of a site that has fewer
  std::vector<int> t_is;           // of proj and ffwd
  std::uint64_t batch = 100;       // prompts of a file
};

struct SimilarStringsSummary {
  std::uint64_t batches = 0;
  std::uint64_t files = 0;         // all that there are now
  std::uint64_t files_before = 0;  // of these, written by an earlier run
};

// Writes the neighbors of the experiment's prompts, at the embedding and at every block and t_i, as the study's files
// (similar_strings_file.h). Neighbors are searched where they are not saved, and saved. Files are written whole, and a
// run that was killed is continued file by file: FOLDER/.actkin-export.json says of which request the files are. Throws
// Error (usage) when a site is not built, the prompts are longer than the longest strings, or the files would be too
// large to be read again; Error when the folder holds files of another request.
SimilarStringsSummary ExportSimilarStrings(Experiment& experiment, int blocks, const SimilarStringsRequest& request,
                                           const ExportFolder& folder);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXPERIMENT_SIMILAR_STRINGS_EXPORT_H_
