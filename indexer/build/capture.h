#ifndef ACTKIN_INDEXER_BUILD_CAPTURE_H_
#define ACTKIN_INDEXER_BUILD_CAPTURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "indexer/build/row_capture.h"
#include "indexer/model/forward_backend.h"
#include "indexer/text/prefix_tree.h"
#include "schema/progress.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// What a capture over strings makes: the rows of these sites, of proj, ffwd and residual.
struct CapturePlan {
  std::vector<Site> sites;
  // Sites that are computed beside them, and not kept: which outputs are computed together decides their last digits.
  std::vector<Site> computed;
  Element element = Element::kFloat32;
  std::uint64_t embed = 0;
  // Names the corpus, the model, the sites and the element: an unfinished capture is continued only by the same plan.
  std::string fingerprint;
};

struct CaptureOptions {
  int threads = 1;  // at most six are used, so that memory stays within 4 GB
  // How often progress is made safe on disk; 0 after every batch.
  double checkpoint_seconds = 10;
  std::uint64_t batch_rows = 0;           // leaves of a batch, or tokens; 0: by the model's sizes (tests set it)
  std::optional<TokenId> beginning = {};  // stands before every string, and has no row
};

// Threads that a capture of so many batches uses.
std::size_t CaptureWorkers(const CaptureOptions& options, std::uint64_t batches);

// Bytes that a capture's workers take at once, at most.
std::uint64_t CaptureMemory(const CapturePlan& plan, const PrefixTree& tree, const ModelDescription& model,
                            const CaptureOptions& options);

// Seconds that a capture would take, measured on batches from all over the tree: as many as fit into measured_seconds,
// at least one a thread. Writes nothing.
double CaptureSeconds(const CapturePlan& plan, const PrefixTree& tree, const Transformer& model,
                      const CaptureOptions& options, double measured_seconds);

// Runs every prefix of `tree` through the model once and writes the rows of the plan's sites to vector files under
// partial/. Batches are fixed ranges of the tree's leaves, each computed by one thread, so that the files' bytes depend
// neither on the number of threads nor on where an earlier run was killed; an unfinished capture goes on from its last
// checkpoint. REQUIRES: the build lock is held; tree.depth() is 1 + the largest t_i of the plan.
std::vector<CapturedFile> Capture(const CapturePlan& plan, const PrefixTree& tree, const Transformer& model,
                                  const IndexDirectory& directory, const CaptureOptions& options,
                                  ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_CAPTURE_H_
