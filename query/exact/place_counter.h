#ifndef ACTKIN_QUERY_EXACT_PLACE_COUNTER_H_
#define ACTKIN_QUERY_EXACT_PLACE_COUNTER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "query/exact/exact_search.h"
#include "query/exact/site_index.h"
#include "storage/formats/row_map.h"

namespace actkin {

// Where rows are among some matches of one query: what counts the rows before each without ranking any. Matches stand
// in order, best first; a row's place is the number of those that it does not come before. Immutable; any thread.
class PlaceCounter {
 public:
  // A row's place is at least low, and at most high, where only bounds of its distance are known.
  struct Places {
    std::size_t low = 0;
    std::size_t high = 0;
    bool decided() const { return low == high; }
  };

  // matches: as SiteIndex::CountBefore has them. `request` outlives this object.
  PlaceCounter(const SearchRequest& request, std::span<const Match> matches);

  // Distances that rows are compared with, best first: of the matches, and of the band's better end.
  std::size_t count() const { return targets_.size(); }
  double distance(std::size_t target) const { return targets_[target].distance; }
  bool smaller_is_better() const { return smaller_is_better_; }

  // Of a row at this distance.
  std::size_t PlaceOf(double distance, std::uint64_t number) const;

  // rows_at: count() + 1 numbers, how many rows are at each place. How many come before each of the matches, in their
  // order.
  std::vector<std::uint64_t> Before(std::span<const std::uint64_t> rows_at) const;

 private:
  struct Target {
    double distance = 0;
    std::uint64_t number = 0;
    std::size_t match = 0;  // the place among the matches given
  };

  const bool smaller_is_better_;
  bool has_edge_ = false;  // the first target is the better end of a band
  std::vector<Target> targets_;
};

// The places of rows that a scan gives raw values of.
class RawPlaces {
 public:
  RawPlaces(const PlaceCounter& counter, const ScanBounds& bounds);

  PlaceCounter::Places Of(float raw) const;

 private:
  bool smaller_is_better_;
  std::vector<float> before_;      // rows with a better raw value are before the target
  std::vector<float> not_before_;  // rows with a worse one are not
};

// Throws Error (usage) where these are not the numbers of one query.
void RequireOneQuery(std::span<const float> query, std::uint64_t dimension);

// What CountBefore says, by a pass over the rows that the request looks at: a raw value each, and the exact distance of
// those that it does not place. scan: of the one query. REQUIRES: request.rows, and a filter, are of the site.
std::vector<std::uint64_t> CountByScan(const RowScan& scan, std::uint64_t row_count, std::span<const Match> matches,
                                       const SearchRequest& request, const RowMap& order);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_PLACE_COUNTER_H_
