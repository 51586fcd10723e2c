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

// What one search at a time writes on.
struct GraphIndex::Walk {
  explicit Walk(std::uint64_t row_count) : visited(row_count) {}

  // Nothing is visited any more.
  void Begin() {
    if (++mark != 0) return;
    std::ranges::fill(visited, std::uint16_t{0});
    mark = 1;
  }

  std::vector<std::uint16_t> visited;  // rows seen bear the mark
  std::uint16_t mark = 0;
  // The links that are looked at together.
  std::vector<RowNumber> rows;
  std::vector<const std::byte*> stored;
  std::vector<float> distances;
};

GraphIndex::GraphIndex(std::string name, GraphFile file, SiteRows rows, std::shared_ptr<const RowOrderFile> order)
    : ApproximateIndex(std::move(name), file.graph().metric, std::move(rows), std::move(order)),
      file_(std::move(file)) {
  const HnswGraph& graph = file_.graph();
  if (graph.row_count != row_count() || graph.dimension != dimension() ||
      graph.rows_checksum != this->rows().checksum()) {
    FailDamaged("{}: was built over other rows than the site has: drop it and add it again", file_.path().string());
  }
}

GraphIndex::~GraphIndex() = default;

std::unique_ptr<GraphIndex::Walk> GraphIndex::TakeWalk() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (walks_.empty()) return std::make_unique<Walk>(row_count());
  std::unique_ptr<Walk> walk = std::move(walks_.back());
  walks_.pop_back();
  return walk;
}

std::vector<std::vector<RowNumber>> GraphIndex::Choose(std::span<const float> queries, std::uint64_t k,
                                                       const IndexParameters& parameters, int threads) const {
  std::uint64_t ef = kDefaultEfSearch;
  for (const auto& [name, value] : parameters) ef = static_cast<std::uint64_t>(value);
  ef = std::min(std::max(ef, k), row_count());
  std::vector<std::vector<RowNumber>> chosen(queries.size() / dimension());
  const RowRange all{0, chosen.size()};
  ForEachPiece(all, 1, UsefulThreads(all, 1, threads), [&](int, RowRange piece) {
    std::unique_ptr<Walk> walk = TakeWalk();
    for (std::uint64_t i = piece.begin; i < piece.end; ++i) {
      chosen[i] = ChooseFor(queries.subspan(i * dimension(), dimension()), k, ef, *walk);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    walks_.push_back(std::move(walk));
  });
  return chosen;
}

std::vector<RowNumber> GraphIndex::ChooseFor(std::span<const float> query, std::uint64_t k, std::uint64_t ef,
                                             Walk& walk) const {
  const HnswGraph& graph = file_.graph();
  walk.Begin();
  // The distances of walk.rows.
  const auto measure = [&] {
    walk.stored.clear();
    for (const RowNumber row : walk.rows) walk.stored.push_back(rows().Stored(row));
    walk.distances.resize(walk.rows.size());
    if (metric() == Metric::kL2) {
      SquaredDistancesTo(walk.stored, rows().element(), dimension(), query.data(), walk.distances.data());
    } else {
      DotProductsWith(walk.stored, rows().element(), dimension(), query.data(), walk.distances.data());
      for (std::size_t i = 0; i < walk.rows.size(); ++i) {
        walk.distances[i] *= -graph.inverse_norms[walk.rows[i]];
      }
    }
    for (float& distance : walk.distances) {
      if (std::isnan(distance)) distance = std::numeric_limits<float>::infinity();
    }
  };
  // The links of `row` that `take` accepts, with their distances.
  const auto look_around = [&](RowNumber row, std::uint32_t level, const auto& take) {
    walk.rows.clear();
    for (const RowNumber link : file_.Links(row, level)) {
      if (link == kNoLink) break;
      if (link >= graph.row_count) file_.FailOnLink(row, link);
      if (take(link)) walk.rows.push_back(link);
    }
    measure();
  };

  walk.rows = {graph.entry};
  measure();
  Candidate nearest{walk.distances.front(), graph.entry};
  for (std::uint32_t level = graph.top_level; level > 0; --level) {
    for (bool nearer = true; nearer;) {
      nearer = false;
      look_around(nearest.row, level, [](RowNumber) { return true; });
      for (std::size_t i = 0; i < walk.rows.size(); ++i) {
        if (walk.distances[i] >= nearest.distance) continue;
        nearest = {walk.distances[i], walk.rows[i]};
        nearer = true;
      }
    }
  }

  NearestFirst ahead;
  FarthestFirst found;
  ahead.push(nearest);
  found.push(nearest);
  walk.visited[nearest.row] = walk.mark;
  while (!ahead.empty() && (found.size() < ef || !(ahead.top() > found.top()))) {
    const RowNumber row = ahead.top().row;
    ahead.pop();
    look_around(row, 0, [&](RowNumber link) { return std::exchange(walk.visited[link], walk.mark) != walk.mark; });
    for (std::size_t i = 0; i < walk.rows.size(); ++i) {
      const Candidate candidate{walk.distances[i], walk.rows[i]};
      if (found.size() == ef && !(candidate < found.top())) continue;
      if (found.size() == ef) found.pop();
      found.push(candidate);
      ahead.push(candidate);
    }
  }
  while (found.size() > k) found.pop();
  std::vector<RowNumber> chosen;
  chosen.reserve(found.size());
  for (; !found.empty(); found.pop()) chosen.push_back(found.top().row);
  return chosen;
}

}  // namespace actkin
