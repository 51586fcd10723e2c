#ifndef ACTKIN_QUERY_EXACT_EXACT_SEARCH_H_
#define ACTKIN_QUERY_EXACT_EXACT_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "query/exact/scan_bounds.h"
#include "query/exact/site_index.h"
#include "storage/formats/row_map.h"

namespace actkin {

// What a scan knows of a group of queries: a raw value of every row, cheaply, and the exact distance of single rows.
// Immutable; any thread.
class RowScan {
 public:
  virtual ~RowScan() = default;

  virtual std::size_t query_count() const = 0;
  // Of one query's raw values.
  virtual const ScanBounds& bounds(std::size_t query) const = 0;
  // How many rows one call of Scan should get.
  virtual std::uint64_t piece() const = 0;
  // raw: query_count() x rows.size(), within bounds(query) of the exact distances.
  virtual void Scan(RowRange rows, std::span<float> raw) const = 0;
  // Of rows to be left out between others: so many cost no more to scan than another call of Scan does.
  virtual std::uint64_t free_gap() const { return 0; }
  // Throws Error naming the file when the row is damaged.
  virtual double Distance(std::size_t query, RowNumber row) const = 0;
};

// The rows that a request looks at, those that do not pass its filter included. Throws Error (usage) as
// SiteIndex::Search says, for the index 'exact'.
RowRange CheckRequest(std::span<const float> queries, std::uint64_t dimension, std::uint64_t row_count,
                      const SearchRequest& request);

// Where a search stops early: after so many rows, or those that find this share of the nearest.
struct EarlyStop {
  std::optional<std::uint64_t> rows;
  std::optional<double> recall;
};

// What a request's parameters say, "rows=16000" or "recall=.99"; none where all rows count. Throws Error (usage) where
// they say anything else.
std::optional<EarlyStop> EarlyStopOf(const SearchRequest& request);

// How many of the site's rows a request looks at. REQUIRES: request.rows and request.among are of the site.
std::uint64_t LookedAt(const SearchRequest& request, std::uint64_t row_count);

// The answers as over a site that lacks, for each query, one row: left_out has an entry a query, none where all rows
// count. fewer_will_do: where k rows are not left, all that are. Throws Error (usage) as `index` does, and where k rows
// are not left that must be.
std::vector<std::vector<Match>> SearchWithout(const SiteIndex& index, std::span<const float> queries,
                                              std::span<const std::optional<RowNumber>> left_out,
                                              const SearchRequest& request, bool fewer_will_do = false);

// Makes the scan of queries [first, first + count).
using MakeScan = std::function<std::unique_ptr<RowScan>(std::size_t first, std::size_t count)>;

// The answers of all queries, in groups of at most `group` that pass over the rows together. Exact and the same for
// every number of threads. REQUIRES: `rows` is what CheckRequest returned, group > 0.
std::vector<std::vector<Match>> SearchExactly(RowRange rows, std::size_t query_count, std::size_t group,
                                              const SearchRequest& request, const RowMap& order,
                                              const MakeScan& make_scan);

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_EXACT_SEARCH_H_
