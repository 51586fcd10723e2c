#ifndef ACTKIN_INDEXER_BUILD_POSITION_CAPTURE_H_
#define ACTKIN_INDEXER_BUILD_POSITION_CAPTURE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "indexer/build/capture.h"
#include "indexer/build/row_capture.h"
#include "indexer/model/forward_backend.h"
#include "indexer/text/corpus_windows.h"
#include "schema/progress.h"
#include "schema/site.h"
#include "storage/catalog/index_directory.h"

namespace actkin {

// What a capture over positions makes: the rows of these sites, of the four streams.
struct PositionCapturePlan {
  std::vector<Site> sites;
  Element element = Element::kFloat32;
  std::uint64_t embed = 0;
  std::string fingerprint;  // as CapturePlan's
};

// The positions of a corpus, and in which windows they are seen. What it refers to outlives it.
struct SeenPositions {
  std::span<const TokenId> tokens;
  const CorpusWindows& windows;
  // Those that have a row, rising; none: all.
  std::optional<std::span<const std::uint64_t>> chosen = {};

  std::uint64_t row_count() const { return chosen ? chosen->size() : tokens.size(); }
};

// How a capture over positions is cut. Batches are runs of windows, those without a chosen position left out.
struct PositionWork {
  std::uint64_t windows_run = 0;  // that have a row at all
  std::uint64_t tokens_run = 0;   // in those, without what stands before them
  std::uint64_t batch_windows = 1;
  std::uint64_t pass_tokens = 0;  // of a batch go through the model at once, or one window where that is longer
};
PositionWork PlanPositionWork(const SeenPositions& positions, const ModelDescription& model,
                              const CaptureOptions& options);

// Bytes that a capture's workers take at once, at most.
std::uint64_t PositionCaptureMemory(const PositionCapturePlan& plan, const SeenPositions& positions,
                                    const ModelDescription& model, const CaptureOptions& options);

// Seconds that a capture would take, measured on batches from all over the corpus, as CaptureSeconds does.
double PositionCaptureSeconds(const PositionCapturePlan& plan, const SeenPositions& positions, const Transformer& model,
                              const CaptureOptions& options, double measured_seconds);

// Runs every window that has a row through the model and writes the rows of the plan's sites, in the order of
// positions, to vector files under partial/. Their bytes depend neither on threads, nor on the sites that are made
// together, nor on where an earlier run was killed; an unfinished capture goes on from its last checkpoint.
// REQUIRES: the build lock is held; windows and what begins them fit the model.
std::vector<CapturedFile> CapturePositions(const PositionCapturePlan& plan, const SeenPositions& positions,
                                           const Transformer& model, const IndexDirectory& directory,
                                           const CaptureOptions& options, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_POSITION_CAPTURE_H_
