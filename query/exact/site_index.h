#ifndef ACTKIN_QUERY_EXACT_SITE_INDEX_H_
#define ACTKIN_QUERY_EXACT_SITE_INDEX_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "query/exact/row_set.h"
#include "schema/band.h"
#include "schema/site.h"
#include "storage/formats/sketch_file.h"

namespace actkin {

// What searches cost, counted by all threads.
struct SearchCost {
  std::atomic<std::uint64_t> rows_read = 0;  // rows whose numbers were read, not their sketches or codes alone
  std::atomic<std::uint64_t> boxes_read = 0;
  // Of a row's sketch, those at each level.
  std::array<std::atomic<std::uint64_t>, kMostLevels> code_bytes_read{};
};

struct SearchRequest {
  Metric metric = Metric::kL2;
  Order order = Order::kNearest;
  // How many neighbors; without it every row in `within`.
  std::optional<std::uint64_t> k = 10;
  std::optional<Band> within;
  // Rows to look at; without it all. The answer over a site is the merge of the answers over its ranges.
  std::optional<RowRange> rows;
  // Of those, the rows that pass a filter; without it all. The answer is the one of a site that has no other rows: k,
  // too, is at most their number.
  std::shared_ptr<const RowSet> among;
  // faiss::ParameterSpace parameters such as "efSearch=64". The index 'exact' takes "rows=16000": the k best of about
  // so many rows, those that its sketches say are the most promising; never fewer than k. Or "recall=.99": of as many
  // as find that share of the nearest, as was measured when the sketches were made. Where it has no sketches, of all.
  std::string parameters;
  int threads = 1;
  SearchCost* cost = nullptr;  // where it is added up
  // Where it is given: gets, a query, how many rows of the answer an approximate index did not find, so that exact
  // search filled them up. Indices that find every row leave it as it is.
  std::vector<std::uint64_t>* filled_up = nullptr;
};

struct Match {
  RowNumber row = 0;
  std::uint64_t number = 0;  // what the row stands for: RowMap::Number
  // l2: Euclidean distance, not squared. cosine, centered or not: the similarity, 0 where one of the two vectors is
  // zero. dot: the inner product.
  double distance = 0;
};

// What people are told of a match: smaller where closer. l2: the Euclidean distance; cosine: 1 - the similarity; dot:
// the inner product negated.
inline double DistanceOf(Metric metric, double match_distance) {
  if (metric == Metric::kL2) return match_distance;
  return metric == Metric::kDot ? 0 - match_distance : 1 - match_distance;
}
// Larger where closer; none for l2.
inline std::optional<double> SimilarityOf(Metric metric, double match_distance) {
  return metric == Metric::kL2 ? std::nullopt : std::optional(match_distance);
}

class RowScan;

// Search over the rows of one site. Opened on files that are never changed, so any number of threads may search at
// once.
class SiteIndex {
 public:
  virtual ~SiteIndex() = default;

  virtual std::uint64_t row_count() const = 0;
  virtual std::uint64_t dimension() const = 0;

  // queries: count x dimension(), row-major. One answer a query, best first (the nearest, or with Order::kFarthest the
  // farthest), equal distances in order of the rows' numbers (RowMap). Throws Error (usage) when this index cannot do
  // what `request` asks, k is 0 or exceeds the number of rows looked at, or a query holds NaN or infinity.
  virtual std::vector<std::vector<Match>> Search(std::span<const float> queries,
                                                 const SearchRequest& request) const = 0;

  // A pass over all rows for some queries (exact_search.h), prepared by so many threads. Both the queries and this
  // index outlive it. Throws Error (usage) where this index keeps no rows.
  virtual std::unique_ptr<RowScan> NewScan(std::span<const float> queries, Metric metric, int threads) const;

  // How many rows of those that `request` looks at, whatever its k, come before each of some matches: their places in
  // the answer, from 0. No row is ranked for it: most are counted by their sketches, where there are any, and the
  // others in one pass. query: one; matches: rows with their distances from it, as Search gives them, which the request
  // need not look at itself. Throws Error (usage) as Search does, and where this index is not exact.
  virtual std::vector<std::uint64_t> CountBefore(std::span<const float> query, std::span<const Match> matches,
                                                 const SearchRequest& request) const;

  // The rows that are at most so long, in double precision: the Euclidean length of the row itself, whatever metric it
  // is for. Of a site with sketches these say it of all but those next to the limit; else all rows are read. Throws
  // Error (usage) where the length is no number from 0 on, and where this index keeps no rows.
  virtual RowSet RowsUpTo(double length, int threads) const;

  // The index whose rows Search answers with before exact search fills them up: what is to be measured of an
  // approximate index.
  virtual const SiteIndex& bare() const { return *this; }

  // The row's vector as the model put it out (unrotated): dimension() numbers. REQUIRES: row < row_count().
  virtual std::vector<float> Vector(RowNumber row) const = 0;
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_SITE_INDEX_H_
