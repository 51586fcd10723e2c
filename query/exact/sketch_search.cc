#include "query/exact/sketch_search.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>
#include <utility>

#include "query/exact/sketch_query.h"
#include "query/exact/top_rows.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Groups of boxes that a thread takes at once; and blocks whose codes all queries of a group look at in turn: they stay
// in the second-level cache.
constexpr std::uint64_t kBoxPiece = 4;
constexpr std::uint64_t kBlockPiece = 256;
// Rows left that are refined together, at the next level or by their numbers.
constexpr std::size_t kTogether = 512;
// Where at most one row in so many passes a filter, their places are looked up; else the rows of blocks are asked.
constexpr std::uint64_t kSparse = 16;

// Near where near rows are asked for: the nearest, or a band that only its upper end, in distance, makes narrow.
Side SideOf(const SearchRequest& request) {
  if (request.k) return request.order == Order::kNearest ? Side::kNear : Side::kFar;
  const Band band = request.within.value_or(Band{});
  const double far_end = request.metric == Metric::kL2 ? band.high : -band.low;
  return far_end < std::numeric_limits<double>::infinity() ? Side::kNear : Side::kFar;
}

// Rows that no level has left out so far.
struct RowsLeft {
  std::vector<std::uint32_t> places;
  std::vector<float> along;  // what the axes of the levels so far bound
  std::vector<float> keys;

  std::size_t size() const { return places.size(); }
  void clear() { resize(0); }
  void resize(std::size_t count) {
    places.resize(count);
    along.resize(count);
    keys.resize(count);
  }
  void Move(std::size_t from, std::size_t to) {
    places[to] = places[from];
    along[to] = along[from];
    keys[to] = keys[from];
  }
  void KeepBest(std::size_t count) {
    if (size() <= count) return;
    std::vector<std::uint32_t> order(size());
    std::iota(order.begin(), order.end(), 0U);
    std::nth_element(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
        [this](std::uint32_t a, std::uint32_t b) { return std::pair(keys[a], a) < std::pair(keys[b], b); });
    order.resize(count);
    std::ranges::sort(order);
    for (std::size_t i = 0; i < count; ++i) Move(order[i], i);
    resize(count);
  }
};

// The searches of one group of queries.
class SketchSearch {
 public:
  SketchSearch(const SketchFile& file, const VectorScan& scan, std::span<const float> queries, RowRange rows,
               const SearchRequest& request, const RowMap& order, std::optional<std::uint64_t> most_rows)
      : file_(file),
        scan_(scan),
        rows_(rows),
        request_(request),
        order_(order),
        side_(SideOf(request)),
        blocks_(file.block_count()),
        groups_(SketchBlocks(blocks_)) {
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      queries_.emplace_back(file, request.metric, side_, queries.subspan(query * file.dimension(), file.dimension()));
    }
    if (most_rows) most_blocks_ = std::max<std::uint64_t>(*most_rows / kBlockRows, 1);
    keys_.resize(queries_.size() * padded_blocks());
    best_of_groups_.resize(queries_.size() * groups_);
    stops_.assign(queries_.size(), kInfinity);
    FindPassing();
  }

  void Run(std::span<std::vector<Match>> answers) {
    WorkTeam team(UsefulThreads({0, blocks_}, kBlockRows, request_.threads));
    workers_.resize(static_cast<std::size_t>(team.size()));
    for (Worker& worker : workers_) Prepare(worker);
    LookAtBoxes(team);
    const RowRange queries{0, queries_.size()};
    team.ForEachPiece(queries, 1, [this](int worker, RowRange piece) {
      const std::size_t query = piece.begin;
      if (most_blocks_ && *most_blocks_ < blocks_) stops_[query] = KeyOfRank(query, *most_blocks_);
      if (request_.k) FindBound(workers_[static_cast<std::size_t>(worker)], query);
    });
    team.ForEachPiece({0, blocks_}, kBlockPiece, [this](int worker, RowRange piece) {
      for (std::size_t query = 0; query < queries_.size(); ++query) {
        LookAtBlocks(workers_[static_cast<std::size_t>(worker)], query, piece);
      }
    });
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) {
      std::vector<Match>& answer = answers[piece.begin];
      for (Worker& worker : workers_) {
        const std::vector<Match> matches = worker.found[piece.begin].Finish();
        answer.insert(answer.end(), matches.begin(), matches.end());
      }
      SortMatches(request_, answer);
    });
  }

 private:
  struct Worker {
    std::deque<TopRows> found;         // a query each
    std::vector<std::size_t> offered;  // a query each: since its bound was made narrower
    RowsLeft left;
    std::vector<std::int32_t> sums;
    std::vector<std::int32_t> rests;
    std::vector<float> bounds;
  };

  std::uint64_t padded_blocks() const { return groups_ * kBlockRows; }
  std::span<float> Keys(std::size_t query) {
    return std::span(keys_).subspan(query * padded_blocks(), padded_blocks());
  }

  void Prepare(Worker& worker) const {
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      worker.found.emplace_back(request_, scan_.bounds(query), order_,
                                [this, query](RowNumber row) { return scan_.Distance(query, row); });
    }
    worker.offered.resize(queries_.size());
  }

  // Of a filter that leaves few rows the places, as bits of blocks.
  void FindPassing() {
    passing_ = request_.among ? request_.among->CountIn(rows_) : rows_.size();
    filtered_ = passing_ < file_.row_count();
    if (!filtered_ || passing_ > file_.row_count() / kSparse) return;
    passing_of_blocks_.resize(blocks_);
    const auto add = [this](RowRange run) {
      for (std::uint64_t row = run.begin; row < run.end; ++row) {
        const std::uint64_t place = file_.PlaceOf(static_cast<RowNumber>(row));
        passing_of_blocks_[place / kBlockRows] |= std::uint64_t{1} << (place % kBlockRows);
      }
    };
    if (request_.among) {
      request_.among->ForEachRun(rows_, add);
    } else {
      add(rows_);
    }
  }

  // Those rows of a block that are looked at, as bits; of a filter that leaves many all.
  std::uint64_t RowsOf(std::uint64_t block) const {
    if (!passing_of_blocks_.empty()) return passing_of_blocks_[block];
    const std::uint64_t rows = std::min<std::uint64_t>(kBlockRows, file_.row_count() - block * kBlockRows);
    return ~std::uint64_t{0} >> (kBlockRows - rows);
  }

  bool Passes(std::uint32_t place) const {
    if (!filtered_ || !passing_of_blocks_.empty()) return true;
    const RowNumber row = file_.RowAt(place);
    return row >= rows_.begin && row < rows_.end && (!request_.among || request_.among->Contains(row));
  }

  void LookAtBoxes(WorkTeam& team) {
    if (request_.cost != nullptr) request_.cost->boxes_read += queries_.size() * blocks_;
    team.ForEachPiece({0, groups_}, kBoxPiece, [this](int, RowRange piece) {
      std::array<std::int32_t, kBlockRows> sums;
      std::array<std::int32_t, kBlockRows> rests;
      std::array<float, kBlockRows> bounds;
      for (std::uint64_t group = piece.begin; group < piece.end; ++group) {
        for (std::size_t query = 0; query < queries_.size(); ++query) {
          std::array<float, kBlockRows> along{};
          const SketchQuery& asked = queries_[query];
          BoxDistances(file_.LowCorners(group), file_.HighCorners(group), asked.level(0), side_, sums.data(),
                       rests.data());
          BoundDistances(sums.data(), rests.data(), kBlockRows, asked.terms(0), along.data(), bounds.data());
          float* keys = Keys(query).data() + group * kBlockRows;
          asked.BoxKeys(group * kBlockRows, bounds, keys);
          LeaveOutEmpty(group, keys);
          best_of_groups_[query * groups_ + group] = *std::min_element(keys, keys + kBlockRows);
        }
      }
    });
  }

  void LeaveOutEmpty(std::uint64_t group, float* keys) const {
    for (std::uint64_t i = 0; i < kBlockRows; ++i) {
      const std::uint64_t block = group * kBlockRows + i;
      if (block >= blocks_ || (!passing_of_blocks_.empty() && passing_of_blocks_[block] == 0)) keys[i] = kInfinity;
    }
  }

  // The key that the `count` most promising blocks do not exceed.
  float KeyOfRank(std::size_t query, std::uint64_t count) {
    const std::span<const float> keys = Keys(query).first(blocks_);
    std::vector<float> sorted(keys.begin(), keys.end());
    const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(sorted.begin(), last, sorted.end());
    return *last;
  }

  // The distance, in units of the metric, beyond which the band has no rows.
  double BandEnd() const {
    const Band band = request_.within.value_or(Band{});
    return (side_ == Side::kNear) == (request_.metric == Metric::kL2) ? band.high : band.low;
  }

  float LimitOf(const TopRows& found, std::size_t query) const {
    return queries_[query].Limit(request_.k ? found.bound() : BandEnd());
  }

  // So many blocks hold nearly the k best rows; more, where only some of their rows pass.
  std::uint64_t PromisingBlocks() const {
    const double rows_of_each_passing =
        static_cast<double>(file_.row_count()) / static_cast<double>(std::max<std::uint64_t>(passing_, 1));
    const double blocks = (16 + static_cast<double>(*request_.k) / 8) * rows_of_each_passing;
    return blocks < static_cast<double>(blocks_) ? static_cast<std::uint64_t>(blocks) : blocks_;
  }

  // The most promising blocks.
  std::vector<std::uint32_t> ChooseBlocks(std::size_t query) {
    const std::uint64_t count = PromisingBlocks();
    const std::span<const float> keys = Keys(query);
    // As many groups have a block that is as good as this; so the best blocks are.
    float limit = kInfinity;
    if (count < groups_) {
      const auto bests = std::span(std::as_const(best_of_groups_)).subspan(query * groups_, groups_);
      std::vector<float> sorted(bests.begin(), bests.end());
      const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(count - 1);
      std::nth_element(sorted.begin(), last, sorted.end());
      limit = *last;
    }
    std::vector<std::uint32_t> blocks;
    for (std::uint64_t group = 0; group < groups_; ++group) {
      if (best_of_groups_[query * groups_ + group] > limit) continue;
      for (std::uint64_t i = 0; i < kBlockRows; ++i) {
        const std::uint64_t block = group * kBlockRows + i;
        if (block < blocks_ && keys[block] <= limit) blocks.push_back(static_cast<std::uint32_t>(block));
      }
    }
    if (blocks.size() > count) {
      std::nth_element(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(count), blocks.end(),
                       [&](std::uint32_t a, std::uint32_t b) { return std::pair(keys[a], a) < std::pair(keys[b], b); });
      blocks.resize(count);
    }
    return blocks;
  }

  // A distance that at least k rows of the band reach: the k-th best of some rows whose codes look good. Where there
  // are not k such rows, the band's end.
  void FindBound(Worker& worker, std::size_t query) {
    const std::size_t enough = 2 * *request_.k + 16;
    RowsLeft& left = worker.left;
    left.clear();
    const float limit = queries_[query].Limit(BandEnd());
    for (const std::uint32_t block : ChooseBlocks(query)) {
      AddRows(worker, query, block, limit);
      if (left.size() > 64 * enough) left.KeepBest(8 * enough);
    }
    left.KeepBest(8 * enough);
    for (std::size_t level = 1; level < file_.level_count(); ++level) {
      Refine(worker, query, level, limit);
      left.KeepBest(4 * enough);
    }
    left.KeepBest(enough);
    double bound = BandEnd();
    if (left.size() >= *request_.k) {
      std::vector<float> raw;
      ForEachRow(left, [&](RowNumber row) { raw.push_back(scan_.ScanRow(query, row)); });
      bound = BoundOf(query, raw);
    }
    left.clear();
    for (Worker& each : workers_) each.found[query].RequireAtLeastAsGoodAs(bound);
  }

  // A distance that k of the rows with these raw values reach; the band's end where that is not known.
  double BoundOf(std::size_t query, std::span<float> raw) const {
    const std::uint64_t k = *request_.k;
    const ScanBounds& bounds = scan_.bounds(query);
    const bool smaller_is_better = SmallerIsBetter(request_.metric, request_.order);
    // Rows of which nothing is known, or that may be outside the band, prove nothing.
    const auto proven_end = std::remove_if(raw.begin(), raw.end(), [&](float value) {
      return std::isnan(value) || (request_.within && (bounds.LowestDistance(value) < request_.within->low ||
                                                       bounds.HighestDistance(value) > request_.within->high));
    });
    if (static_cast<std::uint64_t>(proven_end - raw.begin()) < k) return BandEnd();
    const auto worst = raw.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(raw.begin(), worst, proven_end,
                     [=](float a, float b) { return smaller_is_better ? a < b : a > b; });
    return smaller_is_better ? bounds.HighestDistance(*worst) : bounds.LowestDistance(*worst);
  }

  // The rows of a block that its coarse codes do not leave out.
  void AddRows(Worker& worker, std::size_t query, std::uint64_t block, float limit) const {
    std::array<std::int32_t, kBlockRows> sums;
    std::array<std::int32_t, kBlockRows> rests;
    std::array<float, kBlockRows> along{};
    std::array<float, kBlockRows> bounds;
    std::array<float, kBlockRows> keys;
    const SketchQuery& asked = queries_[query];
    CoarseDistances(file_.CoarseCodes(block), asked.level(0), sums.data(), rests.data());
    BoundDistances(sums.data(), rests.data(), kBlockRows, asked.terms(0), along.data(), bounds.data());
    asked.RowKeys(block * kBlockRows, bounds, keys.data());
    RowsLeft& left = worker.left;
    for (std::uint64_t rows = NotAbove(keys.data(), kBlockRows, limit) & RowsOf(block); rows != 0; rows &= rows - 1) {
      const int row = std::countr_zero(rows);
      const auto place = static_cast<std::uint32_t>(block * kBlockRows + static_cast<std::uint64_t>(row));
      if (!Passes(place)) continue;
      left.places.push_back(place);
      left.along.push_back(along[static_cast<std::size_t>(row)]);
      left.keys.push_back(keys[static_cast<std::size_t>(row)]);
    }
    Count(0, kBlockRows);
  }

  // Leaves out rows by their codes at a level.
  void Refine(Worker& worker, std::size_t query, std::size_t level, float limit) const {
    RowsLeft& left = worker.left;
    if (left.size() == 0) return;
    worker.sums.resize(left.size());
    worker.rests.resize(left.size());
    worker.bounds.resize(left.size());
    const SketchQuery& asked = queries_[query];
    RowDistances(file_.Codes(level), left.places.data(), left.size(), asked.level(level), worker.sums.data(),
                 worker.rests.data());
    BoundDistances(worker.sums.data(), worker.rests.data(), left.size(), asked.terms(level), left.along.data(),
                   worker.bounds.data());
    asked.RowKeys(left.places, worker.bounds, left.keys.data());
    Count(level, left.size());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left.keys[i] <= limit) left.Move(i, kept++);
    }
    left.resize(kept);
  }

  void Count(std::size_t level, std::uint64_t rows) const {
    if (request_.cost == nullptr) return;
    request_.cost->code_bytes_read[level].fetch_add(rows * kLevelCodes[level], std::memory_order_relaxed);
  }

  // Calls action(row) for rows left, whose numbers have been asked for a little before.
  template <typename Action>
  void ForEachRow(const RowsLeft& left, const Action& action) const {
    constexpr std::size_t kAhead = 3;
    for (std::size_t i = 0; i < std::min(kAhead, left.size()); ++i) scan_.Prefetch(file_.RowAt(left.places[i]));
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (i + kAhead < left.size()) scan_.Prefetch(file_.RowAt(left.places[i + kAhead]));
      action(file_.RowAt(left.places[i]));
    }
  }

  // Offers the rows of these blocks that may be in the answer.
  void LookAtBlocks(Worker& worker, std::size_t query, RowRange blocks) {
    TopRows& found = worker.found[query];
    const std::span<const float> keys = Keys(query);
    float limit = LimitOf(found, query);
    worker.left.clear();
    for (std::uint64_t first = blocks.begin; first < blocks.end; first += kBlockRows) {
      const std::uint64_t count = std::min(kBlockRows, blocks.end - first);
      std::uint64_t chosen = NotAbove(keys.data() + first, count, std::min(limit, stops_[query]));
      while (chosen != 0) {
        const std::uint64_t block = first + static_cast<std::uint64_t>(std::countr_zero(chosen));
        chosen &= chosen - 1;
        if (chosen != 0) PrefetchCodes(first + static_cast<std::uint64_t>(std::countr_zero(chosen)));
        AddRows(worker, query, block, limit);
        if (worker.left.size() >= kTogether) limit = ReadRows(worker, query, limit);
      }
    }
    ReadRows(worker, query, limit);
  }

  void PrefetchCodes(std::uint64_t block) const {
    constexpr std::size_t kLine = 64;
    for (std::size_t byte = 0; byte < kBlockBytes; byte += kLine) hwy::Prefetch(file_.CoarseCodes(block) + byte);
  }

  // Refines the rows left, and offers those that no level leaves out. Returns the limit that holds afterwards.
  float ReadRows(Worker& worker, std::size_t query, float limit) const {
    TopRows& found = worker.found[query];
    for (std::size_t level = 1; level < file_.level_count(); ++level) Refine(worker, query, level, limit);
    ForEachRow(worker.left, [&](RowNumber row) {
      const float raw = scan_.ScanRow(query, row);
      found.Offer(row, std::span(&raw, 1));
    });
    std::size_t& offered = worker.offered[query];
    offered += worker.left.size();
    worker.left.clear();
    if (request_.k && offered >= 2 * *request_.k + 64) {
      found.ExcludeByRaw();
      offered = 0;
      return LimitOf(found, query);
    }
    return limit;
  }

  const SketchFile& file_;
  const VectorScan& scan_;
  const RowRange rows_;
  const SearchRequest& request_;
  const RowMap& order_;
  const Side side_;
  const std::uint64_t blocks_;
  const std::uint64_t groups_;  // of boxes
  std::optional<std::uint64_t> most_blocks_;
  std::uint64_t passing_ = 0;  // rows that are looked at
  bool filtered_ = false;
  std::vector<std::uint64_t> passing_of_blocks_;  // empty where many pass
  std::vector<SketchQuery> queries_;
  std::vector<float> keys_;            // queries x padded blocks
  std::vector<float> best_of_groups_;  // queries x groups
  std::vector<float> stops_;           // a query: blocks with a larger key are not looked at
  std::vector<Worker> workers_;
};

}  // namespace

void SearchBySketches(const SketchFile& file, const VectorScan& scan, std::span<const float> queries, RowRange rows,
                      const SearchRequest& request, const RowMap& order, std::optional<std::uint64_t> most_rows,
                      std::span<std::vector<Match>> answers) {
  SketchSearch(file, scan, queries, rows, request, order, most_rows).Run(answers);
}

}  // namespace actkin
