#ifndef ACTKIN_QUERY_PREDICT_BAND_COUNTS_H_
#define ACTKIN_QUERY_PREDICT_BAND_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "query/exact/site_index.h"
#include "query/predict/next_token_counts.h"
#include "schema/band.h"
#include "schema/site.h"
#include "storage/formats/saved_neighbors_file.h"

namespace actkin {

struct BandRequest {
  Metric metric = Metric::kCosine;
  // Part the rows: band 0 holds the rows at thresholds[0] or nearer, band b those at thresholds[b] or nearer that are
  // in no band before it; rows beyond the last threshold are in none. Strictly from the nearest to the farthest; at
  // least one, at most 250; the last may be infinitely far: it has all the other rows.
  std::vector<double> thresholds;
  bool inverse_distance = false;  // add those up, too
  int threads = 1;
  // Of the rows, those that count; without it all.
  const RowSet* among = nullptr;
  // Of each query, rows that do not count, either: ranges that follow each other; empty: none.
  std::span<const std::vector<RowRange>> left_out = {};
};

// What came next after the rows of a site, by how near they are to each of some queries.
struct BandCounts {
  std::size_t bands = 0;
  std::vector<std::uint32_t> rows;  // queries x bands
  std::vector<std::size_t> ends;    // queries x bands: where each band's totals end
  // The tokens that follow the band's rows, ascending; inverse distances are 0 unless asked for.
  std::vector<BandTotal> totals;

  std::span<const BandTotal> Of(std::size_t query, std::size_t band) const {
    const std::size_t place = query * bands + band;
    const std::size_t begin = place == 0 ? 0 : ends[place - 1];
    return std::span(totals).subspan(begin, ends[place] - begin);
  }
};

// The thresholds whose last band is `within`: one or two of them.
std::vector<double> ThresholdsOf(const Band& within, Metric metric);

// Passes over all rows once for every few hundred queries, without a list of neighbors: bands that hold hundreds of
// thousands of rows cost little more than empty ones. Which band a row is in is exact, as SiteIndex::Search is: where
// the scan leaves it in doubt, the distance is computed in double precision. The result does not depend on the threads.
// queries: count x dimension; next_tokens: of the site's rows. `report` is told how many queries are done. Memory: the
// result, and for each thread and once more 4 bytes (12 with inverse distances) x bands x vocabulary x queries that
// pass together: 256, or fewer so that this is at most 64 MB, but at least one. Throws Error (usage) when the
// thresholds are not as said, or the index keeps no rows.
BandCounts CountBands(
    const SiteIndex& index, const RowNextTokens& next_tokens, std::span<const float> queries,
    const BandRequest& request, const std::function<void(std::uint64_t)>& report = [](std::uint64_t) {});

}  // namespace actkin

#endif  // ACTKIN_QUERY_PREDICT_BAND_COUNTS_H_
