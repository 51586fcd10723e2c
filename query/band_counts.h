#ifndef ACTKIN_QUERY_BAND_COUNTS_H_
#define ACTKIN_QUERY_BAND_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "query/next_token_counts.h"
#include "query/site_index.h"
#include "schema/site.h"
#include "storage/row_order_file.h"

namespace actkin {

// What came next after the rows of a site, by how near they are to each of some queries. Thresholds, the nearest first,
// part the rows: band 0 holds the rows at thresholds[0] or nearer, band b those at thresholds[b] or nearer that are in
// no band before it; rows beyond the last threshold are in none.
struct BandCounts {
  std::size_t bands = 0;
  std::size_t vocabulary_size = 0;
  std::vector<std::uint32_t> counts;  // queries x bands x vocabulary, the next-token counts summed over the band's rows

  std::span<const std::uint32_t> Of(std::size_t query, std::size_t band) const {
    return std::span(counts).subspan((query * bands + band) * vocabulary_size, vocabulary_size);
  }
};

struct BandRequest {
  Metric metric = Metric::kCosine;
  std::vector<double> thresholds;  // strictly from the nearest to the farthest; at least one, at most 250
  int threads = 1;
};

// Passes over all rows once for every few hundred queries, without a list of neighbors: bands that hold hundreds of
// thousands of rows cost little more than empty ones. Exact, as SiteIndex::Search is: a row whose distance the scan
// leaves in doubt is computed in double precision. queries: count x dimension; order: of the site's rows; first: the id
// of the site's first string. `hear` is told how many queries are done. Memory: the result, and for each thread 4 bytes
// x bands x vocabulary x 256. Throws Error (usage) when the thresholds are not as said.
BandCounts CountBands(const SiteIndex& index, const RowOrderFile& order, StringId first,
                      const NextTokenTable& next_tokens, std::span<const float> queries, const BandRequest& request,
                      const std::function<void(std::uint64_t)>& hear);

}  // namespace actkin

#endif  // ACTKIN_QUERY_BAND_COUNTS_H_
