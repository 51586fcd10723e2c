#ifndef ACTKIN_TOOLS_BENCHMARKS_PLAN_H_
#define ACTKIN_TOOLS_BENCHMARKS_PLAN_H_

#include <string>
#include <vector>

#include "schema/site.h"
#include "tools/benchmarks/bench_row.h"

namespace actkin {

// Peers that search nothing.
inline constexpr char kMemoryScan[] = "memory-scan";        // reads all floats of the site
inline constexpr char kLibrary[] = "library";               // IndexReader, beside SQL
inline constexpr char kMatrixProduct[] = "matrix-product";  // OpenBLAS's sgemm, beside the forward pass

// One row to measure.
struct Task {
  RowName name;
  std::string peer;

  friend bool operator==(const Task&, const Task&) = default;
};

struct PlanOptions {
  std::vector<Site> sites;  // of one t_i
  // The sites at which what takes long is measured: 20,000 queries, and approximate peers.
  std::vector<Site> long_sites;
  std::uint64_t batch = 20000;     // the largest number of queries in one call
  std::vector<std::string> kinds;  // empty: all
  std::vector<std::string> peers;  // empty: all
};

// The names that PlanOptions takes.
const std::vector<std::string>& KindNames();
std::vector<std::string> AllPeerNames();
// What a peer is, and what it does with threads, in one line. Throws as FindPeer does.
std::string DescribePeer(const std::string& name);

// What is to be measured: site by site, in each peer by peer, so that one peer at a time need be in memory; and at the
// end the build.
std::vector<Task> MakePlan(const PlanOptions& options);

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_PLAN_H_
