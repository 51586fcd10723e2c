#include "storage/faiss/nsg_build.h"

#include <faiss/IndexNSG.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/NNDescent.h>
#include <faiss/impl/NSG.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

using Id = faiss::Index::idx_t;

// NNDescent measures itself on so many rows, drawn from all but so many.
constexpr Id kMeasuredRows = 100;
// For rows that NNDescent finds too few neighbors of, as it does where many rows are equal: distances, some ten
// seconds.
constexpr std::uint64_t kMostLookedAt = 1'000'000'000;

[[noreturn]] void Refuse(const std::string& why) { throw faiss::FaissException(why); }

[[noreturn]] void RefuseEndless(int links) {
  Refuse(
      fmt::format("FAISS's NSG would not end: too many rows are equal, or {} links a row are too few: HNSW takes any "
                  "rows",
                  links));
}

// The vectors that NSG::build reads. It asks for one before each row that it links to the graph reached so far, and
// then draws random rows until one is reached and has a link free: here it is refused where there is none, or so few
// that drawing takes for ever.
class GuardedVectors : public faiss::Index {
 public:
  GuardedVectors(const faiss::Index& vectors, const faiss::NSG& nsg)
      : faiss::Index(vectors.d, vectors.metric_type), vectors_(vectors), nsg_(nsg) {
    ntotal = vectors.ntotal;
  }

  faiss::DistanceComputer* get_distance_computer() const override { return vectors_.get_distance_computer(); }
  // On many threads until the graph is there, on one then.
  void reconstruct(Id row, float* vector) const override {
    if (nsg_.final_graph) RequireFreeLink();
    vectors_.reconstruct(row, vector);
  }

  void add(Id, const float*) override { Refuse("these vectors are only read"); }
  void search(Id, const float*, Id, float*, Id*, const faiss::SearchParameters*) const override {
    Refuse("these vectors are only read");
  }
  void reset() override { Refuse("these vectors are only read"); }

 private:
  static constexpr int kNoLink = -1;

  void RequireFreeLink() const {
    const auto rows = static_cast<std::size_t>(ntotal);
    if (links_.empty()) {
      links_.resize(rows);
      reached_.resize(rows);
      for (std::size_t row = 0; row < rows; ++row) {
        while (links_[row] < nsg_.R && Link(row, links_[row]) != kNoLink) ++links_[row];
      }
      Reach(static_cast<std::size_t>(nsg_.enterpoint));
    }
    std::uint64_t free = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      // The row that the last one was linked to.
      if (links_[row] < nsg_.R && Link(row, links_[row]) != kNoLink) {
        ++links_[row];
        Reach(row);
      }
      if (reached_[row] && links_[row] < nsg_.R) ++free;
    }
    constexpr std::uint64_t kMostDrawsARow = 1000;
    if (free > 0) draws_ += rows / free;
    if (free == 0 || draws_ > kMostDrawsARow * rows) RefuseEndless(nsg_.R);
  }

  int Link(std::size_t row, int number) const { return nsg_.final_graph->at(static_cast<int>(row), number); }

  void Reach(std::size_t from) const {
    std::vector<std::size_t> ahead = {from};
    reached_[from] = true;
    while (!ahead.empty()) {
      const std::size_t row = ahead.back();
      ahead.pop_back();
      for (int number = 0; number < links_[row]; ++number) {
        const auto to = static_cast<std::size_t>(Link(row, number));
        if (reached_[to]) continue;
        reached_[to] = true;
        ahead.push_back(to);
      }
    }
  }

  const faiss::Index& vectors_;
  const faiss::NSG& nsg_;
  mutable std::vector<int> links_;  // of each row, as far as seen
  mutable std::vector<bool> reached_;
  mutable std::uint64_t draws_ = 0;  // expected until now, at most
};

using Near = faiss::nndescent::Neighbor;

// By looking at all rows. REQUIRES: wanted < count.
std::vector<Near> NearestOf(int row, int count, int wanted, faiss::DistanceComputer& distances) {
  std::vector<Near> all;
  all.reserve(static_cast<std::size_t>(count));
  for (int other = 0; other < count; ++other) {
    if (other != row) all.emplace_back(other, distances.symmetric_dis(row, other), false);
  }
  std::ranges::partial_sort(all, all.begin() + wanted, {}, &Near::distance);
  all.resize(static_cast<std::size_t>(wanted));
  return all;
}

// The nearest rows of each row, as IndexNSG::add finds them: count x index.GK.
std::vector<Id> NearestOfEach(const faiss::IndexNSG& index, Id count) {
  faiss::NNDescent descent(index.d, index.GK);
  descent.S = index.nndescent_S;
  descent.R = index.nndescent_R;
  descent.L = std::max(index.nndescent_L, index.GK + 50);
  descent.iter = index.nndescent_iter;
  descent.ntotal = static_cast<int>(count);
  const std::unique_ptr<faiss::DistanceComputer> distances(faiss::nsg::storage_distance_computer(index.storage));
  descent.init_graph(*distances);
  descent.nndescent(*distances, false);
  const auto wanted = static_cast<std::size_t>(index.GK);
  std::vector<Id> nearest;
  nearest.reserve(descent.graph.size() * wanted);
  std::uint64_t looked_at = 0;
  for (std::size_t row = 0; row < descent.graph.size(); ++row) {
    std::vector<Near>& found = descent.graph[row].pool;
    // It drops what is farther than the farthest that it has, though it has fewer than wanted.
    if (found.size() < wanted) {
      looked_at += static_cast<std::uint64_t>(count);
      if (looked_at > kMostLookedAt) RefuseEndless(index.nsg.R);
      found = NearestOf(static_cast<int>(row), static_cast<int>(count), index.GK, *distances);
    }
    std::ranges::sort(found, {}, &Near::distance);
    for (std::size_t i = 0; i < wanted; ++i) nearest.push_back(found[i].id);
  }
  return nearest;
}

void Add(faiss::IndexNSG& index, Id count, const float* vectors) {
  const Id least = std::max<Id>(kMeasuredRows + 1, index.nsg.L);
  if (count < least) {
    Refuse(
        fmt::format("NSG{} needs {} rows or more, the site has {}: HNSW takes any number", index.nsg.R, least, count));
  }
  if (count > std::numeric_limits<int>::max() / std::max(index.nsg.R, index.GK)) {
    Refuse(fmt::format("{} rows are more than NSG{} can count the links of: take HNSW", count, index.nsg.R));
  }
  const float* end = vectors + count * index.d;
  if (!std::all_of(vectors, end, [](float number) { return std::isfinite(number); })) {
    Refuse("the transform makes numbers that are not finite of these rows");
  }
  index.storage->add(count, vectors);
  std::vector<Id> nearest = NearestOfEach(index, count);
  const faiss::nsg::Graph<Id> graph(nearest.data(), static_cast<int>(count), index.GK);
  GuardedVectors guarded(*index.storage, index.nsg);
  index.nsg.build(&guarded, count, graph, false);
  index.ntotal = count;
  index.is_built = true;
}

}  // namespace

bool IsNsg(const faiss::Index& index, const std::string& factory) {
  const faiss::Index* inner = &index;
  if (const auto* transformed = dynamic_cast<const faiss::IndexPreTransform*>(inner)) inner = transformed->index;
  if (dynamic_cast<const faiss::IndexNSG*>(inner) != nullptr) return true;
  if (factory.find("NSG") != std::string::npos) {
    FailUsage("index {}: FAISS may crash or never end where NSG is inside another index: take HNSW there",
              Quote(factory));
  }
  return false;
}

void AddToNsg(faiss::Index& index, Id count, const float* vectors) {
  auto* transformed = dynamic_cast<faiss::IndexPreTransform*>(&index);
  if (transformed == nullptr) return Add(dynamic_cast<faiss::IndexNSG&>(index), count, vectors);
  const float* applied = transformed->apply_chain(count, vectors);
  const std::unique_ptr<const float[]> owned(applied == vectors ? nullptr : applied);
  Add(dynamic_cast<faiss::IndexNSG&>(*transformed->index), count, applied);
  transformed->ntotal = count;
}

}  // namespace actkin
