#ifndef ACTKIN_QUERY_READER_RECALL_H_
#define ACTKIN_QUERY_READER_RECALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "query/exact/row_set.h"
#include "query/reader/index_reader.h"
#include "storage/catalog/catalog.h"
#include "storage/faiss/faiss_backend.h"

namespace actkin {

struct RecallOptions {
  std::string index_name;
  Metric metric = Metric::kL2;
  std::vector<IndexParameters> parameters;  // each is measured
  std::vector<std::uint64_t> ks = {1, 10, 100};
  std::uint64_t seed = 0;  // that the prompts were drawn with
  int threads = 1;
  std::shared_ptr<const RowSet> among = {};  // of the site's rows only these; null: all
};

// Asks an approximate index and 'exact' for the nearest of each query, one query at a time, and compares: of the k
// nearest how many are found when k are asked for. Distances are compared, so that of rows at the k-th distance any
// will do; rows that exact search would fill up are not counted (SiteIndex::bare). queries: count x dimension. Rows:
// for 'exact' and then for each of the parameters, one for each k that the site has rows for, of those that are among.
// Every search is made once to warm up and once for its time. `report` is told how many searches are done. Throws Error
// as SiteIndex::Search does.
std::vector<RecallRow> MeasureRecall(IndexReader& reader, const SiteRow& site, std::span<const float> queries,
                                     const RecallOptions& options, const std::function<void(std::uint64_t)>& report);

// How many searches that is.
std::uint64_t RecallSearches(const SiteRow& site, std::uint64_t query_count, const RecallOptions& options);

}  // namespace actkin

#endif  // ACTKIN_QUERY_READER_RECALL_H_
