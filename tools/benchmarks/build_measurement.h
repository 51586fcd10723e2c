#ifndef ACTKIN_TOOLS_BENCHMARKS_BUILD_MEASUREMENT_H_
#define ACTKIN_TOOLS_BENCHMARKS_BUILD_MEASUREMENT_H_

#include "query/reader/index_reader.h"
#include "tools/benchmarks/plan.h"

namespace actkin {

// The prefix-shared forward pass over strings of the index, taken from all over its sites at t_i, for every proj and
// ffwd site there: milliseconds for a thousand distinct prefixes. The peer takes what bare matrix products of the same
// number of FLOP would take, so that the ratio is the part of their speed that is reached (forward_rate.h). REQUIRES: a
// task of kind build. Throws Error when the index has no model, or LibTorch cannot be loaded.
BenchRow MeasureBuild(IndexReader& reader, int t_i, const Task& task, int threads, double seconds);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_BUILD_MEASUREMENT_H_
