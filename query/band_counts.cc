#include "query/band_counts.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "query/exact_search.h"
#include "query/scan_bounds.h"
#include "schema/error.h"
#include "storage/row_workers.h"

namespace actkin {
namespace {

// Queries that pass over the rows together.
constexpr std::size_t kGroup = 256;
constexpr std::size_t kMostBands = 250;
constexpr std::size_t kCells = 4096;

// Finds a row's band from the raw value of a scan, where that proves it.
class BandFinder {
 public:
  static constexpr std::uint8_t kDoubt = 255;  // the raw value proves nothing

  BandFinder(const BandRequest& request, const ScanBounds& bounds)
      : smaller_is_nearer_(request.metric == Metric::kL2), thresholds_(request.thresholds) {
    for (const double threshold : thresholds_) {
      lowest_.push_back(bounds.LowestRaw(threshold));
      highest_.push_back(bounds.HighestRaw(threshold));
    }
    const double begin = std::min(lowest_.front(), lowest_.back());
    const double end = std::max(highest_.front(), highest_.back());
    // Cells of equal width; one more at each end for what lies beyond.
    const double width = std::max((end - begin) / static_cast<double>(kCells - 2), 1e-30);
    begin_ = static_cast<float>(begin - width);
    scale_ = static_cast<float>(1 / width);
    for (std::size_t cell = 0; cell < kCells; ++cell) {
      // A raw value may be put in a cell beside its own, by rounding.
      const double low = cell == 0 ? -INFINITY : begin + (static_cast<double>(cell) - 2) * width;
      const double high = cell + 1 == kCells ? INFINITY : begin + (static_cast<double>(cell) + 1) * width;
      const std::uint8_t band = Prove(low, high);
      cells_.push_back(band);
    }
  }

  // bands() where the row is in none.
  std::uint8_t Find(float raw) const {
    const float place = (raw - begin_) * scale_;
    // NaN says nothing.
    if (!(place > 0)) return raw == raw ? cells_.front() : kDoubt;
    return cells_[place < static_cast<float>(kCells - 1) ? static_cast<std::size_t>(place) : kCells - 1];
  }

  // From the raw value once more, now with all its digits, else from the exact distance.
  template <typename Distance>
  std::uint8_t Decide(float raw, const Distance& distance) const {
    if (raw == raw) {
      const std::uint8_t band = Prove(raw, raw);
      if (band != kDoubt) return band;
    }
    const double exact = distance();
    const auto found = std::ranges::find_if(
        thresholds_, [&](double threshold) { return smaller_is_nearer_ ? exact <= threshold : exact >= threshold; });
    return static_cast<std::uint8_t>(found - thresholds_.begin());
  }

 private:
  // The band of every row with a raw value from `low` to `high`, or kDoubt.
  std::uint8_t Prove(double low, double high) const {
    for (std::size_t band = 0; band < thresholds_.size(); ++band) {
      const bool all_in = smaller_is_nearer_ ? high < lowest_[band] : low > highest_[band];
      if (all_in) return static_cast<std::uint8_t>(band);
      const bool all_out = smaller_is_nearer_ ? low > highest_[band] : high < lowest_[band];
      if (!all_out) return kDoubt;
    }
    return static_cast<std::uint8_t>(thresholds_.size());
  }

  const bool smaller_is_nearer_;
  const std::vector<double>& thresholds_;
  std::vector<float> lowest_;   // a threshold: raw values below it are of rows below the threshold
  std::vector<float> highest_;  // likewise above
  float begin_ = 0;
  float scale_ = 0;
  std::vector<std::uint8_t> cells_;
};

void CheckThresholds(const BandRequest& request) {
  const std::vector<double>& thresholds = request.thresholds;
  if (thresholds.empty() || thresholds.size() > kMostBands) {
    FailUsage("{} thresholds: expected 1 to {}", thresholds.size(), kMostBands);
  }
  for (std::size_t i = 0; i < thresholds.size(); ++i) {
    const bool farther = i == 0 || (request.metric == Metric::kL2 ? thresholds[i] > thresholds[i - 1]
                                                                  : thresholds[i] < thresholds[i - 1]);
    if (!std::isfinite(thresholds[i]) || !farther) {
      FailUsage("threshold {}: expected finite numbers from the nearest to the farthest", thresholds[i]);
    }
  }
}

}  // namespace

BandCounts CountBands(const SiteIndex& index, const RowOrderFile& order, StringId first,
                      const NextTokenTable& next_tokens, std::span<const float> queries, const BandRequest& request,
                      const std::function<void(std::uint64_t)>& hear) {
  using Entries = std::span<const NextTokenTable::Entry>;
  CheckThresholds(request);
  const RowRange rows{0, index.row_count()};
  const std::size_t query_count = queries.size() / index.dimension();
  const std::size_t vocabulary = next_tokens.vocabulary_size();
  const std::size_t bands = request.thresholds.size();
  BandCounts result{bands, vocabulary, std::vector<std::uint32_t>(query_count * bands * vocabulary)};
  std::vector<std::vector<std::uint32_t>> partial;  // a worker: group x bands x vocabulary
  for (std::size_t begin = 0; begin < query_count; begin += kGroup) {
    const std::size_t count = std::min(kGroup, query_count - begin);
    const std::unique_ptr<RowScan> scan =
        index.NewScan(queries.subspan(begin * index.dimension(), count * index.dimension()), request.metric);
    const BandFinder finder(request, scan->bounds());
    const int workers = UsefulThreads(rows, scan->piece(), request.threads);
    partial.resize(static_cast<std::size_t>(workers));
    for (std::vector<std::uint32_t>& counts : partial) counts.assign(count * bands * vocabulary, 0);
    ForEachPiece(rows, scan->piece(), workers, [&](int worker, RowRange piece) {
      thread_local std::vector<float> raw;
      thread_local std::vector<Entries> entries;
      raw.resize(count * piece.size());
      scan->Scan(piece, raw);
      entries.clear();
      for (std::uint64_t row = piece.begin; row < piece.end; ++row) {
        entries.push_back(next_tokens.Of(first + order.Ordinal(static_cast<RowNumber>(row))));
      }
      for (std::size_t query = 0; query < count; ++query) {
        const float* values = raw.data() + query * piece.size();
        std::uint32_t* counts = partial[static_cast<std::size_t>(worker)].data() + query * bands * vocabulary;
        for (std::size_t i = 0; i < piece.size(); ++i) {
          std::uint8_t band = finder.Find(values[i]);
          if (band == BandFinder::kDoubt) {
            const auto row = static_cast<RowNumber>(piece.begin + i);
            band = finder.Decide(values[i], [&] { return scan->Distance(query, row); });
          }
          if (band >= bands) continue;
          for (const NextTokenTable::Entry& entry : entries[i]) counts[band * vocabulary + entry.token] += entry.count;
        }
      }
    });
    std::uint32_t* sums = result.counts.data() + begin * bands * vocabulary;
    for (const std::vector<std::uint32_t>& counts : partial) {
      for (std::size_t i = 0; i < counts.size(); ++i) sums[i] += counts[i];
    }
    hear(begin + count);
  }
  return result;
}

}  // namespace actkin
