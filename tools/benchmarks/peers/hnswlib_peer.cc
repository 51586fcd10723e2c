// hnswlib takes its instructions from the compiler's flags: this file is compiled with -mavx2 -mfma, and is a module of
// its own, so that nothing else is.
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <thread>

#include "tools/benchmarks/peers/peer.h"

namespace actkin {
namespace {

class Hnswlib : public Peer {
 public:
  explicit Hnswlib(const PeerRows& rows)
      : dimension_(rows.dimension),
        threads_(rows.threads),
        space_(rows.dimension),
        graph_(&space_, rows.count, 16, 200) {
    graph_.addPoint(rows.values, 0);
    InParallel(1, rows.count, [&](std::size_t row) { graph_.addPoint(rows.values + row * dimension_, row); });
  }

  void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) override {
    InParallel(0, count, [&](std::size_t query) {
      auto found = graph_.searchKnn(queries + query * dimension_, k);  // the farthest on top
      if (found.size() != k) throw std::runtime_error("hnswlib found fewer rows than asked for");
      for (std::size_t i = k; i-- > 0; found.pop()) {
        distances[query * k + i] = std::sqrt(std::max(found.top().first, 0.0F));
        rows[query * k + i] = static_cast<std::int64_t>(found.top().second);
      }
    });
  }
  std::vector<int> Settings() const override {
    return {10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536};
  }
  std::string SettingName() const override { return "ef"; }
  void Set(int value) override { graph_.setEf(static_cast<std::size_t>(value)); }

 private:
  template <typename Work>
  void InParallel(std::size_t begin, std::size_t end, const Work& work) const {
    std::atomic<std::size_t> next = begin;
    const auto run = [&] {
      for (std::size_t i = next++; i < end; i = next++) work(i);
    };
    std::vector<std::jthread> others;
    const auto useful = std::min<std::size_t>(static_cast<std::size_t>(threads_), end - begin);
    for (std::size_t t = 1; t < useful; ++t) others.emplace_back(run);
    run();
  }

  std::size_t dimension_;
  int threads_;
  hnswlib::L2Space space_;
  hnswlib::HierarchicalNSW<float> graph_;
};

std::unique_ptr<Peer> Load(const PeerRows& rows) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    throw std::runtime_error("it is compiled with -mavx2 -mfma, which this processor lacks");
  }
  return std::make_unique<Hnswlib>(rows);
}

constexpr PeerKind kKinds[] = {
    {"hnswlib", "hnswlib, M 16, ef_construction 200, compiled with -mavx2 -mfma; one thread a query",
     PeerTakes::kVectors, false, 0, 0, Load},
};
constexpr PeerModule kModule = {kKinds, std::size(kKinds)};

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) const actkin::PeerModule* actkin_bench_peers() {
  return &actkin::kModule;
}
