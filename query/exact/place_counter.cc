#include "query/exact/place_counter.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "query/exact/top_rows.h"
#include "schema/error.h"
#include "storage/machine/row_workers.h"

namespace actkin {

PlaceCounter::PlaceCounter(const SearchRequest& request, std::span<const Match> matches)
    : smaller_is_better_(SmallerIsBetter(request.metric, request.order)) {
  const Band band = request.within.value_or(Band{});
  const double edge = smaller_is_better_ ? band.low : band.high;
  const double far_end = smaller_is_better_ ? band.high : band.low;
  const auto better = [this](double a, double b) { return smaller_is_better_ ? a < b : a > b; };
  for (std::size_t i = 0; i < matches.size(); ++i) {
    Target& target = targets_.emplace_back(Target{matches[i].distance, matches[i].number, i});
    // No row of the band comes before what is better than all of it, and all of them before what is worse.
    if (better(target.distance, edge)) target = {edge, 0, i};
    if (better(far_end, target.distance)) target = {far_end, std::numeric_limits<std::uint64_t>::max(), i};
  }
  std::ranges::sort(targets_, [this](const Target& a, const Target& b) {
    if (a.distance != b.distance) return (a.distance < b.distance) == smaller_is_better_;
    return a.number < b.number;
  });
  // Rows at the edge are in the band: none has a smaller number than 0.
  has_edge_ = edge != (smaller_is_better_ ? Band{}.low : Band{}.high);
  if (has_edge_) targets_.insert(targets_.begin(), {edge, 0, matches.size()});
}

std::size_t PlaceCounter::PlaceOf(double distance, std::uint64_t number) const {
  const auto after = std::ranges::partition_point(targets_, [&](const Target& target) {
    if (distance != target.distance) return (distance < target.distance) != smaller_is_better_;
    return number >= target.number;
  });
  return static_cast<std::size_t>(after - targets_.begin());
}

std::vector<std::uint64_t> PlaceCounter::Before(std::span<const std::uint64_t> rows_at) const {
  std::vector<std::uint64_t> before(targets_.size() - (has_edge_ ? 1 : 0));
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    rows += rows_at[i];
    if (has_edge_ && i == 0) {
      rows = 0;
    } else {
      before[targets_[i].match] = rows;
    }
  }
  return before;
}

// Limits are those of distances in order, and so in order themselves; where rounding made them otherwise, the more
// careful one holds.
RawPlaces::RawPlaces(const PlaceCounter& counter, const ScanBounds& bounds)
    : smaller_is_better_(counter.smaller_is_better()) {
  for (std::size_t i = 0; i < counter.count(); ++i) {
    const float low = bounds.LowestRaw(counter.distance(i));
    const float high = bounds.HighestRaw(counter.distance(i));
    before_.push_back(smaller_is_better_ ? low : -high);
    not_before_.push_back(smaller_is_better_ ? high : -low);
  }
  for (std::size_t i = 1; i < counter.count(); ++i) not_before_[i] = std::max(not_before_[i], not_before_[i - 1]);
  for (std::size_t i = counter.count(); i-- > 1;) before_[i - 1] = std::min(before_[i - 1], before_[i]);
}

PlaceCounter::Places RawPlaces::Of(float raw) const {
  // Of a raw value that is NaN both comparisons are false.
  const float value = smaller_is_better_ ? raw : -raw;
  const auto low = std::ranges::partition_point(not_before_, [value](float limit) { return value > limit; });
  const auto high = std::ranges::partition_point(before_, [value](float limit) { return !(value < limit); });
  const auto least = static_cast<std::size_t>(low - not_before_.begin());
  return {least, std::max(least, static_cast<std::size_t>(high - before_.begin()))};
}

void RequireOneQuery(std::span<const float> query, std::uint64_t dimension) {
  if (query.size() != dimension) FailUsage("{} numbers are no query: it needs the site's {}", query.size(), dimension);
}

std::vector<std::uint64_t> CountByScan(const RowScan& scan, std::uint64_t row_count, std::span<const Match> matches,
                                       const SearchRequest& request, const RowMap& order) {
  const PlaceCounter counter(request, matches);
  const RawPlaces raw_places(counter, scan.bounds(0));
  const RowRange all = request.rows.value_or(RowRange{0, row_count});
  const RowRange rows = request.among ? request.among->Narrow(all) : all;
  const int worker_count = UsefulThreads(rows, scan.piece(), request.threads);
  std::vector<std::vector<std::uint64_t>> rows_at(static_cast<std::size_t>(worker_count),
                                                  std::vector<std::uint64_t>(counter.count() + 1));
  const auto count = [&](RowRange run, std::vector<std::uint64_t>& at) {
    std::vector<float> raw(run.size());
    scan.Scan(run, raw);
    for (std::uint64_t i = 0; i < run.size(); ++i) {
      const PlaceCounter::Places places = raw_places.Of(raw[i]);
      const auto row = static_cast<RowNumber>(run.begin + i);
      ++at[places.decided() ? places.low : counter.PlaceOf(scan.Distance(0, row), order.Number(row))];
    }
  };
  ForEachPiece(rows, scan.piece(), worker_count, [&](int worker, RowRange piece) {
    std::vector<std::uint64_t>& at = rows_at[static_cast<std::size_t>(worker)];
    if (!request.among) return count(piece, at);
    request.among->ForEachRun(piece, [&](RowRange run) { count(run, at); });
  });
  for (std::size_t worker = 1; worker < rows_at.size(); ++worker) {
    for (std::size_t i = 0; i < rows_at[0].size(); ++i) rows_at[0][i] += rows_at[worker][i];
  }
  return counter.Before(rows_at[0]);
}

}  // namespace actkin
