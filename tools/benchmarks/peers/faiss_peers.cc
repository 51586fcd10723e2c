// FAISS as Debian builds it.
#include <cblas.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexPQ.h>
#include <omp.h>
// A C header reached through these may define it.
#undef I

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "tools/benchmarks/peers/peer.h"

namespace actkin {
namespace {

class FaissPeer : public Peer {
 public:
  explicit FaissPeer(int threads) : threads_(threads) { UseThreads(threads); }

  void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) override {
    UseThreads(count == 1 ? ThreadsOfOne() : threads_);
    index_->search(static_cast<faiss::Index::idx_t>(count), queries, static_cast<faiss::Index::idx_t>(k), distances,
                   rows);
    std::transform(distances, distances + count * k, distances,
                   [](float squared) { return std::sqrt(std::max(squared, 0.0F)); });
  }

 protected:
  // For a single query. More than it can use would only wait for each other.
  virtual int ThreadsOfOne() const { return 1; }
  // OpenMP's threads and OpenBLAS's: FAISS hands blocks of queries to either, never to both at once.
  static void UseThreads(int threads) {
    omp_set_num_threads(threads);
    openblas_set_num_threads(threads);
  }

  int threads_;
  std::unique_ptr<faiss::Index> index_;
};

class Flat : public FaissPeer {
 public:
  explicit Flat(const PeerRows& rows) : FaissPeer(rows.threads) {
    index_ = std::make_unique<faiss::IndexFlatL2>(static_cast<faiss::Index::idx_t>(rows.dimension));
    index_->add(static_cast<faiss::Index::idx_t>(rows.count), rows.values);
  }
};

class Hnsw32 : public FaissPeer {
 public:
  explicit Hnsw32(const PeerRows& rows) : FaissPeer(rows.threads) {
    auto index = std::make_unique<faiss::IndexHNSWFlat>(static_cast<int>(rows.dimension), 32);
    graph_ = &index->hnsw;
    index->add(static_cast<faiss::Index::idx_t>(rows.count), rows.values);
    index_ = std::move(index);
  }
  std::vector<int> Settings() const override {
    return {12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536};
  }
  std::string SettingName() const override { return "efSearch"; }
  void Set(int value) override { graph_->efSearch = value; }

 private:
  faiss::HNSW* graph_ = nullptr;
};

// As many lists as the power of two nearest the square root of the number of rows.
class Ivf : public FaissPeer {
 public:
  explicit Ivf(const PeerRows& rows)
      : FaissPeer(rows.threads), coarse_(static_cast<faiss::Index::idx_t>(rows.dimension)) {
    lists_ = 1U << static_cast<unsigned>(std::lround(std::log2(static_cast<double>(rows.count)) / 2));
    auto index = std::make_unique<faiss::IndexIVFFlat>(&coarse_, rows.dimension, lists_);
    index->train(static_cast<faiss::Index::idx_t>(rows.count), rows.values);
    index->add(static_cast<faiss::Index::idx_t>(rows.count), rows.values);
    ivf_ = index.get();
    index_ = std::move(index);
  }
  std::vector<int> Settings() const override {
    std::vector<int> values;
    for (int value = 1; value <= static_cast<int>(lists_); value = std::max(value + 1, value * 3 / 2)) {
      values.push_back(value);
    }
    return values;
  }
  std::string SettingName() const override { return "nprobe"; }
  void Set(int value) override { ivf_->nprobe = static_cast<std::size_t>(value); }

  void Search(const float* queries, std::size_t count, std::size_t k, float* distances, std::int64_t* rows) override {
    // The lists of a single query are divided among the threads, else the queries.
    ivf_->parallel_mode = count == 1 ? 1 : 0;
    FaissPeer::Search(queries, count, k, distances, rows);
  }

 private:
  int ThreadsOfOne() const override { return std::min(threads_, static_cast<int>(ivf_->nprobe)); }

  faiss::IndexFlatL2 coarse_;
  std::size_t lists_ = 1;
  faiss::IndexIVFFlat* ivf_ = nullptr;
};

// A product quantizer whose codebooks are the embeddings themselves: it loses nothing.
class LosslessPq : public FaissPeer {
 public:
  explicit LosslessPq(const PeerRows& rows) : FaissPeer(rows.threads) {
    auto index = std::make_unique<faiss::IndexPQ>(static_cast<int>(rows.dimension), rows.positions, 8);
    std::copy_n(rows.codebooks, rows.dimension * 256, index->pq.centroids.data());
    index->codes.assign(rows.codes, rows.codes + rows.count * rows.positions);
    index->ntotal = static_cast<faiss::Index::idx_t>(rows.count);
    index->is_trained = true;
    index_ = std::move(index);
  }
};

template <typename Kind>
std::unique_ptr<Peer> Load(const PeerRows& rows) {
  return std::make_unique<Kind>(rows);
}

constexpr PeerKind kKinds[] = {
    {"faiss-flat", "faiss::IndexFlatL2; one thread for a single query, all threads for several", PeerTakes::kVectors,
     true, 4e-6, 0, Load<Flat>},
    {"faiss-hnsw32", "faiss::IndexHNSWFlat, M 32, efConstruction 40; one thread a query", PeerTakes::kVectors, false, 0,
     0, Load<Hnsw32>},
    {"faiss-ivf", "faiss::IndexIVFFlat; all threads for a single query", PeerTakes::kVectors, false, 0, 0, Load<Ivf>},
    {"faiss-pq", "faiss::IndexPQ filled with the embeddings, which loses nothing; one thread a query",
     PeerTakes::kCodes, true, 4e-6, 0, Load<LosslessPq>},
};
constexpr PeerModule kModule = {kKinds, std::size(kKinds)};

}  // namespace
}  // namespace actkin

extern "C" __attribute__((visibility("default"))) const actkin::PeerModule* actkin_bench_peers() {
  return &actkin::kModule;
}
