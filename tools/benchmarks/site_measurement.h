#ifndef ACTKIN_TOOLS_BENCHMARKS_SITE_MEASUREMENT_H_
#define ACTKIN_TOOLS_BENCHMARKS_SITE_MEASUREMENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tools/benchmarks/peers/peer_modules.h"
#include "tools/benchmarks/plan.h"
#include "tools/benchmarks/site_workload.h"

namespace actkin {

struct MeasureOptions {
  double seconds = 5;      // for each row, about
  std::string scratch;     // a folder for files that go again
  std::string extensions;  // the folder where npm has put the SQLite extensions
  // Told what takes long before a row is measured.
  std::function<void(const std::string&)> say;
};

// Measures the rows of one site. One peer at a time is in memory. One thread at a time.
class SiteMeasurement {
 public:
  SiteMeasurement(SiteWorkload& site, const MeasureOptions& options) : site_(site), options_(options) {}

  // The row without `program`; its `error` is set when the peer's answer contradicts ours. Throws std::exception saying
  // why when there is nothing to measure: the peer is not there or cannot hold the rows, k exceeds them. REQUIRES: the
  // task is at this site, and of kind exact, outside, batch, approximate, process, or one of those outside.
  BenchRow Measure(const Task& task);

  // Milliseconds that reading all floats of the site takes: those in memory are read, and the time is scaled to the
  // site.
  double ScanMilliseconds();

 private:
  struct Loaded {
    const PeerKind* kind = nullptr;
    std::unique_ptr<Peer> peer;
    double seconds = 0;
  };

  Peer& LoadPeer(const std::string& name);
  const Queries& QueriesFor(const RowName& name);
  void MeasureScan(const Task& task, BenchRow& row);
  void MeasureProcess(const Task& task, BenchRow& row);
  void MeasureExactPeer(const Task& task, BenchRow& row);
  void MeasureApproximatePeer(const Task& task, BenchRow& row);
  // What is wrong with the peer's distances (at least count x k) to the first queries; empty when they agree.
  std::string Compare(const Queries& queries, std::size_t count, std::uint64_t k, std::span<const float> distances);
  void Scan();

  SiteWorkload& site_;
  MeasureOptions options_;
  Loaded loaded_;
  Queries in_corpus_;
  Queries outside_;
  std::vector<float> scanned_;  // where the site has no vectors of its own
  std::optional<double> scan_ms_;
  float sum_ = 0;  // of what was scanned: so that it is
};

}  // namespace actkin

#endif  // ACTKIN_TOOLS_BENCHMARKS_SITE_MEASUREMENT_H_
