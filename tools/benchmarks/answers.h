#ifndef ACTKIN_TOOLS_BENCHMARKS_ANSWERS_H_
#define ACTKIN_TOOLS_BENCHMARKS_ANSWERS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "query/exact/site_index.h"

namespace actkin {

// Our answers to some queries, k rows each.
using Answers = std::vector<std::vector<Match>>;

// What is wrong with a peer's distances: the first that is not ours; empty when all agree. Of each query the nearest
// ten are compared. theirs: ours.size() x k; query_norms: of each query; squared_error: see PeerKind. Allowed is,
// besides, what float32 sums lose: 1e-5 of the squared distance.
std::string FindDifference(const Answers& ours, std::span<const float> theirs, std::uint64_t k,
                           std::span<const double> query_norms, double squared_error);

// The share of the true rows that are among those found. found: truth.size() x k row numbers, -1 where there is none.
double RecallOf(const Answers& truth, std::span<const std::int64_t> found, std::uint64_t k);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_ANSWERS_H_
