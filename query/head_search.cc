#include "query/head_search.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <numeric>
#include <utility>

#include "query/head_query.h"
#include "query/top_rows.h"
#include "storage/row_workers.h"

namespace actkin {
namespace {

// Blocks that a thread takes at once: their coarse codes stay in the first-level cache while the queries pass over
// them.
constexpr std::uint64_t kCoarsePiece = 32;
// The same where rows may have to be read: 8 blocks of 384 float32 numbers are 768 KB.
constexpr std::uint64_t kRowPiece = 8;

// True where near rows are wanted: the nearest, or a band that only its upper end, in distance, makes narrow.
Wanted WantedOf(const SearchRequest& request) {
  if (request.k) return request.order == Order::kNearest ? Wanted::kNear : Wanted::kFar;
  const bool far_end_is_high = request.metric == Metric::kL2;
  const Band band = request.within.value_or(Band{});
  const double far_end = far_end_is_high ? band.high : -band.low;
  return far_end < std::numeric_limits<double>::infinity() ? Wanted::kNear : Wanted::kFar;
}

// The searches of one group of queries.
class HeadSearch {
 public:
  HeadSearch(const HeadView& view, const VectorScan& scan, RowRange rows, const SearchRequest& request,
             const RowOrderFile& order)
      : view_(view),
        scan_(scan),
        rows_(rows),
        blocks_{rows.begin / kBlockRows, (rows.end + kBlockRows - 1) / kBlockRows},
        request_(request),
        order_(order),
        wanted_(WantedOf(request)),
        capacity_((request.k ? 4 * *request.k : 0) + 8192) {
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      queries_.emplace_back(view, request.metric, wanted_, scan.Exact(query));
    }
    best_.resize(queries_.size() * blocks_.size());
    reach_.resize(queries_.size());
  }

  void Run(std::span<std::vector<Match>> answers) {
    WorkTeam team(UsefulThreads(blocks_, kRowPiece, request_.threads));
    FindBlockBests(team);
    const RowRange queries{0, queries_.size()};
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) { reach_[piece.begin] = FirstReach(piece.begin); });
    workers_.resize(static_cast<std::size_t>(team.size()));
    for (Worker& worker : workers_) Prepare(worker);
    team.ForEachPiece(blocks_, kRowPiece, [&](int worker, RowRange piece) {
      for (std::size_t query = 0; query < queries_.size(); ++query) {
        SearchBlocks(workers_[static_cast<std::size_t>(worker)], query, piece);
      }
    });
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) { reach_[piece.begin] = LastReach(piece.begin); });
    // What is left of every share is finished by whoever is free.
    const RowRange shares{0, queries_.size() * workers_.size()};
    team.ForEachPiece(shares, 1, [&](int worker, RowRange piece) {
      Share& share = workers_[piece.begin % workers_.size()].queries[piece.begin / workers_.size()];
      FinishShare(share, piece.begin / workers_.size(), workers_[static_cast<std::size_t>(worker)].raw);
    });
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      for (Worker& worker : workers_) {
        const std::vector<Match>& matches = worker.queries[query].matches;
        answers[query].insert(answers[query].end(), matches.begin(), matches.end());
      }
      SortMatches(request_, answers[query]);
    }
  }

 private:
  // A row that neither code leaves out, and its squared fine distance.
  struct Left {
    std::int32_t fine = 0;
    RowNumber row = 0;
  };
  // One thread's share of one query's search.
  struct Share {
    TopRows found;
    // As `found` knew it when the limits were computed.
    double reach = 0;
    std::int32_t coarse_limit = 0;
    std::int32_t fine_limit = 0;
    std::vector<Left> left = {};
    std::vector<Match> matches = {};
  };
  struct Worker {
    std::deque<Share> queries;
    std::vector<RowNumber> rows;
    std::vector<std::int32_t> fine;
    std::vector<float> raw;
  };

  bool Beyond(std::int32_t squared, std::int32_t limit) const {
    return wanted_ == Wanted::kNear ? squared > limit : squared < limit;
  }
  bool Better(std::int32_t a, std::int32_t b) const { return wanted_ == Wanted::kNear ? a < b : a > b; }

  // The distance, in units of the metric, beyond which the band has no rows.
  double BandEnd() const {
    const Band band = request_.within.value_or(Band{});
    return (wanted_ == Wanted::kNear) == (request_.metric == Metric::kL2) ? band.high : band.low;
  }

  void Prepare(Worker& worker) const {
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      Share& share = worker.queries.emplace_back(Share{TopRows(
          request_, scan_.bounds(), order_, [this, query](RowNumber row) { return scan_.Distance(query, row); })});
      if (request_.k) share.found.RequireAtLeastAsGoodAs(reach_[query]);
      SetLimits(share, query);
    }
  }

  void SetLimits(Share& share, std::size_t query) const {
    share.reach = share.found.reach();
    const double reach = request_.k ? share.reach : BandEnd();
    share.coarse_limit = queries_[query].CoarseLimit(reach);
    share.fine_limit = queries_[query].FineLimit(reach);
  }

  void FindBlockBests(WorkTeam& team) {
    team.ForEachPiece(blocks_, kCoarsePiece, [this](int, RowRange piece) {
      const auto codes = view_.coarse.subspan(piece.begin * kBlockBytes, piece.size() * kBlockBytes);
      for (std::size_t query = 0; query < queries_.size(); ++query) {
        std::int32_t* best = best_.data() + query * blocks_.size() + (piece.begin - blocks_.begin);
        if (wanted_ == Wanted::kNear) {
          SmallestCoarse(codes, queries_[query].coarse(), best);
        } else {
          LargestCoarse(codes, queries_[query].coarse(), best);
        }
      }
    });
  }

  std::span<const std::int32_t> Bests(std::size_t query) const {
    return std::span(best_).subspan(query * blocks_.size(), blocks_.size());
  }

  // Rows of a block, within the rows looked at, whose squared coarse distance is not beyond the limit.
  void AddRowsWithin(std::size_t query, std::uint64_t block, std::int32_t limit, std::vector<RowNumber>& left) const {
    std::int32_t squared[kBlockRows];
    CoarseDistances(view_.coarse.data() + block * kBlockBytes, queries_[query].coarse(), squared);
    const std::uint64_t first = block * kBlockRows;
    const std::uint64_t begin = std::max(first, rows_.begin);
    const std::uint64_t end = std::min(first + kBlockRows, rows_.end);
    for (std::uint64_t row = begin; row < end; ++row) {
      if (!Beyond(squared[row - first], limit)) left.push_back(static_cast<RowNumber>(row));
    }
  }

  // A distance that at least k rows of the band reach: the k-th best of some rows that look good. Without k such rows,
  // the band's end.
  double FirstReach(std::size_t query) const {
    if (!request_.k) return BandEnd();
    const std::uint64_t k = *request_.k;
    const std::uint64_t wanted = 2 * k + 256;
    const std::span<const std::int32_t> bests = Bests(query);
    std::vector<std::uint32_t> blocks(bests.size());
    std::iota(blocks.begin(), blocks.end(), 0U);
    const std::uint64_t taken = std::min<std::uint64_t>(wanted, blocks.size());
    std::nth_element(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(taken - 1), blocks.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return Better(bests[a], bests[b]); });
    const std::int32_t limit = bests[blocks[taken - 1]];
    std::vector<RowNumber> rows;
    for (std::uint64_t i = 0; i < taken && rows.size() < 4 * wanted; ++i) {
      AddRowsWithin(query, blocks_.begin + blocks[i], limit, rows);
    }
    if (rows.size() < k) return BandEnd();
    std::vector<std::int32_t> fine(rows.size());
    FineDistances(view_.fine.data(), rows, queries_[query].fine(), fine.data());
    std::vector<Left> left(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) left[i] = {fine[i], rows[i]};
    return ReachOf(query, left);
  }

  // The k-th best distance among the k rows whose fine codes are best; the band's end where one of them is outside it,
  // or where there are not k. Brings those rows to the front.
  double ReachOf(std::size_t query, std::vector<Left>& left) const {
    const std::uint64_t k = *request_.k;
    if (left.size() < k) return BandEnd();
    BringBestToFront(left, k);
    std::vector<double> distances(k);
    std::transform(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(k), distances.begin(),
                   [&](const Left& one) { return scan_.Distance(query, one.row); });
    const auto [smallest, largest] = std::ranges::minmax(distances);
    if (request_.within && (smallest < request_.within->low || largest > request_.within->high)) return BandEnd();
    return SmallerIsBetter(request_.metric, request_.order) ? largest : smallest;
  }

  void BringBestToFront(std::vector<Left>& left, std::uint64_t count) const {
    std::nth_element(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count - 1), left.end(),
                     [this](const Left& a, const Left& b) { return Better(a.fine, b.fine); });
  }

  void SearchBlocks(Worker& worker, std::size_t query, RowRange blocks) const {
    const std::span<const std::int32_t> bests = Bests(query);
    Share& share = worker.queries[query];
    for (std::uint64_t block = blocks.begin; block < blocks.end; ++block) {
      if (Beyond(bests[block - blocks_.begin], share.coarse_limit)) continue;
      worker.rows.clear();
      AddRowsWithin(query, block, share.coarse_limit, worker.rows);
      worker.fine.resize(worker.rows.size());
      FineDistances(view_.fine.data(), worker.rows, queries_[query].fine(), worker.fine.data());
      for (std::size_t i = 0; i < worker.rows.size(); ++i) {
        if (!Beyond(worker.fine[i], share.fine_limit)) share.left.push_back({worker.fine[i], worker.rows[i]});
      }
      if (share.left.size() >= capacity_) Shrink(share, query, worker.raw);
    }
  }

  // Reads the k best of the rows left, so that the limits leave fewer; all of them where that is not enough.
  void Shrink(Share& share, std::size_t query, std::vector<float>& raw) const {
    if (request_.k) {
      BringBestToFront(share.left, *request_.k);
      const auto rest = share.left.begin() + static_cast<std::ptrdiff_t>(*request_.k);
      Offer(share.found, query, {share.left.begin(), rest}, raw);
      share.left.erase(share.left.begin(), rest);
      share.found.ExcludeByRaw();
      SetLimits(share, query);
      std::erase_if(share.left, [&](const Left& one) { return Beyond(one.fine, share.fine_limit); });
    }
    if (share.left.size() > capacity_ / 2) {
      Offer(share.found, query, share.left, raw);
      share.left.clear();
      SetLimits(share, query);
    }
  }

  // The reach, now that every row that may be in the answer is left in some share, or was read.
  double LastReach(std::size_t query) const {
    double reach = reach_[query];
    if (!request_.k) return reach;
    std::vector<Left> left;
    const bool smaller_is_better = SmallerIsBetter(request_.metric, request_.order);
    const auto improve = [&](double other) {
      reach = smaller_is_better ? std::min(reach, other) : std::max(reach, other);
    };
    for (const Worker& worker : workers_) {
      const Share& share = worker.queries[query];
      left.insert(left.end(), share.left.begin(), share.left.end());
      improve(share.found.reach());
    }
    improve(ReachOf(query, left));
    return reach;
  }

  void FinishShare(Share& share, std::size_t query, std::vector<float>& raw) const {
    if (request_.k) share.found.RequireAtLeastAsGoodAs(reach_[query]);
    SetLimits(share, query);
    std::erase_if(share.left, [&](const Left& one) { return Beyond(one.fine, share.fine_limit); });
    Offer(share.found, query, share.left, raw);
    share.matches = share.found.Finish();
  }

  // Reads rows, run by run of neighbors, and offers them.
  void Offer(TopRows& found, std::size_t query, std::span<Left> left, std::vector<float>& raw) const {
    std::ranges::sort(left, {}, &Left::row);
    for (std::size_t i = 0; i < left.size();) {
      std::size_t end = i + 1;
      while (end < left.size() && left[end].row == left[end - 1].row + 1) ++end;
      raw.resize(end - i);
      scan_.ScanOne(query, {left[i].row, std::uint64_t{left[end - 1].row} + 1}, raw);
      found.Offer(left[i].row, raw);
      i = end;
    }
  }

  const HeadView& view_;
  const VectorScan& scan_;
  const RowRange rows_;
  const RowRange blocks_;  // that hold the rows; the first and the last may hold others too
  const SearchRequest& request_;
  const RowOrderFile& order_;
  const Wanted wanted_;
  std::vector<HeadQuery> queries_;
  std::vector<std::int32_t> best_;  // queries x blocks
  std::vector<double> reach_;       // by query: no row beyond this distance is in the answer
  // Rows left that a share may hold: enough that one step of shrinking pays.
  const std::size_t capacity_;
  std::vector<Worker> workers_;
};

}  // namespace

void SearchByHeads(const HeadView& view, const VectorScan& scan, RowRange rows, const SearchRequest& request,
                   const RowOrderFile& order, std::span<std::vector<Match>> answers) {
  HeadSearch(view, scan, rows, request, order).Run(answers);
}

}  // namespace actkin
