#include "storage/faiss/graph_build.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "storage/formats/graph_file.h"
#include "storage/machine/row_distance.h"

namespace actkin {
namespace {

// One over a row's norm; 0 for a row of zeros, which then is at similarity 0 to everything.
std::vector<float> InverseNorms(const RowSource& rows) {
  std::vector<float> inverse(rows.row_count());
  std::vector<float> row(rows.dimension());
  for (RowNumber number = 0; number < rows.row_count(); ++number) {
    rows.Read(number, row);
    double square = 0;
    for (const float value : row) square += static_cast<double>(value) * value;
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    inverse[number] = static_cast<float>(std::min<double>(scale, std::numeric_limits<float>::max()));
  }
  return inverse;
}

// Between rows where they are stored: smaller is nearer, so cosine has its sign turned.
class RowDistances : public faiss::DistanceComputer {
 public:
  RowDistances(const RowSource& rows, std::span<const float> inverse_norms)
      : rows_(rows), inverse_norms_(inverse_norms), from_(rows.dimension()), other_(rows.dimension()) {}

  // Distances are from this row until the next call.
  void SetRow(RowNumber row) {
    rows_.Read(row, from_);
    scale_ = inverse_norms_.empty() ? 0 : -inverse_norms_[row];
  }

  void set_query(const float* vector) override {
    std::copy_n(vector, from_.size(), from_.begin());
    scale_ = -1;
  }
  float operator()(idx_t row) override { return Distance(from_, scale_, row); }
  float symmetric_dis(idx_t one, idx_t other) override {
    rows_.Read(static_cast<RowNumber>(one), other_);
    return Distance(other_, inverse_norms_.empty() ? 0 : -inverse_norms_[static_cast<std::size_t>(one)], other);
  }

 private:
  float Distance(const std::vector<float>& from, float scale, idx_t to) const {
    const std::byte* row = rows_.Stored(static_cast<RowNumber>(to));
    float value = 0;
    if (inverse_norms_.empty()) {
      SquaredDistancesTo({&row, 1}, rows_.element(), rows_.dimension(), from.data(), &value);
      return value;
    }
    DotProductsWith({&row, 1}, rows_.element(), rows_.dimension(), from.data(), &value);
    return value * scale * inverse_norms_[static_cast<std::size_t>(to)];
  }

  const RowSource& rows_;
  const std::span<const float> inverse_norms_;  // empty: squared Euclidean distances
  std::vector<float> from_;
  std::vector<float> other_;
  float scale_ = 0;  // of `from_` at unit length, turned
};

// From the top level down, within a level at random: rows stand in the order of their strings, and a graph grown along
// any order of the data has long ways in it.
std::vector<RowNumber> InsertionOrder(const std::vector<int>& levels) {
  std::vector<RowNumber> order(levels.size());
  std::iota(order.begin(), order.end(), RowNumber{0});
  std::mt19937 generator(1234);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[generator() % i]);
  std::ranges::stable_sort(order, [&](RowNumber a, RowNumber b) { return levels[a] > levels[b]; });
  return order;
}

class Locks {
 public:
  explicit Locks(std::size_t count) : locks(count) {
    for (omp_lock_t& lock : locks) omp_init_lock(&lock);
  }
  ~Locks() {
    for (omp_lock_t& lock : locks) omp_destroy_lock(&lock);
  }
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

  std::vector<omp_lock_t> locks;
};

// Malkov, Yashunin, algorithm 1 for every row; FAISS's function is one insertion.
void InsertAll(const RowSource& rows, std::span<const float> inverse_norms, faiss::HNSW& hnsw, int threads,
               ProgressListener& progress) {
  const std::vector<RowNumber> order = InsertionOrder(hnsw.levels);
  Locks locks(order.size());
  // The memory that threads need is theirs before they start: nothing may be thrown among them.
  std::vector<RowDistances> distances(static_cast<std::size_t>(threads), RowDistances(rows, inverse_norms));
  std::vector<faiss::VisitedTable> visited(static_cast<std::size_t>(threads),
                                           faiss::VisitedTable(static_cast<int>(order.size())));
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
#pragma omp parallel num_threads(threads)
  {
    const auto thread = static_cast<std::size_t>(omp_get_thread_num());
    try {
      for (std::size_t i = next++; i < order.size() && !failed; i = next++) {
        const RowNumber row = order[i];
        distances[thread].SetRow(row);
        hnsw.add_with_locks(distances[thread], hnsw.levels[row] - 1, static_cast<int>(row), locks.locks,
                            visited[thread]);
        if (thread == 0 && i % 64 == 0) progress.Advance(i, 0);
      }
    } catch (...) {
#pragma omp critical(actkin_graph_failure)
      failure = std::current_exception();
      failed = true;
    }
  }
  if (failure) std::rethrow_exception(failure);
}

std::uint64_t WriteLinks(const RowSource& rows, Metric metric, const faiss::HNSW& hnsw,
                         std::span<const float> inverse_norms, const std::filesystem::path& path) {
  HnswGraph graph;
  graph.metric = metric;
  graph.dimension = rows.dimension();
  graph.row_count = rows.row_count();
  graph.rows_checksum = rows.checksum();
  graph.base_links = static_cast<std::uint32_t>(hnsw.nb_neighbors(0));
  graph.upper_links = static_cast<std::uint32_t>(hnsw.nb_neighbors(1));
  graph.entry_point = static_cast<RowNumber>(hnsw.entry_point);
  graph.top_level = static_cast<std::uint32_t>(hnsw.max_level);
  std::vector<RowNumber> base;
  base.reserve(graph.row_count * graph.base_links);
  std::vector<RowNumber> upper_rows;
  std::vector<std::uint32_t> upper_blocks = {0};
  std::vector<RowNumber> upper;
  const auto append = [&](RowNumber row, int level, std::vector<RowNumber>& to) {
    std::size_t begin = 0;
    std::size_t end = 0;
    hnsw.neighbor_range(row, level, &begin, &end);
    for (std::size_t i = begin; i < end; ++i) {
      to.push_back(hnsw.neighbors[i] < 0 ? kNoLink : static_cast<RowNumber>(hnsw.neighbors[i]));
    }
  };
  for (RowNumber row = 0; row < graph.row_count; ++row) {
    append(row, 0, base);
    const int levels = hnsw.levels[row];
    if (levels == 1) continue;
    for (int level = 1; level < levels; ++level) append(row, level, upper);
    upper_rows.push_back(row);
    upper_blocks.push_back(upper_blocks.back() + static_cast<std::uint32_t>(levels) - 1);
  }
  graph.base = base;
  graph.upper_rows = upper_rows;
  graph.upper_blocks = upper_blocks;
  graph.upper = upper;
  graph.inverse_norms = inverse_norms;
  return WriteGraphFile(path, graph);
}

}  // namespace

std::uint64_t BuildGraph(const RowSource& rows, Metric metric, faiss::HNSW& hnsw, int threads,
                         const std::filesystem::path& path, ProgressListener& progress) {
  std::vector<float> inverse_norms;
  if (metric == Metric::kCosine) inverse_norms = InverseNorms(rows);
  hnsw.prepare_level_tab(rows.row_count(), false);
  progress.Begin("link", rows.row_count(), "rows");
  InsertAll(rows, inverse_norms, hnsw, threads, progress);
  progress.End();
  return WriteLinks(rows, metric, hnsw, inverse_norms, path);
}

}  // namespace actkin
