#include "query/predict/band_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>

#include "query/exact/exact_search.h"
#include "query/exact/scan_bounds.h"
#include "query/predict/scheme.h"
#include "schema/error.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Queries that pass over the rows together, while their sums take so many bytes a thread.
constexpr std::size_t kGroup = 256;
constexpr std::size_t kSumBytes = std::size_t{64} << 20;
constexpr std::size_t kMostBands = 250;
constexpr std::size_t kCells = 4096;
// At a similarity near -1 the rounding of a scan moves 1 / (1 + similarity) far: there the exact one is taken.
constexpr double kSteep = -0.9;

bool Nearer(Metric metric, double a, double b) { return metric == Metric::kL2 ? a < b : a > b; }

void CheckThresholds(const BandRequest& request) {
  const std::vector<double>& thresholds = request.thresholds;
  if (thresholds.empty() || thresholds.size() > kMostBands) {
    FailUsage("{} thresholds: expected 1 to {}", thresholds.size(), kMostBands);
  }
  for (std::size_t i = 0; i < thresholds.size(); ++i) {
    const bool last = i + 1 == thresholds.size();
    const bool farther = i == 0 || Nearer(request.metric, thresholds[i - 1], thresholds[i]);
    if (std::isnan(thresholds[i]) || (std::isinf(thresholds[i]) && !last) || !farther) {
      FailUsage("threshold {}: expected numbers from the nearest to the farthest", thresholds[i]);
    }
  }
}

// Finds a row's band from the raw value of a scan, where that proves it.
class BandFinder {
 public:
  static constexpr std::uint8_t kDoubt = 255;  // the raw value proves nothing

  // An infinite threshold is left out: beyond the others begins its band.
  BandFinder(const BandRequest& request, const ScanBounds& bounds)
      : metric_(request.metric), thresholds_(request.thresholds) {
    if (std::isinf(thresholds_.back())) thresholds_.pop_back();
    for (const double threshold : thresholds_) {
      lowest_.push_back(bounds.LowestRaw(threshold));
      highest_.push_back(bounds.HighestRaw(threshold));
    }
    MakeCells();
  }

  // The number of finite thresholds for a row beyond them.
  std::uint8_t Find(float raw) const {
    const float place = (raw - begin_) * scale_;
    if (place >= static_cast<float>(kCells - 1)) return cells_.back();
    if (place > 0) return cells_[static_cast<std::size_t>(place)];
    return std::isnan(raw) ? kDoubt : cells_.front();
  }

  // From the raw value once more, now with all its digits, else from the exact distance.
  template <typename Distance>
  std::uint8_t Decide(float raw, const Distance& distance) const {
    if (!std::isnan(raw)) {
      const std::uint8_t band = Prove(raw, raw);
      if (band != kDoubt) return band;
    }
    const double exact = distance();
    std::uint8_t band = 0;
    while (band < thresholds_.size() && Nearer(metric_, thresholds_[band], exact)) ++band;
    return band;
  }

 private:
  // Cells of equal width between the thresholds that are farthest apart, each with the band of all raw values in it.
  void MakeCells() {
    double begin = 0;
    double end = 0;
    if (!thresholds_.empty()) {
      begin = std::min(lowest_.front(), lowest_.back());
      end = std::max(highest_.front(), highest_.back());
    }
    const double width = std::max((end - begin) / static_cast<double>(kCells - 2), 1e-30);
    begin_ = static_cast<float>(begin - width);
    scale_ = static_cast<float>(1 / width);
    for (std::size_t cell = 0; cell < kCells; ++cell) {
      // By rounding a raw value may come into a cell beside its own.
      const double low = cell == 0 ? -kInfinity : begin + (static_cast<double>(cell) - 2) * width;
      const double high = cell + 1 == kCells ? kInfinity : begin + (static_cast<double>(cell) + 1) * width;
      cells_.push_back(Prove(low, high));
    }
  }

  // The band of every row with a raw value from `low` to `high`, or kDoubt.
  std::uint8_t Prove(double low, double high) const {
    for (std::size_t band = 0; band < thresholds_.size(); ++band) {
      const bool all_in = metric_ == Metric::kL2 ? high < lowest_[band] : low > highest_[band];
      if (all_in) return static_cast<std::uint8_t>(band);
      const bool all_out = metric_ == Metric::kL2 ? low > highest_[band] : high < lowest_[band];
      if (!all_out) return kDoubt;
    }
    return static_cast<std::uint8_t>(thresholds_.size());
  }

  const Metric metric_;
  std::vector<double> thresholds_;
  std::vector<float> lowest_;   // a threshold: lower raw values are of rows below it
  std::vector<float> highest_;  // likewise above
  float begin_ = 0;
  float scale_ = 0;
  std::vector<std::uint8_t> cells_;
};

// What one thread has added up for the queries of a group. Sums of inverse distances are whole multiples of a unit, so
// that they do not depend on the order of adding.
struct Sums {
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint64_t> inverse;

  void Clear(std::size_t bands, std::size_t vocabulary, bool with_inverse) {
    rows.assign(bands, 0);
    counts.assign(bands * vocabulary, 0);
    inverse.assign(with_inverse ? bands * vocabulary : 0, 0);
  }
};

std::size_t GroupSize(std::size_t bands, std::size_t vocabulary, bool with_inverse) {
  const std::size_t bytes = bands * vocabulary * (sizeof(std::uint32_t) + (with_inverse ? sizeof(std::uint64_t) : 0));
  return std::bit_floor(std::clamp<std::size_t>(kSumBytes / bytes, 1, kGroup));
}

// The largest power of two by which inverse distances may be multiplied so that 64 bits hold every sum of them.
double InverseScale(const BandRequest& request, std::uint64_t occurrences) {
  const double farthest = request.metric == Metric::kL2 ? 0 : std::max(request.thresholds.back(), -1.0);
  const double largest = KernelValue(Kernel::kInverseDistance, farthest) * static_cast<double>(occurrences + 1);
  return std::exp2(std::floor(62 - std::log2(largest)));
}

class BandCounter {
 public:
  BandCounter(const SiteIndex& index, const RowNextTokens& next_tokens, const BandRequest& request)
      : index_(index), next_tokens_(next_tokens), request_(request) {
    if (request.inverse_distance) scale_ = InverseScale(request, next_tokens.total());
  }

  // Sums for each of a group of queries, `first` the first of all: bands (x vocabulary) numbers a query.
  void CountGroup(std::span<const float> queries, std::size_t first, Sums& sums) {
    const std::unique_ptr<RowScan> scan = index_.NewScan(queries, request_.metric, request_.threads);
    std::vector<BandFinder> finders;
    for (std::size_t query = 0; query < scan->query_count(); ++query) {
      finders.emplace_back(request_, scan->bounds(query));
    }
    const RowRange rows{0, index_.row_count()};
    const int workers = UsefulThreads(rows, scan->piece(), request_.threads);
    workers_.resize(static_cast<std::size_t>(workers));
    const std::size_t bands = scan->query_count() * request_.thresholds.size();
    for (Worker& worker : workers_) {
      worker.sums.Clear(bands, next_tokens_.vocabulary_size(), request_.inverse_distance);
    }
    ForEachPiece(rows, scan->piece(), workers, [&](int number, RowRange piece) {
      CountPiece(*scan, finders, first, piece, workers_[static_cast<std::size_t>(number)]);
    });
    sums.Clear(bands, next_tokens_.vocabulary_size(), request_.inverse_distance);
    for (const Worker& worker : workers_) {
      const auto add = [](const auto& from, auto& to) {
        for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
      };
      add(worker.sums.rows, sums.rows);
      add(worker.sums.counts, sums.counts);
      add(worker.sums.inverse, sums.inverse);
    }
  }

  double scale() const { return scale_; }

 private:
  struct Worker {
    std::vector<float> raw;
    std::vector<NextTokenTable::Entry> room;
    std::vector<RowNextTokens::Entries> entries;
    std::vector<std::uint8_t> passes;  // of the piece's rows: 1 for those that may count
    Sums sums;
  };

  // Whether a row counts for a query. Asked for ascending rows; `next` begins at 0.
  bool Counts(std::size_t query, std::uint64_t row, std::size_t& next) const {
    if (request_.left_out.empty()) return true;
    const std::vector<RowRange>& left_out = request_.left_out[query];
    while (next < left_out.size() && left_out[next].end <= row) ++next;
    return next == left_out.size() || row < left_out[next].begin;
  }

  void CountPiece(const RowScan& scan, std::span<const BandFinder> finders, std::size_t first, RowRange all,
                  Worker& worker) const {
    const RowRange piece = request_.among != nullptr ? request_.among->Narrow(all) : all;
    if (piece.size() == 0) return;
    worker.raw.resize(scan.query_count() * piece.size());
    scan.Scan(piece, worker.raw);
    next_tokens_.Read(piece, worker.room, worker.entries);
    worker.passes.assign(piece.size(), request_.among == nullptr ? 1 : 0);
    if (request_.among != nullptr) {
      request_.among->ForEachRun(piece, [&](RowRange run) {
        std::fill_n(worker.passes.begin() + static_cast<std::ptrdiff_t>(run.begin - piece.begin), run.size(), 1);
      });
    }
    const std::size_t bands = request_.thresholds.size();
    const std::size_t vocabulary = next_tokens_.vocabulary_size();
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      const float* raw = worker.raw.data() + query * piece.size();
      std::size_t next = 0;
      for (std::size_t i = 0; i < piece.size(); ++i) {
        if (worker.passes[i] == 0 || !Counts(first + query, piece.begin + i, next)) continue;
        const auto distance = [&] { return scan.Distance(query, static_cast<RowNumber>(piece.begin + i)); };
        std::uint8_t band = finders[query].Find(raw[i]);
        if (band == BandFinder::kDoubt) band = finders[query].Decide(raw[i], distance);
        if (band >= bands) continue;
        const std::size_t at = query * bands + band;
        ++worker.sums.rows[at];
        std::uint32_t* counts = worker.sums.counts.data() + at * vocabulary;
        for (const NextTokenTable::Entry& entry : worker.entries[i]) counts[entry.token] += entry.count;
        if (request_.inverse_distance) {
          const double scanned = DistanceOf(raw[i]);
          const bool near_enough = request_.metric != Metric::kDot && scanned > kSteep;
          const std::uint64_t factor = ScaledInverse(near_enough ? scanned : distance());
          std::uint64_t* inverse = worker.sums.inverse.data() + at * vocabulary;
          for (const NextTokenTable::Entry& entry : worker.entries[i]) inverse[entry.token] += factor * entry.count;
        }
      }
    }
  }

  double DistanceOf(float raw) const {
    return request_.metric == Metric::kL2 ? std::sqrt(double{raw}) : std::clamp(double{raw}, -1.0, 1.0);
  }
  std::uint64_t ScaledInverse(double distance) const {
    return static_cast<std::uint64_t>(KernelValue(Kernel::kInverseDistance, distance) * scale_ + 0.5);
  }

  const SiteIndex& index_;
  const RowNextTokens& next_tokens_;
  const BandRequest& request_;
  double scale_ = 1;
  std::vector<Worker> workers_;
};

}  // namespace

std::vector<double> ThresholdsOf(const Band& within, Metric metric) {
  // The nearest value that is in the band, and the one before it that is not.
  const bool l2 = metric == Metric::kL2;
  const double near_end = l2 ? within.low : within.high;
  const double far_end = l2 ? within.high : within.low;
  std::vector<double> thresholds;
  if (std::isfinite(near_end)) thresholds.push_back(std::nextafter(near_end, l2 ? -kInfinity : kInfinity));
  thresholds.push_back(far_end);
  return thresholds;
}

BandCounts CountBands(const SiteIndex& index, const RowNextTokens& next_tokens, std::span<const float> queries,
                      const BandRequest& request, const std::function<void(std::uint64_t)>& report) {
  CheckThresholds(request);
  const std::size_t query_count = queries.size() / index.dimension();
  const std::size_t vocabulary = next_tokens.vocabulary_size();
  BandCounts result{request.thresholds.size(), {}, {}, {}};
  result.rows.reserve(query_count * result.bands);
  result.ends.reserve(query_count * result.bands);
  const std::size_t group = GroupSize(result.bands, vocabulary, request.inverse_distance);
  BandCounter counter(index, next_tokens, request);
  Sums sums;
  for (std::size_t begin = 0; begin < query_count; begin += group) {
    const std::size_t count = std::min(group, query_count - begin);
    counter.CountGroup(queries.subspan(begin * index.dimension(), count * index.dimension()), begin, sums);
    result.rows.insert(result.rows.end(), sums.rows.begin(), sums.rows.end());
    for (std::size_t at = 0; at < sums.counts.size(); at += vocabulary) {
      for (std::size_t token = 0; token < vocabulary; ++token) {
        if (sums.counts[at + token] == 0) continue;
        const double inverse =
            request.inverse_distance ? static_cast<double>(sums.inverse[at + token]) / counter.scale() : 0;
        result.totals.push_back({static_cast<TokenId>(token), sums.counts[at + token], inverse});
      }
      result.ends.push_back(result.totals.size());
    }
    report(begin + count);
  }
  return result;
}

}  // namespace actkin
