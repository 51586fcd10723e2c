#include "query/exact/sketch_search.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <utility>

#include "query/exact/sketch_query.h"
#include "query/exact/top_rows.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// Blocks that a thread takes at once: their coarse codes stay in the first-level cache while the queries pass over
// them.
constexpr std::uint64_t kCoarsePiece = 32;
// The same where rows may have to be read: 8 blocks of 384 float32 numbers are 768 KB.
constexpr std::uint64_t kRowPiece = 8;
// The same of single rows.
constexpr std::uint64_t kFinePiece = 512;
// Of a block of which so many rows pass, the coarse codes of all are cheaper than the fine ones of these.
constexpr std::uint64_t kPassingRowsOfBlock = 8;

// Near where near rows are asked for: the nearest, or a band that only its upper end, in distance, makes narrow.
Side SideOf(const SearchRequest& request) {
  if (request.k) return request.order == Order::kNearest ? Side::kNear : Side::kFar;
  const bool far_end_is_high = request.metric == Metric::kL2;
  const Band band = request.within.value_or(Band{});
  const double far_end = far_end_is_high ? band.high : -band.low;
  return far_end < std::numeric_limits<double>::infinity() ? Side::kNear : Side::kFar;
}

// The searches of one group of queries.
class SketchSearch {
 public:
  SketchSearch(const SketchView& view, const VectorScan& scan, RowRange rows, const SearchRequest& request,
               const RowMap& order)
      : view_(view),
        scan_(scan),
        rows_(rows),
        among_(request.among.get()),
        request_(request),
        order_(order),
        side_(SideOf(request)),
        capacity_((request.k ? 4 * *request.k : 0) + 8192) {
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      queries_.emplace_back(view, request.metric, side_, scan.Exact(query));
    }
    FindUnits();
    best_.resize(queries_.size() * units_.size());
    if (request.cost != nullptr) {
      (by_rows_ ? request.cost->rows_sketched : request.cost->blocks_sketched) += units_.size();
    }
  }

  void Run(std::span<std::vector<Match>> answers) {
    WorkTeam team(UsefulThreads(units_, unit_piece(), request_.threads));
    workers_.resize(static_cast<std::size_t>(team.size()));
    for (Worker& worker : workers_) Prepare(worker);
    FindBests(team);
    if (request_.k) FindBound(team);
    FindCandidates(team);
    ReadCandidates(team);
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
  struct Candidate {
    std::int32_t fine = 0;
    RowNumber row = 0;
  };
  // Rows whose codes are beyond these are left out.
  struct Limits {
    std::int32_t coarse = 0;
    std::int32_t fine = 0;
  };
  // One thread's part of one query's search.
  struct Part {
    TopRows found;
    Limits limits = {};
    std::vector<Candidate> candidates = {};
    std::vector<Match> matches = {};
  };
  struct Worker {
    std::deque<Part> queries;
    std::vector<std::uint32_t> blocks;
    std::vector<RowNumber> rows;
    std::vector<std::int32_t> fine;
    std::vector<float> raw;
  };

  bool Beyond(std::int32_t squared, std::int32_t limit) const {
    return side_ == Side::kNear ? squared > limit : squared < limit;
  }
  bool Better(std::int32_t a, std::int32_t b) const { return side_ == Side::kNear ? a < b : a > b; }

  std::int32_t NothingBeyond() const {
    return side_ == Side::kNear ? std::numeric_limits<std::int32_t>::max() : std::numeric_limits<std::int32_t>::min();
  }

  // The distance, in units of the metric, beyond which the band has no rows.
  double BandEnd() const {
    const Band band = request_.within.value_or(Band{});
    return (side_ == Side::kNear) == (request_.metric == Metric::kL2) ? band.high : band.low;
  }

  void Prepare(Worker& worker) const {
    for (std::size_t query = 0; query < queries_.size(); ++query) {
      worker.queries.emplace_back(Part{TopRows(request_, scan_.bounds(), order_,
                                               [this, query](RowNumber row) { return scan_.Distance(query, row); })});
    }
  }

  void SetLimits(Part& part, std::size_t query) const {
    const double bound = request_.k ? part.found.bound() : BandEnd();
    part.limits = {queries_[query].CoarseLimit(bound), queries_[query].FineLimit(bound)};
  }

  std::uint64_t unit_piece() const { return by_rows_ ? kFinePiece : kRowPiece; }

  // The blocks that hold rows to look at; where they are few of each block, these rows.
  void FindUnits() {
    const auto add_blocks = [this](RowRange run) {
      std::uint64_t block = run.begin / kBlockRows;
      if (!numbers_.empty()) block = std::max(block, std::uint64_t{numbers_.back()} + 1);
      for (; block * kBlockRows < run.end; ++block) numbers_.push_back(static_cast<std::uint32_t>(block));
    };
    passing_ = rows_.size();
    if (among_ == nullptr) {
      if (passing_ > 0) add_blocks(rows_);
    } else {
      passing_ = among_->CountIn(rows_);
      if (among_->is_bitmap()) {
        // A bitmap may have a run for every second row; its blocks are words.
        for (std::uint64_t begin = rows_.begin; begin < rows_.end;) {
          const std::uint64_t end = std::min((begin / kBlockRows + 1) * kBlockRows, rows_.end);
          if (among_->CountIn({begin, end}) > 0) numbers_.push_back(static_cast<std::uint32_t>(begin / kBlockRows));
          begin = end;
        }
      } else {
        among_->ForEachRun(rows_, add_blocks);
      }
      by_rows_ = passing_ < kPassingRowsOfBlock * numbers_.size();
    }
    if (by_rows_) {
      numbers_.clear();
      numbers_.reserve(passing_);
      among_->ForEachRun(rows_, [this](RowRange run) {
        for (std::uint64_t row = run.begin; row < run.end; ++row) numbers_.push_back(static_cast<std::uint32_t>(row));
      });
    }
    units_ = {0, numbers_.size()};
  }

  // Of blocks the coarse distances of their best rows, whether these pass or not; of single rows the fine distances.
  void FindBests(WorkTeam& team) {
    team.ForEachPiece(units_, by_rows_ ? kFinePiece : kCoarsePiece, [this](int, RowRange piece) {
      const auto numbers = std::span(std::as_const(numbers_)).subspan(piece.begin, piece.size());
      for (std::size_t query = 0; query < queries_.size(); ++query) {
        std::int32_t* best = best_.data() + query * units_.size() + piece.begin;
        if (by_rows_) {
          FineDistances(view_.fine.data(), numbers, queries_[query].fine(), best);
        } else {
          FindBlockBests(numbers, queries_[query].coarse(), best);
        }
      }
    });
  }

  void FindBlockBests(std::span<const std::uint32_t> blocks, const CoarseQuery& query, std::int32_t* best) const {
    for (std::size_t first = 0, after = 0; first < blocks.size(); first = after) {
      after = first + 1;
      while (after < blocks.size() && blocks[after] == blocks[after - 1] + 1) ++after;
      const auto codes = view_.coarse.subspan(std::size_t{blocks[first]} * kBlockBytes, (after - first) * kBlockBytes);
      if (side_ == Side::kNear) {
        SmallestCoarse(codes, query, best + first);
      } else {
        LargestCoarse(codes, query, best + first);
      }
    }
  }

  std::span<const std::int32_t> Bests(std::size_t query) const {
    return std::span(best_).subspan(query * units_.size(), units_.size());
  }

  // For each query a distance that at least k rows of the band reach: the k-th best of some rows whose codes look good.
  // Where there are not k such rows, the band's end.
  void FindBound(WorkTeam& team) {
    const RowRange queries{0, queries_.size()};
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) {
      const std::int32_t limit = PromisingLimit(piece.begin);
      const Limits limits = by_rows_ ? Limits{NothingBeyond(), limit} : Limits{limit, NothingBeyond()};
      for (Worker& worker : workers_) worker.queries[piece.begin].limits = limits;
    });
    const std::size_t enough = 4 * PromisingUnits();
    ForEachUnits(team, [&](Worker& worker, std::size_t query, RowRange units) {
      Part& part = worker.queries[query];
      if (part.candidates.size() < enough) CollectCandidates(worker, query, units);
    });
    std::vector<std::vector<Candidate>> best(queries_.size());
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) { best[piece.begin] = TakeBest(piece.begin); });
    const std::uint64_t most = std::ranges::max_element(best, {}, &std::vector<Candidate>::size)->size();
    std::vector<float> raw(queries_.size() * most);
    ForEachSlice(team, best, [&](Worker&, std::size_t query, std::span<Candidate> slice, std::size_t begin) {
      ForEachRun(slice, [&](std::size_t first, RowRange run) {
        scan_.ScanOne(query, run, std::span(raw).subspan(query * most + begin + first, run.size()));
      });
    });
    team.ForEachPiece(queries, 1, [&](int, RowRange piece) {
      const double bound = BoundOf(std::span(raw).subspan(piece.begin * most, best[piece.begin].size()));
      for (Worker& worker : workers_) worker.queries[piece.begin].found.RequireAtLeastAsGoodAs(bound);
    });
  }

  // So many blocks that their best rows, and others as good, hold nearly the k best; more, where only some of their
  // rows pass.
  std::size_t PromisingUnits() const {
    if (by_rows_) return static_cast<std::size_t>(std::min(RowsThatGiveTheBound(), units_.size()));
    const double rows_of_each_passing = static_cast<double>(units_.size() * kBlockRows) / static_cast<double>(passing_);
    const double blocks = static_cast<double>(5 * *request_.k + 256) * rows_of_each_passing;
    return blocks < static_cast<double>(units_.size()) ? static_cast<std::size_t>(blocks) : units_.size();
  }
  // The k-th best of twice as many rows is close to the k-th best of all; of k rows it would be the worst.
  std::uint64_t RowsThatGiveTheBound() const { return 2 * *request_.k + 16; }

  // The distance that the best rows of so many blocks, or so many rows, reach.
  std::int32_t PromisingLimit(std::size_t query) const {
    const std::span<const std::int32_t> bests = Bests(query);
    std::vector<std::int32_t> sorted(bests.begin(), bests.end());
    const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(PromisingUnits() - 1);
    std::nth_element(sorted.begin(), last, sorted.end(),
                     [this](std::int32_t a, std::int32_t b) { return Better(a, b); });
    return *last;
  }

  // Of the rows left of a query those whose fine codes are best; none, where they are fewer than k. Leaves none.
  std::vector<Candidate> TakeBest(std::size_t query) {
    std::vector<Candidate> best = TakeCandidates(query);
    if (best.size() < *request_.k) best.clear();
    if (best.size() > RowsThatGiveTheBound()) {
      BringBestToFront(best, RowsThatGiveTheBound());
      best.resize(RowsThatGiveTheBound());
    }
    return best;
  }

  // A distance that k of the rows with these raw values reach; the band's end where that is not known.
  double BoundOf(std::span<float> raw) const {
    const std::uint64_t k = *request_.k;
    const bool smaller_is_better = SmallerIsBetter(request_.metric, request_.order);
    // Rows of which nothing is known, or that may be outside the band, prove nothing.
    const auto proven_end = std::remove_if(raw.begin(), raw.end(), [this](float value) {
      return std::isnan(value) || (request_.within && (scan_.bounds().LowestDistance(value) < request_.within->low ||
                                                       scan_.bounds().HighestDistance(value) > request_.within->high));
    });
    if (static_cast<std::uint64_t>(proven_end - raw.begin()) < k) return BandEnd();
    const auto worst = raw.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(raw.begin(), worst, proven_end,
                     [=](float a, float b) { return smaller_is_better ? a < b : a > b; });
    return smaller_is_better ? scan_.bounds().HighestDistance(*worst) : scan_.bounds().LowestDistance(*worst);
  }

  void BringBestToFront(std::vector<Candidate>& candidates, std::uint64_t count) const {
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count - 1), candidates.end(),
                     [this](const Candidate& a, const Candidate& b) { return Better(a.fine, b.fine); });
  }

  // Calls action(worker, query, units) for pieces of all units; a worker's pieces ascend.
  template <typename Action>
  void ForEachUnits(WorkTeam& team, const Action& action) {
    team.ForEachPiece(units_, unit_piece(), [&](int worker, RowRange piece) {
      for (std::size_t query = 0; query < queries_.size(); ++query) {
        action(workers_[static_cast<std::size_t>(worker)], query, piece);
      }
    });
  }

  // Leaves in the shares all rows that may be in the answer.
  void FindCandidates(WorkTeam& team) {
    for (Worker& worker : workers_) {
      for (std::size_t query = 0; query < queries_.size(); ++query) SetLimits(worker.queries[query], query);
    }
    ForEachUnits(team, [&](Worker& worker, std::size_t query, RowRange units) {
      CollectCandidates(worker, query, units);
      Part& part = worker.queries[query];
      if (part.candidates.size() >= capacity_) Shrink(part, query, worker.raw);
    });
  }

  void CollectCandidates(Worker& worker, std::size_t query, RowRange units) const {
    const std::span<const std::int32_t> bests = Bests(query);
    Part& part = worker.queries[query];
    if (by_rows_) {
      for (std::uint64_t unit = units.begin; unit < units.end; ++unit) {
        if (!Beyond(bests[unit], part.limits.fine)) part.candidates.push_back({bests[unit], numbers_[unit]});
      }
      return;
    }
    worker.blocks.clear();
    for (std::uint64_t unit = units.begin; unit < units.end; ++unit) {
      if (!Beyond(bests[unit], part.limits.coarse)) worker.blocks.push_back(numbers_[unit]);
    }
    constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
    const auto [low, high] =
        side_ == Side::kNear ? std::pair(0, part.limits.coarse) : std::pair(part.limits.coarse, kMost);
    worker.rows.resize(worker.blocks.size() * kBlockRows);
    worker.rows.resize(
        CoarseRowsWithin(view_.coarse.data(), worker.blocks, queries_[query].coarse(), low, high, worker.rows.data()));
    // The first block and the last may hold others too.
    if (units.begin == units_.begin || units.end == units_.end) {
      std::erase_if(worker.rows, [this](RowNumber row) { return row < rows_.begin || row >= rows_.end; });
    }
    if (among_ != nullptr) {
      std::erase_if(worker.rows, [this](RowNumber row) { return !among_->Contains(row); });
    }
    worker.fine.resize(worker.rows.size());
    FineDistances(view_.fine.data(), worker.rows, queries_[query].fine(), worker.fine.data());
    for (std::size_t i = 0; i < worker.rows.size(); ++i) {
      if (!Beyond(worker.fine[i], part.limits.fine)) part.candidates.push_back({worker.fine[i], worker.rows[i]});
    }
  }

  // Reads the k best of the rows left, so that the limits leave fewer; all of them where that is not enough.
  void Shrink(Part& part, std::size_t query, std::vector<float>& raw) const {
    if (request_.k) {
      BringBestToFront(part.candidates, *request_.k);
      const auto rest = part.candidates.begin() + static_cast<std::ptrdiff_t>(*request_.k);
      Offer(part.found, query, {part.candidates.begin(), rest}, raw);
      part.candidates.erase(part.candidates.begin(), rest);
      part.found.ExcludeByRaw();
      SetLimits(part, query);
      std::erase_if(part.candidates, [&](const Candidate& one) { return Beyond(one.fine, part.limits.fine); });
    }
    if (part.candidates.size() > capacity_ / 2) {
      Offer(part.found, query, part.candidates, raw);
      part.candidates.clear();
      SetLimits(part, query);
    }
  }

  // Reads what is left of every query, slice by slice, whoever is free.
  void ReadCandidates(WorkTeam& team) {
    std::vector<std::vector<Candidate>> candidates(queries_.size());
    for (std::size_t query = 0; query < queries_.size(); ++query) candidates[query] = TakeCandidates(query);
    ForEachSlice(team, candidates, [&](Worker& worker, std::size_t query, std::span<Candidate> slice, std::size_t) {
      Offer(worker.queries[query].found, query, slice, worker.raw);
    });
    team.ForEachPiece({0, queries_.size() * workers_.size()}, 1, [&](int, RowRange piece) {
      Part& part = workers_[piece.begin % workers_.size()].queries[piece.begin / workers_.size()];
      part.matches = part.found.Finish();
    });
  }

  // Empties what the shares have left of a query.
  std::vector<Candidate> TakeCandidates(std::size_t query) {
    std::vector<Candidate> candidates;
    for (Worker& worker : workers_) {
      std::vector<Candidate>& some = worker.queries[query].candidates;
      candidates.insert(candidates.end(), some.begin(), some.end());
      some.clear();
    }
    return candidates;
  }

  // Calls action(worker, query, slice, index of its first row) for slices of each query's rows.
  template <typename Action>
  void ForEachSlice(WorkTeam& team, std::vector<std::vector<Candidate>>& rows, const Action& action) {
    constexpr std::uint64_t kSlice = 128;
    const std::uint64_t most = std::ranges::max_element(rows, {}, &std::vector<Candidate>::size)->size();
    const std::uint64_t slices = (most + kSlice - 1) / kSlice;
    team.ForEachPiece({0, queries_.size() * slices}, 1, [&](int worker, RowRange piece) {
      const std::size_t query = piece.begin / slices;
      const std::uint64_t begin = piece.begin % slices * kSlice;
      if (begin >= rows[query].size()) return;
      const std::uint64_t count = std::min<std::uint64_t>(kSlice, rows[query].size() - begin);
      action(workers_[static_cast<std::size_t>(worker)], query, std::span(rows[query]).subspan(begin, count), begin);
    });
  }

  // Sorts rows, and calls action(index of the first, rows) for every run of neighbors among them.
  template <typename Action>
  void ForEachRun(std::span<Candidate> candidates, const Action& action) const {
    constexpr std::size_t kAhead = 2;  // rows whose numbers are asked for while a run is scanned
    std::size_t asked = 0;
    std::ranges::sort(candidates, {}, &Candidate::row);
    for (std::size_t i = 0; i < candidates.size();) {
      std::size_t end = i + 1;
      while (end < candidates.size() && candidates[end].row == candidates[end - 1].row + 1) ++end;
      for (; asked < std::min(end + kAhead, candidates.size()); ++asked) scan_.Prefetch(candidates[asked].row);
      action(i, RowRange{candidates[i].row, std::uint64_t{candidates[end - 1].row} + 1});
      i = end;
    }
  }

  // Reads rows and offers them.
  void Offer(TopRows& found, std::size_t query, std::span<Candidate> candidates, std::vector<float>& raw) const {
    ForEachRun(candidates, [&](std::size_t, RowRange run) {
      raw.resize(run.size());
      scan_.ScanOne(query, run, raw);
      found.Offer(static_cast<RowNumber>(run.begin), raw);
    });
  }

  const SketchView& view_;
  const VectorScan& scan_;
  const RowRange rows_;
  const RowSet* const among_;  // of the rows those that are looked at; null: all
  std::uint64_t passing_ = 0;  // how many are looked at
  // What is passed over first: blocks of rows, or single rows. Blocks may hold other rows too.
  bool by_rows_ = false;
  std::vector<std::uint32_t> numbers_;  // of the units
  RowRange units_;
  const SearchRequest& request_;
  const RowMap& order_;
  const Side side_;
  std::vector<SketchQuery> queries_;
  std::vector<std::int32_t> best_;  // queries x units
  // Rows left that a part may hold: enough that one step of shrinking pays.
  const std::size_t capacity_;
  std::vector<Worker> workers_;
};

}  // namespace

void SearchBySketches(const SketchView& view, const VectorScan& scan, RowRange rows, const SearchRequest& request,
                      const RowMap& order, std::span<std::vector<Match>> answers) {
  SketchSearch(view, scan, rows, request, order).Run(answers);
}

}  // namespace actkin
