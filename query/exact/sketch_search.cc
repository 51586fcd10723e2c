#include "query/exact/sketch_search.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <utility>

#include "query/exact/rows_left.h"
#include "query/exact/rows_waiting.h"
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
// Where one row in so many waits, all are read in one pass.
constexpr std::uint64_t kAllAtOnce = 3;
// Rows of one query's that wait and are read together by one worker.
constexpr std::uint64_t kReadTogether = 256;
// Of one query of several so many rows wait at most, for memory's sake, and one in so many: where more do, they are
// read while those of the other queries are still near.
constexpr std::uint64_t kMostWaiting = 1 << 16;
constexpr std::uint64_t kMostShare = 8;
// Where at most one row in so many passes a filter, the codes of these are read, wherever they stand; else the rows of
// blocks are asked.
constexpr std::uint64_t kSparse = 64;

// Near where near rows are asked for: the nearest, or a band that only its upper end, in distance, makes narrow.
Side SideOf(const SearchRequest& request) {
  if (request.k) return request.order == Order::kNearest ? Side::kNear : Side::kFar;
  const Band band = request.within.value_or(Band{});
  const double far_end = request.metric == Metric::kL2 ? band.high : -band.low;
  return far_end < std::numeric_limits<double>::infinity() ? Side::kNear : Side::kFar;
}

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
    if (most_rows) most_blocks_ = *most_rows / kBlockRows + (*most_rows % kBlockRows != 0 ? 1 : 0);
    FindPassing();
    read_.resize(queries_.size());
    if (few_) return;
    keys_.resize(queries_.size() * padded_groups());
    stops_.assign(queries_.size(), kInfinity);
  }

  void Run(std::span<std::vector<Match>> answers) {
    WorkTeam team(UsefulThreads({0, groups_}, 1, request_.threads));
    workers_.resize(static_cast<std::size_t>(team.size()));
    for (Worker& worker : workers_) Prepare(worker);
    const RowRange queries{0, queries_.size()};
    team.ForEachPiece(queries, 1, [this](int number, RowRange piece) {
      Worker& worker = workers_[static_cast<std::size_t>(number)];
      worker.left.Begin(queries_[piece.begin].lengths() != nullptr);
      if (few_) return LookAtFew(worker, piece.begin);
      LookAtGroups(piece.begin);
      if (most_blocks_ && *most_blocks_ < blocks_)
        stops_[piece.begin] = ChooseBlocks(piece.begin, *most_blocks_).back().first;
      if (request_.k) FindBound(worker, piece.begin);
    });
    if (!few_) {
      team.ForEachPiece({0, groups_}, kPiece, [this](int worker, RowRange piece) {
        for (std::size_t query = 0; query < queries_.size(); ++query) {
          LookAtBlocks(workers_[static_cast<std::size_t>(worker)], query, piece);
        }
      });
    }
    for (std::size_t query = 0; query < queries_.size(); ++query) ReadWaiting(team, query);
    Finish(team, answers);
  }

 private:
  void Finish(WorkTeam& team, std::span<std::vector<Match>> answers) {
    team.ForEachPiece({0, queries_.size()}, 1, [&](int, RowRange piece) {
      std::vector<Match>& answer = answers[piece.begin];
      for (Worker& worker : workers_) {
        const std::vector<Match> matches = worker.found[piece.begin].Finish();
        answer.insert(answer.end(), matches.begin(), matches.end());
      }
      SortMatches(request_, answer);
    });
  }

  struct Waiting {
    RowsWaiting rows;
    std::size_t most = 0;  // before the best of them are read
  };

  struct Worker {
    std::deque<TopRows> found;         // a query each
    std::vector<std::size_t> offered;  // a query each: since its bound was made narrower
    RowsLeft left;
    RowsLeft promising;
    std::vector<std::int32_t> sums;
    std::vector<std::int32_t> rests;
    std::vector<RowNumber> rows;   // that are read,
    std::vector<float> raw;        // and their raw values
    std::vector<Waiting> waiting;  // a query each
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
    worker.waiting.assign(queries_.size(), {.rows = {}, .most = FirstWaiting()});
  }

  // Of a filter that leaves few rows also the places.
  void FindPassing() {
    passing_ = request_.among ? request_.among->CountIn(rows_) : rows_.size();
    filtered_ = passing_ < file_.row_count();
    few_ = filtered_ && passing_ <= file_.row_count() / kSparse;
    if (!few_) return;
    places_.reserve(passing_);
    const auto add = [this](RowRange run) {
      for (std::uint64_t row = run.begin; row < run.end; ++row) {
        places_.push_back(static_cast<std::uint32_t>(file_.PlaceOf(static_cast<RowNumber>(row))));
      }
    };
    if (request_.among) {
      request_.among->ForEachRun(rows_, add);
    } else {
      add(rows_);
    }
  }

  bool Passes(std::uint64_t place) const {
    const RowNumber row = file_.RowAt(place);
    return row >= rows_.begin && row < rows_.end && (!request_.among || request_.among->Contains(row));
  }

  using BlockKeys = std::array<float, kBlockRows>;

  // Of 64 boxes.
  void FindKeys(BoxOf of, std::uint64_t part, std::size_t query, float* keys) const {
    std::array<std::int32_t, kBlockRows> sums;
    std::array<std::int32_t, kBlockRows> rests;
    std::array<float, kBlockRows> bounds;
    const SketchQuery& asked = queries_[query];
    BoxDistances(file_.LowCorners(of, part), file_.HighCorners(of, part), asked.level(0), sums.data(), rests.data());
    asked.BoundBoxes(of, part * kBlockRows, sums, rests.data(), bounds.data());
    asked.BoxKeys(of, part * kBlockRows, bounds, keys);
    if (request_.cost != nullptr) request_.cost->boxes_read.fetch_add(kBlockRows, std::memory_order_relaxed);
  }

  void LookAtGroups(std::size_t query) {
    float* keys = Keys(query).data();
    for (std::uint64_t part = 0; part < SketchBlocks(groups_); ++part) {
      FindKeys(BoxOf::kGroup, part, query, keys + part * kBlockRows);
    }
  }

  // Of the blocks of a group; of those that are none infinite.
  BlockKeys KeysOfBlocks(std::uint64_t group, std::size_t query) const {
    BlockKeys keys;
    FindKeys(BoxOf::kBlock, group, query, keys.data());
    for (std::uint64_t i = 0; i < kBlockRows; ++i) {
      const std::uint64_t block = group * kBlockRows + i;
      if (block >= blocks_) keys[i] = kInfinity;
    }
    return keys;
  }

  // The most promising blocks with their keys, best first. REQUIRES: 0 < count.
  std::vector<std::pair<float, std::uint32_t>> ChooseBlocks(std::size_t query, std::uint64_t count) {
    const std::span<const float> keys = Keys(query);
    // A heap, the most promising first: few of them are taken.
    std::vector<std::pair<float, std::uint32_t>> groups(groups_);
    for (std::uint32_t group = 0; group < groups_; ++group) groups[group] = {keys[group], group};
    std::ranges::make_heap(groups, std::greater());
    std::vector<std::pair<float, std::uint32_t>> best;  // a heap, the least promising first
    for (; !groups.empty(); groups.pop_back()) {
      std::ranges::pop_heap(groups, std::greater());
      const auto [key, group] = groups.back();
      if (best.size() == count && key > best.front().first) break;
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
    const std::size_t enough = Enough();
    RowsLeft& left = worker.left;
    const float limit = queries_[query].Limit(BandEnd());
    for (const auto& [key, block] : ChooseBlocks(query, PromisingBlocks())) {
      AddRows(worker, query, block, limit);
      if (left.size() > 64 * enough) left.KeepBest(8 * enough);
    }
    left.KeepBest(8 * enough);
    FindBoundAmong(worker, left, query);
    left.resize(0);
  }
  // Rows whose numbers are read for a bound.
  std::size_t Enough() const { return 2 * *request_.k + 16; }

  // Of rows that only their coarse codes were asked of.
  void FindBoundAmong(Worker& worker, RowsLeft& promising, std::size_t query) {
    const float limit = queries_[query].Limit(BandEnd());
    for (std::size_t level = 1; level < file_.levels().count; ++level) {
      Refine(worker, promising, query, level, limit);
      promising.KeepBest(4 * Enough());
    }
    promising.KeepBest(Enough());
    double bound = BandEnd();
    std::vector<std::uint32_t>& read = read_[query];
    read.assign(promising.places().begin(), promising.places().end());
    std::ranges::sort(read);
    worker.rows.clear();
    for (const std::uint32_t place : read) worker.rows.push_back(file_.RowAt(place));
    OfferRows(worker, worker.rows, query, limit);
    if (read.size() >= *request_.k) bound = BoundOf(query, worker.raw);
    for (Worker& each : workers_) each.found[query].RequireAtLeastAsGoodAs(bound);
  }

  // Of a filter that leaves few rows all of them.
  void LookAtFew(Worker& worker, std::size_t query) {
    RowsLeft& left = worker.left;
    left.Reserve(places_.size());
    const float* lengths = queries_[query].lengths();
    for (const std::uint32_t place : places_) left.Add(place, lengths == nullptr ? 0.0F : lengths[place]);
    Refine(worker, left, query, 0, queries_[query].Limit(BandEnd()));
    if (most_blocks_) left.KeepBest(*most_blocks_ * kBlockRows);
    if (request_.k) {
      worker.promising = left;
      worker.promising.KeepBest(8 * Enough());
      FindBoundAmong(worker, worker.promising, query);
    }
    const float limit = LimitOf(worker.found[query], query);
    left.resize(KeepNotAbove(left.numbers(), left.size(), limit));
    ReadRows(worker, query, limit);
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
    std::array<float, kBlockRows> keys;
    const SketchQuery& asked = queries_[query];
    const std::uint64_t first = block * kBlockRows;
    const std::size_t rows = std::min<std::uint64_t>(kBlockRows, file_.row_count() - first);
    RowsLeft& left = worker.left;
    left.Reserve(kBlockRows);
    Count(0, rows);
    if (rows == kBlockRows && !filtered_ && asked.KeepsBlocks()) {
      left.resize(left.size() + asked.KeepBlock(block, limit, left.numbers(left.size())));
      return;
    }
    CoarseDistances(file_.Codes(0) + block * kBlockBytes, rows, asked.level(0), sums.data(), rests.data());
    asked.BoundBlock(block, std::span(sums).first(rows), rests.data(), along.data(), keys.data());
    asked.RowKeys(first, std::span(keys).first(rows), keys.data());
    std::uint64_t chosen = NotAbove(keys.data(), rows, limit);
    if (filtered_) {
      for (std::uint64_t bits = chosen; bits != 0; bits &= bits - 1) {
        const int row = std::countr_zero(bits);
        if (!Passes(first + static_cast<std::uint64_t>(row))) chosen ^= std::uint64_t{1} << row;
      }
    }
    if (chosen == 0) return;
    left.resize(left.size() + KeepOfBlock(chosen, static_cast<std::uint32_t>(first), along.data(), keys.data(),
                                          left.lengths() == nullptr ? nullptr : asked.lengths() + first,
                                          left.numbers(left.size())));
  }

  // Leaves out rows by their codes at a level.
  void Refine(Worker& worker, RowsLeft& left, std::size_t query, std::size_t level, float limit) const {
    if (left.size() == 0) return;
    left.Reserve(0);
    worker.sums.resize(left.size());
    worker.rests.resize(left.size());
    const SketchQuery& asked = queries_[query];
    const std::span<const std::uint32_t> places = left.places();
    RowDistances(file_.Codes(level), places.data(), left.size(), asked.level(level), worker.sums.data(),
                 worker.rests.data());
    asked.BoundRows(level, places, worker.sums.data(), worker.rests.data(), left.along(), left.keys());
    asked.RowKeys(places, left.lengths(), std::span(left.keys(), left.size()), left.keys());
    Count(level, left.size());
    left.resize(KeepNotAbove(left.numbers(), left.size(), limit));
  }

  void Count(std::size_t level, std::uint64_t rows) const {
    if (request_.cost == nullptr) return;
    request_.cost->code_bytes_read[level].fetch_add(rows * file_.levels().codes[level], std::memory_order_relaxed);
  }

  // Offers the rows of these groups that may be in the answer.
  void LookAtBlocks(Worker& worker, std::size_t query, RowRange groups) {
    if (worker.left.size() == 0) worker.left.Begin(queries_[query].lengths() != nullptr);
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
    // What is left of a query alone waits for more; of several the next one's come here.
    if (queries_.size() > 1) ReadRows(worker, query, limit);
  }

  void PrefetchCodes(std::uint64_t block) const {
    if (block >= blocks_) return;
    constexpr std::size_t kLine = 64;
    for (std::size_t byte = 0; byte < kBlockBytes; byte += kLine)
      hwy::Prefetch(file_.Codes(0) + block * kBlockBytes + byte);
  }

  // Refines the rows left by all levels but the coarse one. Those that none leaves out wait for better ones; where many
  // do, the best of them are read. Returns the limit that holds afterwards.
  float ReadRows(Worker& worker, std::size_t query, float limit) const {
    RowsLeft& left = worker.left;
    for (std::size_t level = 1; level < file_.levels().count; ++level) Refine(worker, left, query, level, limit);
    const std::vector<std::uint32_t>& read = read_[query];
    auto& [waiting, most] = worker.waiting[query];
    for (std::size_t i = 0; i < left.size(); ++i) {
      const std::uint32_t place = left.places()[i];
      if (!std::ranges::binary_search(read, place)) waiting.Add(left.keys()[i], file_.RowAt(place));
    }
    left.resize(0);
    if (waiting.size() < most) return limit;
    if (request_.k) limit = ReadBest(worker, query, Enough(), limit);  // which says how good the others must be
    if (waiting.size() > MostWaiting() / 2) limit = ReadBest(worker, query, waiting.size(), limit);
    most = std::clamp(2 * waiting.size(), FirstWaiting(), MostWaiting());
    return limit;
  }

  // Of those that wait. Returns the limit that holds afterwards, and leaves nothing that is above it.
  float ReadBest(Worker& worker, std::size_t query, std::size_t count, float limit) const {
    RowsWaiting& waiting = worker.waiting[query].rows;
    waiting.TakeBest(count, file_.row_count(), worker.rows);
    limit = OfferRows(worker, worker.rows, query, limit);
    waiting.LeaveOut(limit);
    return limit;
  }

  // Reads rows and offers them; their raw values stay in worker.raw. Returns the limit that holds afterwards.
  float OfferRows(Worker& worker, std::span<const RowNumber> rows, std::size_t query, float limit) const {
    TopRows& found = worker.found[query];
    worker.raw.resize(rows.size());
    ForEachPiece({0, rows.size()}, kReadTogether, 1, [&](int, RowRange part) {
      scan_.ScanRows(query, rows.subspan(part.begin, part.size()),
                     std::span(worker.raw).subspan(part.begin, part.size()));
    });
    for (std::size_t i = 0; i < rows.size(); ++i) found.Offer(rows[i], std::span(worker.raw).subspan(i, 1));
    std::size_t& offered = worker.offered[query];
    offered += rows.size();
    if (!request_.k || offered < Enough()) return limit;
    found.ExcludeByRaw();
    offered = 0;
    return LimitOf(found, query);
  }

  std::size_t MostWaiting() const {
    return queries_.size() > 1 ? std::min(kMostWaiting, file_.row_count() / kMostShare)
                               : std::numeric_limits<std::size_t>::max() / 2;
  }
  // Without k all rows of the band are in the answer, and none is better than another.
  std::size_t FirstWaiting() const { return request_.k ? std::min(2 * Enough(), MostWaiting()) : MostWaiting(); }

  // Of a query: what is left, and then what waits: the best few, then four times as many each time.
  void ReadWaiting(WorkTeam& team, std::size_t query) {
    float limit = kInfinity;
    RowsWaiting waiting;
    for (Worker& worker : workers_) {
      limit = std::min(limit, ReadRows(worker, query, LimitOf(worker.found[query], query)));
      waiting.Take(worker.waiting[query].rows);
    }
    std::vector<RowNumber> rows;
    for (std::size_t together = request_.k ? Enough() : waiting.size();; together *= 4) {
      waiting.LeaveOut(limit);
      if (waiting.size() == 0) return;
      const bool all = request_.k && together > Enough() && waiting.size() >= file_.row_count() / kAllAtOnce;
      waiting.TakeBest(all ? waiting.size() : together, file_.row_count(), rows);
      team.ForEachPiece({0, rows.size()}, kReadTogether, [&](int number, RowRange piece) {
        OfferRows(workers_[static_cast<std::size_t>(number)], std::span(rows).subspan(piece.begin, piece.size()), query,
                  limit);
      });
      for (const Worker& worker : workers_) limit = std::min(limit, LimitOf(worker.found[query], query));
    }
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
  bool few_ = false;                   // so few that all of them are looked at
  std::vector<std::uint32_t> places_;  // of these
  std::vector<SketchQuery> queries_;
  std::vector<float> keys_;                       // queries x padded groups
  std::vector<float> stops_;                      // a query: blocks with a larger key are not looked at
  std::vector<std::vector<std::uint32_t>> read_;  // a query: places whose rows were offered for its bound, ascending
  std::vector<Worker> workers_;
};

}  // namespace

void SearchBySketches(const SketchFile& file, const VectorScan& scan, std::span<const float> queries, RowRange rows,
                      const SearchRequest& request, const RowMap& order, std::optional<std::uint64_t> most_rows,
                      std::span<std::vector<Match>> answers) {
  SketchSearch(file, scan, queries, rows, request, order, most_rows).Run(answers);
}

}  // namespace actkin
