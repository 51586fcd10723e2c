#ifndef ACTKIN_INDEXER_BUILD_REPAIR_H_
#define ACTKIN_INDEXER_BUILD_REPAIR_H_

#include <set>
#include <string>

#include "indexer/build/build_inputs.h"
#include "indexer/build/capture.h"
#include "indexer/text/string_levels.h"
#include "schema/progress.h"
#include "storage/catalog/index_directory.h"
#include "storage/directory/verify.h"

namespace actkin {

// What an index directory was made from.
struct RepairSource {
  const BuildInputs& inputs;
  const StringLevels& strings;
};

// The files, by their names in the catalog, that are missing or not as the catalog says. progress is told each as a
// note. Throws Error when it is the catalog itself that is damaged.
std::set<std::string> FindDamagedFiles(const IndexDirectory& directory, VerifyDepth depth, ProgressListener& progress);

// Makes damaged files again, and nothing else: the corpus's, the copies of model and tokenizer, row orders, embeddings,
// rows. Sketches are left to the build, which makes what a site lacks; an approximate index to 'actkin index --add',
// which a note says; what an evaluation saved is forgotten, so that the next one saves it again. Rows are computed
// beside those that the catalog says they were computed with, and come out as they were, unless the processor is
// another: then the site's sketches and approximate indices are no longer valid, and are no longer named. REQUIRES: the
// build lock is held. Killed, it continues when the build runs again. Throws Error.
void Repair(const IndexDirectory& directory, const std::set<std::string>& damaged, const RepairSource& source,
            const CaptureOptions& capture, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_REPAIR_H_
