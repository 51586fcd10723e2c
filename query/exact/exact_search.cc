#include "query/exact/exact_search.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "query/exact/top_rows.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// One thread's part of a group's search.
struct Worker {
  std::deque<TopRows> queries;
  std::vector<float> raw;
};

void SearchGroup(RowRange rows, const RowScan& scan, const SearchRequest& request, const RowOrderFile& order,
                 std::span<std::vector<Match>> answers) {
  const int worker_count = UsefulThreads(rows, scan.piece(), request.threads);
  std::vector<Worker> workers(static_cast<std::size_t>(worker_count));
  for (Worker& worker : workers) {
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      worker.queries.emplace_back(request, scan.bounds(), order,
                                  [&scan, query](RowNumber row) { return scan.Distance(query, row); });
    }
  }
  ForEachPiece(rows, scan.piece(), worker_count, [&](int number, RowRange piece) {
    Worker& worker = workers[static_cast<std::size_t>(number)];
    worker.raw.resize(scan.query_count() * piece.size());
    scan.Scan(piece, worker.raw);
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      worker.queries[query].Offer(static_cast<RowNumber>(piece.begin),
                                  std::span(worker.raw).subspan(query * piece.size(), piece.size()));
    }
  });
  // The queries' last candidates are finished by all threads too: a piece here is one query.
  ForEachPiece({0, scan.query_count()}, 1, UsefulThreads({0, scan.query_count()}, 1, request.threads),
               [&](int, RowRange piece) {
                 std::vector<Match>& answer = answers[piece.begin];
                 for (Worker& worker : workers) {
                   const std::vector<Match> matches = worker.queries[piece.begin].Finish();
                   answer.insert(answer.end(), matches.begin(), matches.end());
                 }
                 SortMatches(request, answer);
               });
}

}  // namespace

std::unique_ptr<RowScan> SiteIndex::NewScan(std::span<const float> /*queries*/, Metric /*metric*/) const {
  FailUsage(ErrorCode::kUnsupported, "this index keeps no rows to pass over: ask the index 'exact'");
}

RowRange CheckRequest(std::span<const float> queries, std::uint64_t dimension, std::uint64_t row_count,
                      const SearchRequest& request) {
  if (!request.parameters.empty()) {
    FailUsage("parameters {}: the index 'exact' takes none", Quote(request.parameters));
  }
  if (request.threads < 1) FailUsage("threads {}: expected at least 1", request.threads);
  const RowRange rows = request.rows.value_or(RowRange{0, row_count});
  if (rows.begin > rows.end || rows.end > row_count) {
    FailUsage("rows {}-{}: the site has rows 0 to {}, and a range is first and one past the last", rows.begin, rows.end,
              row_count);
  }
  if (request.k && *request.k == 0) FailUsage("k 0: ask for at least 1");
  if (request.k && *request.k > rows.size()) {
    if (request.rows) {
      FailUsage("k {}: rows {}-{} are {} rows; ask for at most that many", *request.k, rows.begin, rows.end,
                rows.size());
    }
    FailUsage("k {}: the site has {} rows; ask for at most that many", *request.k, row_count);
  }
  if (request.within && !(request.within->low <= request.within->high)) {
    FailUsage("within {}:{}: expected LOW:HIGH with LOW at most HIGH", request.within->low, request.within->high);
  }
  if (queries.size() % dimension != 0) {
    FailUsage("{} numbers are no queries: each needs the site's {}", queries.size(), dimension);
  }
  const auto infinite = std::ranges::find_if_not(queries, [](float number) { return std::isfinite(number); });
  if (infinite != queries.end()) {
    FailUsage("a query holds {}: only finite numbers can be compared", *infinite);
  }
  return rows;
}

std::vector<std::vector<Match>> SearchExactly(RowRange rows, std::size_t query_count, std::size_t group,
                                              const SearchRequest& request, const RowOrderFile& order,
                                              const MakeScan& make_scan) {
  std::vector<std::vector<Match>> answers(query_count);
  for (std::size_t first = 0; first < query_count; first += group) {
    const std::size_t count = std::min(group, query_count - first);
    const std::unique_ptr<RowScan> scan = make_scan(first, count);
    SearchGroup(rows, *scan, request, order, std::span(answers).subspan(first, count));
  }
  return answers;
}

}  // namespace actkin
