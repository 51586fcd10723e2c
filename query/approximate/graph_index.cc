#include "query/approximate/graph_index.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "schema/error.h"
#include "storage/machine/row_distance.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr std::uint64_t kDefaultEfSearch = 16;

// A row with its distance: squared for l2, the similarity with its sign turned for cosine. Smaller is nearer.
struct Candidate {
  float distance = 0;
  RowNumber row = 0;

  friend bool operator<(const Candidate& a, const Candidate& b) { return a.distance < b.distance; }
  friend bool operator>(const Candidate& a, const Candidate& b) { return a.distance > b.distance; }
};

using NearestFirst = std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>>;
using FarthestFirst = std::priority_queue<Candidate>;

}  // namespace

// What one search at a time asks for, and the memory that it writes on.
class GraphIndex::GraphSearch {
 public:
  explicit GraphSearch(const GraphIndex& index)
      : index_(index), graph_(index.file_.graph()), visited_(index.row_count()) {}

  // Algorithm 5.
  std::vector<RowNumber> KnnSearch(std::span<const float> query, std::uint64_t k, std::uint64_t ef) {
    query_ = query;
    rows_ = {graph_.entry_point};
    Measure();
    Candidate entry_point{distances_.front(), graph_.entry_point};
    for (std::uint32_t level = graph_.top_level; level > 0; --level) entry_point = GreedyDescent(entry_point, level);
    FarthestFirst found = SearchLayer(entry_point, std::max(ef, k), 0);
    while (found.size() > k) found.pop();
    std::vector<RowNumber> nearest;
    nearest.reserve(found.size());
    for (; !found.empty(); found.pop()) nearest.push_back(found.top().row);
    return nearest;
  }

 private:
  // Algorithm 2 for ef = 1.
  Candidate GreedyDescent(Candidate entry_point, std::uint32_t level) {
    Candidate nearest = entry_point;
    for (bool nearer = true; nearer;) {
      nearer = false;
      MeasureLinks(nearest.row, level, [](RowNumber) { return true; });
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (distances_[i] >= nearest.distance) continue;
        nearest = {distances_[i], rows_[i]};
        nearer = true;
      }
    }
    return nearest;
  }

  // Algorithm 2. At most ef rows.
  FarthestFirst SearchLayer(Candidate entry_point, std::uint64_t ef, std::uint32_t level) {
    ForgetVisited();
    Visit(entry_point.row);
    NearestFirst candidates;
    FarthestFirst found;
    candidates.push(entry_point);
    found.push(entry_point);
    while (!candidates.empty() && (found.size() < ef || !(candidates.top() > found.top()))) {
      const RowNumber row = candidates.top().row;
      candidates.pop();
      MeasureLinks(row, level, [this](RowNumber link) { return Visit(link); });
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        const Candidate candidate{distances_[i], rows_[i]};
        if (found.size() == ef && !(candidate < found.top())) continue;
        if (found.size() == ef) found.pop();
        found.push(candidate);
        candidates.push(candidate);
      }
    }
    return found;
  }

  // Whether it was not visited yet.
  bool Visit(RowNumber row) { return std::exchange(visited_[row], mark_) != mark_; }
  void ForgetVisited() {
    if (++mark_ != 0) return;
    std::ranges::fill(visited_, std::uint16_t{0});
    mark_ = 1;
  }

  // rows_ and distances_ are then of those of a row's links that `accepts` takes.
  void MeasureLinks(RowNumber row, std::uint32_t level, const auto& accepts) {
    rows_.clear();
    for (const RowNumber link : index_.file_.Links(row, level)) {
      if (link == kNoLink) break;
      if (link >= graph_.row_count) index_.file_.FailOnLink(row, link);
      if (accepts(link)) rows_.push_back(link);
    }
    Measure();
  }

  // distances_ of rows_.
  void Measure() {
    const RowSource& site = index_.rows();
    stored_.clear();
    for (const RowNumber row : rows_) stored_.push_back(site.Stored(row));
    distances_.resize(rows_.size());
    if (index_.metric() == Metric::kL2) {
      SquaredDistancesTo(stored_, site.element(), graph_.dimension, query_.data(), distances_.data());
    } else {
      DotProductsWith(stored_, site.element(), graph_.dimension, query_.data(), distances_.data());
      for (std::size_t i = 0; i < rows_.size(); ++i) distances_[i] *= -graph_.inverse_norms[rows_[i]];
    }
    for (float& distance : distances_) {
      if (std::isnan(distance)) distance = std::numeric_limits<float>::infinity();
    }
  }

  const GraphIndex& index_;
  const HnswGraph& graph_;
  std::span<const float> query_;
  std::vector<std::uint16_t> visited_;  // rows that were visited bear the mark
  std::uint16_t mark_ = 0;
  // What is measured together.
  std::vector<RowNumber> rows_;
  std::vector<const std::byte*> stored_;
  std::vector<float> distances_;
};

GraphIndex::GraphIndex(std::string name, GraphFile file, RowSource rows, std::shared_ptr<const RowMap> order)
    : ApproximateIndex(std::move(name), file.graph().metric, std::move(rows), std::move(order)),
      file_(std::move(file)) {
  const HnswGraph& graph = file_.graph();
  if (graph.row_count != row_count() || graph.dimension != dimension() ||
      graph.rows_checksum != this->rows().checksum()) {
    FailDamaged("{}: was built over other rows than the site has: drop it and add it again", file_.path().string());
  }
}

GraphIndex::~GraphIndex() = default;

std::unique_ptr<GraphIndex::GraphSearch> GraphIndex::TakeSearch() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (searches_.empty()) return std::make_unique<GraphSearch>(*this);
  std::unique_ptr<GraphSearch> search = std::move(searches_.back());
  searches_.pop_back();
  return search;
}

std::vector<std::vector<RowNumber>> GraphIndex::Choose(std::span<const float> queries, std::uint64_t k,
                                                       const IndexParameters& parameters, int threads) const {
  std::uint64_t ef = kDefaultEfSearch;
  for (const auto& [name, value] : parameters) ef = static_cast<std::uint64_t>(value);
  std::vector<std::vector<RowNumber>> chosen(queries.size() / dimension());
  const RowRange all{0, chosen.size()};
  ForEachPiece(all, 1, UsefulThreads(all, 1, threads), [&](int, RowRange piece) {
    std::unique_ptr<GraphSearch> search = TakeSearch();
    for (std::uint64_t i = piece.begin; i < piece.end; ++i) {
      chosen[i] = search->KnnSearch(queries.subspan(i * dimension(), dimension()), k, ef);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    searches_.push_back(std::move(search));
  });
  return chosen;
}

}  // namespace actkin
