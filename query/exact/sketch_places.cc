#include "query/exact/sketch_places.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "query/exact/place_counter.h"
#include "query/exact/sketch_query.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

using Places = PlaceCounter::Places;

// One side of the query: keys of rows and boxes, and the limits of the matches' distances.
class KeyedSide {
 public:
  KeyedSide(const SketchFile& file, Metric metric, Side side, std::span<const float> query, double tolerance,
            const PlaceCounter& counter)
      : file_(file), query_(file, metric, side, query, tolerance) {
    for (std::size_t i = 0; i < counter.count(); ++i) limits_.push_back(query_.Limit(counter.distance(i)));
  }

  std::vector<float>& limits() { return limits_; }
  const std::vector<float>& limits() const { return limits_; }

  // Of 64 boxes.
  void BoxKeys(BoxOf of, std::uint64_t part, float* keys) const {
    std::array<std::int32_t, kBlockRows> sums;
    std::array<std::int32_t, kBlockRows> rests;
    std::array<float, kBlockRows> bounds;
    BoxDistances(file_.LowCorners(of, part), file_.HighCorners(of, part), query_.level(0), sums.data(), rests.data());
    query_.BoundBoxes(of, part * kBlockRows, sums, rests.data(), bounds.data());
    query_.BoxKeys(of, part * kBlockRows, bounds, keys);
  }

  // Of the rows of a block by their coarse codes. along: what the next level goes on with.
  void CoarseKeys(std::uint64_t block, std::size_t rows, float* along, float* keys) const {
    std::array<std::int32_t, kBlockRows> sums;
    std::array<std::int32_t, kBlockRows> rests;
    std::fill_n(along, rows, 0.0F);
    CoarseDistances(file_.Codes(0) + block * kBlockBytes, rows, query_.level(0), sums.data(), rests.data());
    query_.BoundBlock(block, std::span(sums).first(rows), rests.data(), along, keys);
    query_.RowKeys(block * kBlockRows, std::span(keys, rows), keys);
  }

  // Of rows anywhere, by their codes at a level.
  void LevelKeys(std::size_t level, std::span<const std::uint32_t> places, float* along, float* keys) const {
    std::vector<std::int32_t> sums(places.size());
    std::vector<std::int32_t> rests(places.size());
    std::vector<float> lengths;
    if (query_.lengths() != nullptr) {
      for (const std::uint32_t place : places) lengths.push_back(query_.lengths()[place]);
    }
    RowDistances(file_.Codes(level), places.data(), places.size(), query_.level(level), sums.data(), rests.data());
    query_.BoundRows(level, places, sums.data(), rests.data(), along, keys);
    query_.RowKeys(places, lengths.empty() ? nullptr : lengths.data(), std::span(keys, places.size()), keys);
  }

 private:
  const SketchFile& file_;
  const SketchQuery query_;
  std::vector<float> limits_;
};

class SketchPlaces {
 public:
  SketchPlaces(const SketchFile& file, const VectorScan& scan, std::span<const float> query, RowRange rows,
               std::span<const Match> matches, const SearchRequest& request, const RowMap& order)
      : file_(file),
        scan_(scan),
        rows_(rows),
        request_(request),
        order_(order),
        counter_(request, matches),
        raw_places_(counter_, scan.bounds(0)),
        better_(file, request.metric, request.order == Order::kNearest ? Side::kNear : Side::kFar, query,
                scan.row_tolerance(), counter_),
        worse_(file, request.metric, request.order == Order::kNearest ? Side::kFar : Side::kNear, query,
               scan.row_tolerance(), counter_),
        filtered_(request.among || rows.size() < file.row_count()) {
    // A key above the limit on the better side has nothing at that distance or better: it is before no match up to that
    // one. On the worse side it has nothing at that distance or worse: it is before all from that one on. Limits are in
    // order, as distances are; where rounding made them otherwise, the more careful one holds.
    std::vector<float>& not_before = better_.limits();
    for (std::size_t i = 1; i < not_before.size(); ++i) not_before[i] = std::max(not_before[i], not_before[i - 1]);
    std::vector<float>& before = worse_.limits();
    for (std::size_t i = before.size(); i-- > 1;) before[i - 1] = std::max(before[i - 1], before[i]);
  }

  std::vector<std::uint64_t> Run() {
    const RowRange groups{0, file_.group_count()};
    keys_better_.resize(SketchBlocks(groups.end) * kBlockRows);
    keys_worse_.resize(keys_better_.size());
    for (std::uint64_t part = 0; part < SketchBlocks(groups.end); ++part) {
      FindKeys(BoxOf::kGroup, part, keys_better_.data() + part * kBlockRows, keys_worse_.data() + part * kBlockRows);
    }
    WorkTeam team(UsefulThreads(groups, 1, request_.threads));
    std::vector<Worker> workers(static_cast<std::size_t>(team.size()));
    for (Worker& worker : workers) worker.rows_at.resize(counter_.count() + 1);
    team.ForEachPiece(groups, 1, [&](int number, RowRange piece) {
      Worker& worker = workers[static_cast<std::size_t>(number)];
      for (std::uint64_t group = piece.begin; group < piece.end; ++group) LookAtGroup(group, worker);
    });
    std::vector<std::uint64_t>& all = workers.front().rows_at;
    for (std::size_t i = 1; i < workers.size(); ++i) {
      for (std::size_t place = 0; place < all.size(); ++place) all[place] += workers[i].rows_at[place];
    }
    return counter_.Before(all);
  }

 private:
  // Rows whose places are not known yet.
  struct Undecided {
    std::vector<std::uint32_t> places;  // in the file
    std::vector<float> along_better;
    std::vector<float> along_worse;
  };
  struct Worker {
    std::vector<std::uint64_t> rows_at;  // by place among the matches
    Undecided left;
    std::vector<float> keys_better;
    std::vector<float> keys_worse;
    std::vector<RowNumber> rows;  // that are read,
    std::vector<float> raw;       // and their raw values
  };
  using Keys = std::array<float, kBlockRows>;

  Places PlacesOf(float better, float worse) const {
    const auto low = std::ranges::partition_point(better_.limits(), [=](float limit) { return better > limit; });
    const auto high = std::ranges::partition_point(worse_.limits(), [=](float limit) { return !(worse > limit); });
    const auto least = static_cast<std::size_t>(low - better_.limits().begin());
    return {least, std::max(least, static_cast<std::size_t>(high - worse_.limits().begin()))};
  }

  bool Passes(std::uint64_t place) const {
    if (!filtered_) return true;
    const RowNumber row = file_.RowAt(place);
    return row >= rows_.begin && row < rows_.end && (!request_.among || request_.among->Contains(row));
  }

  std::uint64_t CountPassing(std::uint64_t begin, std::uint64_t end) const {
    end = std::min(end, file_.row_count());
    if (!filtered_) return end - begin;
    std::uint64_t count = 0;
    for (std::uint64_t place = begin; place < end; ++place) count += Passes(place) ? 1 : 0;
    return count;
  }

  void FindKeys(BoxOf of, std::uint64_t part, float* better, float* worse) const {
    better_.BoxKeys(of, part, better);
    worse_.BoxKeys(of, part, worse);
    if (request_.cost != nullptr) request_.cost->boxes_read.fetch_add(2 * kBlockRows, std::memory_order_relaxed);
  }

  void LookAtGroup(std::uint64_t group, Worker& worker) const {
    constexpr std::uint64_t kGroupRows = kBlockRows * kBlockRows;
    if (const Places places = PlacesOf(keys_better_[group], keys_worse_[group]); places.decided()) {
      worker.rows_at[places.low] += CountPassing(group * kGroupRows, (group + 1) * kGroupRows);
      return;
    }
    Keys better;
    Keys worse;
    FindKeys(BoxOf::kBlock, group, better.data(), worse.data());
    for (std::uint64_t i = 0; i < kBlockRows && group * kBlockRows + i < file_.block_count(); ++i) {
      const std::uint64_t block = group * kBlockRows + i;
      if (const Places places = PlacesOf(better[i], worse[i]); places.decided()) {
        worker.rows_at[places.low] += CountPassing(block * kBlockRows, (block + 1) * kBlockRows);
      } else {
        LookAtBlock(block, worker);
      }
    }
    ReadRows(worker);
  }

  void LookAtBlock(std::uint64_t block, Worker& worker) const {
    Keys along_better;
    Keys along_worse;
    Keys better;
    Keys worse;
    const std::size_t end = std::min<std::uint64_t>(kBlockRows, file_.row_count() - block * kBlockRows);
    better_.CoarseKeys(block, end, along_better.data(), better.data());
    worse_.CoarseKeys(block, end, along_worse.data(), worse.data());
    CountCodes(0, end);
    for (std::uint64_t i = 0; i < end; ++i) {
      const std::uint64_t place = block * kBlockRows + i;
      if (!Passes(place)) continue;
      if (const Places places = PlacesOf(better[i], worse[i]); places.decided()) {
        ++worker.rows_at[places.low];
        continue;
      }
      worker.left.places.push_back(static_cast<std::uint32_t>(place));
      worker.left.along_better.push_back(along_better[i]);
      worker.left.along_worse.push_back(along_worse[i]);
    }
  }

  // Places the rows left by their codes at a level.
  void Refine(std::size_t level, Worker& worker) const {
    Undecided& left = worker.left;
    worker.keys_better.resize(left.places.size());
    worker.keys_worse.resize(left.places.size());
    better_.LevelKeys(level, left.places, left.along_better.data(), worker.keys_better.data());
    worse_.LevelKeys(level, left.places, left.along_worse.data(), worker.keys_worse.data());
    CountCodes(level, left.places.size());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < left.places.size(); ++i) {
      if (const Places places = PlacesOf(worker.keys_better[i], worker.keys_worse[i]); places.decided()) {
        ++worker.rows_at[places.low];
        continue;
      }
      left.places[kept] = left.places[i];
      left.along_better[kept] = left.along_better[i];
      left.along_worse[kept] = left.along_worse[i];
      ++kept;
    }
    Resize(left, kept);
  }

  static void Resize(Undecided& left, std::size_t count) {
    left.places.resize(count);
    left.along_better.resize(count);
    left.along_worse.resize(count);
  }

  void ReadRows(Worker& worker) const {
    Undecided& left = worker.left;
    for (std::size_t level = 1; level < file_.levels().count && !left.places.empty(); ++level) Refine(level, worker);
    worker.rows.clear();
    for (const std::uint32_t place : left.places) worker.rows.push_back(file_.RowAt(place));
    worker.raw.resize(worker.rows.size());
    scan_.ScanRows(0, worker.rows, worker.raw);
    for (std::size_t i = 0; i < worker.rows.size(); ++i) {
      const RowNumber row = worker.rows[i];
      const Places places = raw_places_.Of(worker.raw[i]);
      ++worker.rows_at[places.decided() ? places.low : counter_.PlaceOf(scan_.Distance(0, row), order_.Number(row))];
    }
    Resize(left, 0);
  }

  void CountCodes(std::size_t level, std::uint64_t rows) const {
    if (request_.cost == nullptr) return;
    request_.cost->code_bytes_read[level].fetch_add(rows * file_.levels().codes[level], std::memory_order_relaxed);
  }

  const SketchFile& file_;
  const VectorScan& scan_;
  const RowRange rows_;
  const SearchRequest& request_;
  const RowMap& order_;
  const PlaceCounter counter_;
  const RawPlaces raw_places_;
  KeyedSide better_;
  KeyedSide worse_;
  const bool filtered_;
  // Of all groups.
  std::vector<float> keys_better_;
  std::vector<float> keys_worse_;
};

}  // namespace

std::vector<std::uint64_t> CountBySketches(const SketchFile& file, const VectorScan& scan, std::span<const float> query,
                                           RowRange rows, std::span<const Match> matches, const SearchRequest& request,
                                           const RowMap& order) {
  return SketchPlaces(file, scan, query, rows, matches, request, order).Run();
}

}  // namespace actkin
