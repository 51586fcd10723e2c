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
// Groups of blocks whose codes all queries look at in turn: they stay in the second-level cache.
constexpr std::uint64_t kPiece = 4;
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
        groups_(file.group_count()) {
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      queries_.emplace_back(file, request.metric, side_, queries.subspan(query * file.dimension(), file.dimension()),
                            scan.row_tolerance());
    }
    if (most_rows) most_blocks_ = std::max<std::uint64_t>(*most_rows / kBlockRows, 1);
    keys_.resize(queries_.size() * padded_groups());
    stops_.assign(queries_.size(), kInfinity);
    FindPassing();
  }

  void Run(std::span<std::vector<Match>> answers) {
    WorkTeam team(UsefulThreads({0, groups_}, 1, request_.threads));
    workers_.resize(static_cast<std::size_t>(team.size()));
    for (Worker& worker : workers_) Prepare(worker);
    const RowRange queries{0, queries_.size()};
    team.ForEachPiece(queries, 1, [this](int worker, RowRange piece) {
      LookAtGroups(piece.begin);
      if (most_blocks_ && *most_blocks_ < blocks_)
        stops_[piece.begin] = ChooseBlocks(piece.begin, *most_blocks_).back().first;
      if (request_.k) FindBound(workers_[static_cast<std::size_t>(worker)], piece.begin);
    });
    team.ForEachPiece({0, groups_}, kPiece, [this](int worker, RowRange piece) {
      for (std::size_t query = 0; query < queries_.size(); ++query) {
        LookAtBlocks(workers_[static_cast<std::size_t>(worker)], query, piece);
      }
    });
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) {
      std::vector<Match>& answer = answers[piece.begin];
      for (Worker& worker : workers_) {
        if (queries_.size() == 1) ReadRows(worker, 0, LimitOf(worker.found[0], 0));
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
    std::vector<RowNumber> rows;
    std::vector<float> raw;
  };

  std::uint64_t padded_groups() const { return SketchBlocks(groups_) * kBlockRows; }
  std::span<float> Keys(std::size_t query) {
    return std::span(keys_).subspan(query * padded_groups(), padded_groups());
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

  using BlockKeys = std::array<float, kBlockRows>;

  // Of 64 boxes.
  void FindKeys(BoxOf of, std::uint64_t part, std::size_t query, float* keys) const {
    std::array<std::int32_t, kBlockRows> sums;
    std::array<std::int32_t, kBlockRows> rests;
    std::array<float, kBlockRows> along{};
    std::array<float, kBlockRows> bounds;
    const SketchQuery& asked = queries_[query];
    BoxDistances(file_.LowCorners(of, part), file_.HighCorners(of, part), asked.level(0), side_, sums.data(),
                 rests.data());
    BoundDistances(sums.data(), rests.data(), kBlockRows, asked.terms(0), along.data(), bounds.data());
    asked.BoxKeys(of, part * kBlockRows, bounds, keys);
    if (request_.cost != nullptr) request_.cost->boxes_read.fetch_add(kBlockRows, std::memory_order_relaxed);
  }

  void LookAtGroups(std::size_t query) {
    float* keys = Keys(query).data();
    for (std::uint64_t part = 0; part < SketchBlocks(groups_); ++part) {
      FindKeys(BoxOf::kGroup, part, query, keys + part * kBlockRows);
    }
  }

  // Of the blocks of a group; of those that are none, or have no row that passes, infinite.
  BlockKeys KeysOfBlocks(std::uint64_t group, std::size_t query) const {
    BlockKeys keys;
    FindKeys(BoxOf::kBlock, group, query, keys.data());
    for (std::uint64_t i = 0; i < kBlockRows; ++i) {
      const std::uint64_t block = group * kBlockRows + i;
      if (block >= blocks_ || (!passing_of_blocks_.empty() && passing_of_blocks_[block] == 0)) keys[i] = kInfinity;
    }
    return keys;
  }

  // The most promising blocks with their keys, best first. REQUIRES: 0 < count.
  std::vector<std::pair<float, std::uint32_t>> ChooseBlocks(std::size_t query, std::uint64_t count) {
    const std::span<const float> keys = Keys(query);
    std::vector<std::uint32_t> groups(groups_);
    std::iota(groups.begin(), groups.end(), 0U);
    std::ranges::sort(groups,
                      [&](std::uint32_t a, std::uint32_t b) { return std::pair(keys[a], a) < std::pair(keys[b], b); });
    std::vector<std::pair<float, std::uint32_t>> best;  // a heap, the least promising first
    for (const std::uint32_t group : groups) {
      if (best.size() == count && keys[group] > best.front().first) break;
      const BlockKeys of_blocks = KeysOfBlocks(group, query);
      for (std::uint64_t i = 0; i < kBlockRows && group * kBlockRows + i < blocks_; ++i) {
        const std::pair block(of_blocks[i], static_cast<std::uint32_t>(group * kBlockRows + i));
        if (best.size() == count) {
          if (block >= best.front()) continue;
          std::ranges::pop_heap(best);
          best.pop_back();
        }
        best.push_back(block);
        std::ranges::push_heap(best);
      }
    }
    std::ranges::sort_heap(best);
    return best;
  }

  // The distance, in units of the metric, beyond which the band has no rows.
  double BandEnd() const {
    const Band band = request_.within.value_or(Band{});
    return (side_ == Side::kNear) == (request_.metric == Metric::kL2) ? band.high : band.low;
  }

  float LimitOf(const TopRows& found, std::size_t query) const {
    return queries_[query].Limit(request_.k ? found.bound() : BandEnd());
  }

  // So many blocks hold most of the k best rows; more, where only some of their rows pass, and at least 2 k of these.
  std::uint64_t PromisingBlocks() const {
    const auto k = static_cast<double>(*request_.k);
    const auto passing = static_cast<double>(std::max<std::uint64_t>(passing_, 1));
    const double rows_of_each_passing = static_cast<double>(file_.row_count()) / passing;
    const double blocks =
        std::max((16 + k / 8) * std::sqrt(rows_of_each_passing), 2 * k * static_cast<double>(blocks_) / passing);
    const std::uint64_t most = most_blocks_ ? std::min(*most_blocks_, blocks_) : blocks_;
    return blocks < static_cast<double>(most) ? static_cast<std::uint64_t>(blocks) : most;
  }

  // A distance that at least k rows of the band reach: the k-th best of some rows whose codes look good. Where there
  // are not k such rows, the band's end.
  void FindBound(Worker& worker, std::size_t query) {
    const std::size_t enough = 2 * *request_.k + 16;
    RowsLeft& left = worker.left;
    left.clear();
    const float limit = queries_[query].Limit(BandEnd());
    for (const auto& [key, block] : ChooseBlocks(query, PromisingBlocks())) {
      AddRows(worker, query, block, limit);
      if (left.size() > 64 * enough && next_level() > 0) left.KeepBest(8 * enough);
    }
    if (next_level() > 0) left.KeepBest(8 * enough);
    for (std::size_t level = next_level(); level < file_.level_count(); ++level) {
      Refine(worker, query, level, limit);
      left.KeepBest(level == 0 ? 8 * enough : 4 * enough);
    }
    left.KeepBest(enough);
    double bound = BandEnd();
    if (left.size() >= *request_.k) {
      ScanLeft(worker, query);
      bound = BoundOf(query, worker.raw);
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
    if (!passing_of_blocks_.empty()) return AddFewRows(worker, block);
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

  // All rows of a block that pass a filter which leaves few: their coarse codes are read alone, by Refine.
  void AddFewRows(Worker& worker, std::uint64_t block) const {
    RowsLeft& left = worker.left;
    for (std::uint64_t rows = RowsOf(block); rows != 0; rows &= rows - 1) {
      left.places.push_back(
          static_cast<std::uint32_t>(block * kBlockRows + static_cast<std::uint64_t>(std::countr_zero(rows))));
      left.along.push_back(0);
      left.keys.push_back(0);
    }
  }
  // The first level that is still to be looked at of the rows that AddRows left.
  std::size_t next_level() const { return passing_of_blocks_.empty() ? 1 : 0; }

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

  // Reads the numbers of the rows left: their raw values.
  void ScanLeft(Worker& worker, std::size_t query) const {
    worker.rows.clear();
    for (const std::uint32_t place : worker.left.places) worker.rows.push_back(file_.RowAt(place));
    worker.raw.resize(worker.rows.size());
    scan_.ScanRows(query, worker.rows, worker.raw);
  }

  // Offers the rows of these groups that may be in the answer.
  void LookAtBlocks(Worker& worker, std::size_t query, RowRange groups) {
    float limit = LimitOf(worker.found[query], query);
    for (std::uint64_t group = groups.begin; group < groups.end; ++group) {
      if (Keys(query)[group] > std::min(limit, stops_[query])) continue;
      const BlockKeys keys = KeysOfBlocks(group, query);
      std::uint64_t chosen = NotAbove(keys.data(), kBlockRows, std::min(limit, stops_[query]));
      while (chosen != 0) {
        const std::uint64_t block = group * kBlockRows + static_cast<std::uint64_t>(std::countr_zero(chosen));
        chosen &= chosen - 1;
        if (block >= blocks_) break;
        if (chosen != 0) PrefetchCodes(group * kBlockRows + static_cast<std::uint64_t>(std::countr_zero(chosen)));
        AddRows(worker, query, block, limit);
        if (worker.left.size() >= kTogether) limit = ReadRows(worker, query, limit);
      }
    }
    // What is left of a query alone waits for more.
    if (queries_.size() > 1) ReadRows(worker, query, limit);
  }

  void PrefetchCodes(std::uint64_t block) const {
    if (block >= blocks_) return;
    constexpr std::size_t kLine = 64;
    for (std::size_t byte = 0; byte < kBlockBytes; byte += kLine) hwy::Prefetch(file_.CoarseCodes(block) + byte);
  }

  // Refines the rows left, and offers those that no level leaves out. Returns the limit that holds afterwards.
  float ReadRows(Worker& worker, std::size_t query, float limit) const {
    TopRows& found = worker.found[query];
    for (std::size_t level = next_level(); level < file_.level_count(); ++level) {
      Refine(worker, query, level, limit);
    }
    ScanLeft(worker, query);
    for (std::size_t i = 0; i < worker.rows.size(); ++i)
      found.Offer(worker.rows[i], std::span(worker.raw).subspan(i, 1));
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
  std::vector<float> keys_;   // queries x padded groups
  std::vector<float> stops_;  // a query: blocks with a larger key are not looked at
  std::vector<Worker> workers_;
};

}  // namespace

void SearchBySketches(const SketchFile& file, const VectorScan& scan, std::span<const float> queries, RowRange rows,
                      const SearchRequest& request, const RowMap& order, std::optional<std::uint64_t> most_rows,
                      std::span<std::vector<Match>> answers) {
  SketchSearch(file, scan, queries, rows, request, order, most_rows).Run(answers);
}

}  // namespace actkin
