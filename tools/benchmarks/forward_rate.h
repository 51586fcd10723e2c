#ifndef ACTKIN_TOOLS_BENCHMARKS_FORWARD_RATE_H_
#define ACTKIN_TOOLS_BENCHMARKS_FORWARD_RATE_H_

#include <cstdint>
#include <functional>
#include <span>

#include "indexer/model/forward_backend.h"
#include "schema/model_description.h"
#include "schema/site.h"

namespace actkin {

// GFLOP/s of all threads together.
struct Speed {
  double by_clock = 0;
  double by_processor_time = 0;  // had every thread had a processor to itself

  Speed Max(const Speed& other) const;
};

// What the linear layers of one prefix cost. Per block, 2 FLOP a weight: key, query and value of all heads and the
// projection are (queries, keys, values + heads * head_size) * embed, the feed-forward network 2 * embed * hidden, or 3
// where it is gated. Attention, norms and
// everything else are not counted, nor is the last layer of the model, which the capture does not compute. All blocks
// count in full for every prefix, although the last one makes only keys and values where no site is asked for: with the
// sites of one t_i the work is about a tenth less than what is counted.
double FlopsOfPrefix(const ModelDescription& model);

// What single-threaded sgemm reaches at the sizes of the model's feed-forward network, so many callers at once: the
// best of both of its layers.
Speed MatrixProductSpeed(const ModelDescription& model, int threads, double seconds);

struct ForwardRate {
  double seconds = 0;
  std::uint64_t prefixes = 0;  // of windows: tokens
  std::uint64_t strings = 0;   // of windows: windows
  Speed forward;
  Speed peak;  // the best of before and after
};

// Runs forests through the model for so many seconds, each thread its own; forest_of(n) is the n-th and is called by
// all threads at once.
ForwardRate MeasureForwardRate(const Transformer& model, std::span<const Site> sites,
                               const std::function<PrefixForest(std::uint64_t)>& forest_of, int threads,
                               double seconds);

// The same of batches of windows.
ForwardRate MeasureWindowRate(const Transformer& model, std::span<const Site> sites,
                              const std::function<WindowBatch(std::uint64_t)>& batch_of, int threads, double seconds);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_FORWARD_RATE_H_
