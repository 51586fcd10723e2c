#include "tools/benchmarks/plan.h"

#include <algorithm>

#include "tools/benchmarks/peers/peer_modules.h"

namespace actkin {
namespace {

struct Shape {
  const char* kind;
  std::uint64_t k;
  std::uint64_t queries;
};

std::vector<Shape> ShapesOf(const std::string& peer, bool embedding, bool long_site, std::uint64_t batch) {
  if (peer == kMatrixProduct) return {};
  if (peer == kLibrary) return {{"sql", 10, 1}};
  if (peer == kMemoryScan) {
    return {{"exact", 10, 1}, {"outside", 10, 1}, {"exact", 1000, 1}, {"process", 10, 1}, {"process-outside", 10, 1}};
  }
  if (peer == "hnswlib" || peer == "faiss-hnsw32" || peer == "faiss-ivf") {
    if (embedding || !long_site) return {};
    return {{"approximate", 10, 1}, {"approximate-outside", 10, 1}, {"approximate", 10, 100}};
  }
  if (peer == "faiss-pq" && !embedding) return {};
  if (peer != "faiss-pq" && embedding) return {};
  if (peer == "faiss-flat" || peer == "faiss-pq") {
    std::vector<Shape> shapes = {
        {"exact", 10, 1}, {"outside", 10, 1}, {"exact", 1000, 1}, {"batch", 10, 4}, {"batch", 10, 100}};
    if (long_site && !embedding) shapes.push_back({"batch", 10, batch});
    return shapes;
  }
  if (peer == "torch-memory" || peer == "file-batches") return {{"exact", 10, 1}, {"batch", 10, 4}};
  if (peer == "sqlite-vss" && !long_site) return {};
  return {{"exact", 10, 1}};
}

bool Asked(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::ranges::count(names, name) > 0;
}

}  // namespace

const std::vector<std::string>& KindNames() {
  static const std::vector<std::string> names = {
      "exact", "outside", "batch", "approximate", "approximate-outside", "sql", "process", "process-outside", "build"};
  return names;
}

std::vector<std::string> AllPeerNames() {
  std::vector<std::string> names = {kMemoryScan, kLibrary};
  std::ranges::copy(PeerNames(), std::back_inserter(names));
  names.emplace_back(kMatrixProduct);
  return names;
}

std::string DescribePeer(const std::string& name) {
  if (name == kMemoryScan) return "the sum of all floats of the site, by all threads: what reading them takes";
  if (name == kLibrary) return "IndexReader, with all threads, beside the SQLite extension";
  if (name == kMatrixProduct) return "OpenBLAS's sgemm, one caller a thread, at the sizes of the model's layers";
  return FindPeer(name).description;
}

std::vector<Task> MakePlan(const PlanOptions& options) {
  std::vector<Task> tasks;
  for (const Site& site : options.sites) {
    const bool long_site = std::ranges::count(options.long_sites, site) > 0;
    for (const std::string& peer : AllPeerNames()) {
      if (!Asked(options.peers, peer)) continue;
      for (const Shape& shape : ShapesOf(peer, site.stream == Stream::kEmbedding, long_site, options.batch)) {
        if (!Asked(options.kinds, shape.kind)) continue;
        tasks.push_back({{shape.kind, site.stream, site.block, shape.k, shape.queries}, peer});
      }
    }
  }
  const auto last = std::ranges::find_if(options.sites.rbegin(), options.sites.rend(),
                                         [](const Site& site) { return site.stream != Stream::kEmbedding; });
  if (last != options.sites.rend() && Asked(options.peers, kMatrixProduct) && Asked(options.kinds, "build")) {
    tasks.push_back({{"build", last->stream, last->block, 0, 0}, kMatrixProduct});
  }
  return tasks;
}

}  // namespace actkin
