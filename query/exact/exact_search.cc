#include "query/exact/exact_search.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <string_view>
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
  std::vector<RowRange> runs;
  std::vector<float> raw;
};

// The runs of rows of a piece that are looked at, none longer than the scan's piece.
void FindRuns(RowRange piece, const RowSet* among, std::uint64_t longest, std::vector<RowRange>& runs) {
  runs.clear();
  const auto add = [&](RowRange run) {
    for (std::uint64_t begin = run.begin; begin < run.end; begin += longest) {
      runs.push_back({begin, std::min(begin + longest, run.end)});
    }
  };
  if (among == nullptr) return add(piece);
  among->ForEachRun(piece, add);
}

void ScanPiece(RowRange piece, const RowScan& scan, const RowSet* among, Worker& worker) {
  FindRuns(piece, among, scan.piece(), worker.runs);
  const std::vector<RowRange>& runs = worker.runs;
  for (std::size_t first = 0, after = 0; first < runs.size(); first = after) {
    RowRange joined = runs[first];
    for (after = first + 1; after < runs.size(); ++after) {
      const RowRange& next = runs[after];
      if (next.begin - joined.end > scan.free_gap() || next.end - joined.begin > scan.piece()) break;
      joined.end = next.end;
    }
    worker.raw.resize(scan.query_count() * joined.size());
    scan.Scan(joined, worker.raw);
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      const auto raw = std::span(worker.raw).subspan(query * joined.size(), joined.size());
      for (std::size_t run = first; run < after; ++run) {
        worker.queries[query].Offer(static_cast<RowNumber>(runs[run].begin),
                                    raw.subspan(runs[run].begin - joined.begin, runs[run].size()));
      }
    }
  }
}

// Rows that a thread takes at once: as many of them as a piece of the scan are looked at, if they are spread evenly.
std::uint64_t PieceOf(RowRange rows, const RowScan& scan, const SearchRequest& request) {
  if (!request.among) return scan.piece();
  const std::uint64_t passing = std::max<std::uint64_t>(request.among->CountIn(rows), 1);
  return scan.piece() * std::max<std::uint64_t>(rows.size() / passing, 1);
}

void SearchGroup(RowRange all_rows, const RowScan& scan, const SearchRequest& request, const RowMap& order,
                 std::span<std::vector<Match>> answers) {
  const RowSet* among = request.among.get();
  const RowRange rows = among == nullptr ? all_rows : among->Narrow(all_rows);
  const std::uint64_t piece_size = PieceOf(rows, scan, request);
  const int worker_count = UsefulThreads(rows, piece_size, request.threads);
  std::vector<Worker> workers(static_cast<std::size_t>(worker_count));
  for (Worker& worker : workers) {
    for (std::size_t query = 0; query < scan.query_count(); ++query) {
      worker.queries.emplace_back(request, scan.bounds(query), order,
                                  [&scan, query](RowNumber row) { return scan.Distance(query, row); });
    }
  }
  ForEachPiece(rows, piece_size, worker_count, [&](int number, RowRange piece) {
    ScanPiece(piece, scan, among, workers[static_cast<std::size_t>(number)]);
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

std::unique_ptr<RowScan> SiteIndex::NewScan(std::span<const float> /*queries*/, Metric /*metric*/,
                                            int /*threads*/) const {
  FailUsage(ErrorCode::kUnsupported, "this index keeps no rows to pass over: ask the index 'exact'");
}

std::vector<std::uint64_t> SiteIndex::CountBefore(std::span<const float> /*query*/, std::span<const Match> /*matches*/,
                                                  const SearchRequest& /*request*/) const {
  FailUsage(ErrorCode::kUnsupported, "this index does not know all rows before another: ask the index 'exact'");
}

RowSet SiteIndex::RowsUpTo(double /*length*/, int /*threads*/) const {
  FailUsage(ErrorCode::kUnsupported, "this index keeps no rows to measure: ask the index 'exact'");
}

RowRange CheckRequest(std::span<const float> queries, std::uint64_t dimension, std::uint64_t row_count,
                      const SearchRequest& request) {
  if (EarlyStopOf(request) && !request.k) {
    FailUsage("parameters {}: only the k best of so many rows can be asked for: give k", Quote(request.parameters));
  }
  if (request.threads < 1) FailUsage("threads {}: expected at least 1", request.threads);
  const RowRange rows = request.rows.value_or(RowRange{0, row_count});
  if (rows.begin > rows.end || rows.end > row_count) {
    FailUsage("rows {}-{}: the site has rows 0 to {}, and a range is first and one past the last", rows.begin, rows.end,
              row_count);
  }
  if (request.k && *request.k == 0) FailUsage("k 0: ask for at least 1");
  if (request.among && request.among->row_count() != row_count) {
    FailUsage("a filter of {} rows: the site has {}", request.among->row_count(), row_count);
  }
  if (request.k && *request.k > LookedAt(request, row_count)) {
    if (request.among) {
      FailUsage("k {}: {} of the site's {} rows pass the filter; ask for at most that many", *request.k,
                LookedAt(request, row_count), row_count);
    }
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

namespace {

// All of the text, as a number.
template <typename Number>
std::optional<Number> NumberIn(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<EarlyStop> EarlyStopOf(const SearchRequest& request) {
  constexpr std::string_view kRows = "rows=";
  constexpr std::string_view kRecall = "recall=";
  const std::string_view text = request.parameters;
  if (text.empty()) return std::nullopt;
  EarlyStop stop;
  if (text.starts_with(kRows)) stop.rows = NumberIn<std::uint64_t>(text.substr(kRows.size()));
  if (text.starts_with(kRecall)) stop.recall = NumberIn<double>(text.substr(kRecall.size()));
  const bool sound = (stop.rows && *stop.rows > 0) || (stop.recall && *stop.recall > 0 && *stop.recall <= 1);
  if (!sound) {
    FailUsage(
        "parameters {}: the index 'exact' takes rows=N, how many of the most promising rows it looks at, or recall=R, "
        "above 0 and at most 1, as many as find that share of the nearest",
        Quote(request.parameters));
  }
  return stop;
}

std::uint64_t LookedAt(const SearchRequest& request, std::uint64_t row_count) {
  const RowRange rows = request.rows.value_or(RowRange{0, row_count});
  return request.among ? request.among->CountIn(rows) : rows.size();
}

std::vector<std::vector<Match>> SearchWithout(const SiteIndex& index, std::span<const float> queries,
                                              std::span<const std::optional<RowNumber>> left_out,
                                              const SearchRequest& request, bool fewer_will_do) {
  const auto leaves_out = [&](const std::optional<RowNumber>& row) {
    if (!row || (request.among && !request.among->Contains(*row))) return false;
    return !request.rows || (*row >= request.rows->begin && *row < request.rows->end);
  };
  const bool leaves_some_out = std::ranges::any_of(left_out, leaves_out);
  SearchRequest wider = request;
  if (request.k && *request.k > 0) {
    const std::uint64_t rows = LookedAt(request, index.row_count());
    if (fewer_will_do && rows == 0) return std::vector<std::vector<Match>>(left_out.size());
    if (leaves_some_out && *request.k == rows && !fewer_will_do) {
      FailUsage("k {}: {} rows are left without the prompt's own; ask for at most that many", *request.k, rows - 1);
    }
    // One row more leaves k without the one; who lacks none drops the last.
    if (leaves_some_out && *request.k < rows) wider.k = *request.k + 1;
    if (fewer_will_do) wider.k = std::min(*wider.k, rows);
  }
  std::vector<std::vector<Match>> answers = index.Search(queries, wider);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    std::erase_if(answers[i], [&](const Match& match) { return left_out[i] == match.row; });
    if (request.k && answers[i].size() > *request.k) answers[i].resize(*request.k);
    if (request.filled_up != nullptr && i < request.filled_up->size()) {
      (*request.filled_up)[i] = std::min<std::uint64_t>((*request.filled_up)[i], answers[i].size());
    }
  }
  return answers;
}

std::vector<std::vector<Match>> SearchExactly(RowRange rows, std::size_t query_count, std::size_t group,
                                              const SearchRequest& request, const RowMap& order,
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
