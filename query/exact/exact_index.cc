#include "query/exact/exact_index.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "query/exact/exact_search.h"
#include "query/exact/place_counter.h"
#include "query/exact/row_lengths.h"
#include "query/exact/sketch_places.h"
#include "query/exact/sketch_query.h"
#include "query/exact/sketch_search.h"
#include "query/exact/vector_scan.h"
#include "schema/error.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// Queries that pass over the rows together: enough to make the pass cheap beside the arithmetic.
constexpr std::size_t kScanGroup = 64;
constexpr std::size_t kSketchGroup = 64;
// Of fewer queries than make so many groups for each thread the groups are smaller, but not below this.
constexpr std::size_t kGroupsOfThread = 4;
constexpr std::size_t kLeastGroup = 8;
// Of so few rows nothing is to be gained by their sketches.
constexpr std::uint64_t kFewRows = 256;

// Whether a request leaves rows out by their distances. A range of rows, all of them, is scanned where it stands.
bool LeavesOut(const SearchRequest& request) {
  if (request.k) return true;
  return request.within && *request.within != Band{} && !request.rows;
}

// After how many rows a search stops; none where it goes through all.
std::optional<std::uint64_t> MostRows(const SketchFile& sketches, const SearchRequest& request) {
  const std::optional<EarlyStop> stop = EarlyStopOf(request);
  if (!stop) return std::nullopt;
  if (stop->rows) return stop->rows;
  const std::optional<std::uint64_t> rows = sketches.RowsThatFind(request.metric, *stop->recall);
  // What was measured is of the 10 nearest ones; more of them stand in as many times more blocks, at most.
  constexpr std::uint64_t kMeasured = 10;
  if (!rows || request.order != Order::kNearest) return std::nullopt;
  return *rows * ((*request.k + kMeasured - 1) / kMeasured);
}

}  // namespace

ExactIndex::ExactIndex(RowSource rows, std::optional<SketchFile> sketches, std::shared_ptr<const RowMap> order)
    : source_(std::move(rows)), sketches_(std::move(sketches)), order_(std::move(order)) {
  if (order_->row_count() != row_count()) {
    FailDamaged("{}: ends with row {}, but the row order has {} rows",
                source_.Path(static_cast<RowNumber>(row_count())).string(), row_count(), order_->row_count());
  }
  if (sketches_ && (sketches_->row_count() != row_count() || sketches_->dimension() != dimension())) {
    FailDamaged("{}: the sketches of {} rows of dimension {}, the site has {} of {}", sketches_->path().string(),
                sketches_->row_count(), sketches_->dimension(), row_count(), dimension());
  }
}

std::vector<std::vector<Match>> ExactIndex::Search(std::span<const float> queries, const SearchRequest& request) const {
  const RowRange rows = CheckRequest(queries, dimension(), row_count(), request);
  const std::size_t query_count = queries.size() / dimension();
  const auto part = [&](std::size_t first, std::size_t count) {
    return queries.subspan(first * dimension(), count * dimension());
  };
  const std::uint64_t looked_at = LookedAt(request, row_count());
  const std::uint64_t few = std::max(kFewRows, 2 * request.k.value_or(0));
  const RowMoments* moments = MomentsFor(request.metric, request.threads);
  const auto scan = [&](RowRange group, const SearchRequest& as) {
    return SearchExactly(rows, group.size(), kScanGroup, as, *order_,
                         [&, group](std::size_t first, std::size_t count) -> std::unique_ptr<RowScan> {
                           return std::make_unique<VectorScan>(source_, part(group.begin + first, count), as.metric,
                                                               moments, as.cost);
                         });
  };
  const bool filtered = looked_at < row_count();
  if (!sketches_ || !LeavesOut(request) || (filtered && looked_at <= few)) return scan({0, query_count}, request);
  const std::optional<std::uint64_t> most_rows = MostRows(*sketches_, request);
  std::vector<std::vector<Match>> answers(query_count);
  const auto search = [&](RowRange group, const SearchRequest& as) {
    const std::span<const float> asked = part(group.begin, group.size());
    const VectorScan of_group(source_, asked, as.metric, moments, as.cost);
    SearchBySketches(*sketches_, of_group, asked, rows, as, *order_, most_rows,
                     std::span(answers).subspan(group.begin, group.size()));
  };
  const auto search_each = [&](RowRange group, const SearchRequest& as) {
    for (std::uint64_t query = group.begin; query < group.end; ++query) {
      if (CanTell(part(query, 1))) {
        search({query, query + 1}, as);
      } else {
        answers[query] = std::move(scan({query, query + 1}, as).front());
      }
    }
  };
  const auto threads = static_cast<std::size_t>(std::max(request.threads, 1));
  if (query_count < 2 * threads) {
    search_each({0, query_count}, request);
  } else {
    // A thread alone learns soonest how near the rows of a query must be. Some groups a thread, as some take longer.
    SearchRequest alone = request;
    alone.threads = 1;
    const std::size_t even = query_count / threads;
    const std::size_t group_size =
        threads == 1 ? kSketchGroup : std::clamp(even / kGroupsOfThread, std::min(kLeastGroup, even), kSketchGroup);
    ForEachPiece({0, query_count}, group_size, request.threads, [&](int, RowRange group) {
      if (CanTell(part(group.begin, group.size()))) {
        search(group, alone);
      } else {
        search_each(group, alone);
      }
    });
  }
  if (!request.parameters.empty()) FillUp(queries, request, answers);
  return answers;
}

void ExactIndex::FillUp(std::span<const float> queries, const SearchRequest& request,
                        std::vector<std::vector<Match>>& answers) const {
  SearchRequest all = request;
  all.parameters.clear();
  for (std::size_t query = 0; query < answers.size(); ++query) {
    if (answers[query].size() >= *request.k) continue;
    answers[query] = Search(queries.subspan(query * dimension(), dimension()), all).front();
  }
}

std::unique_ptr<RowScan> ExactIndex::NewScan(std::span<const float> queries, Metric metric, int threads) const {
  if (source_.computed()) {
    FailUsage(ErrorCode::kUnsupported, "{}: its rows are not kept: a pass over all of them would compute each again",
              source_.Path(0).string());
  }
  return std::make_unique<VectorScan>(source_, queries, metric, MomentsFor(metric, threads));
}

std::vector<std::uint64_t> ExactIndex::CountBefore(std::span<const float> query, std::span<const Match> matches,
                                                   const SearchRequest& request) const {
  SearchRequest all = request;
  all.k.reset();
  RequireOneQuery(query, dimension());
  const RowRange rows = CheckRequest(query, dimension(), row_count(), all);
  if (matches.empty()) return {};
  const VectorScan scan(source_, query, request.metric, MomentsFor(request.metric, request.threads), request.cost);
  // Of few rows the numbers are read sooner than the boxes of all.
  const std::uint64_t looked_at = LookedAt(all, row_count());
  if (!sketches_ || looked_at <= std::max(kFewRows, row_count() / kBlockRows) || !CanTell(query)) {
    return CountByScan(scan, row_count(), matches, all, *order_);
  }
  return CountBySketches(*sketches_, scan, query, rows, matches, all, *order_);
}

RowSet ExactIndex::RowsUpTo(double length, int threads) const {
  const auto exact = [this](RowNumber row) { return LengthOf(Vector(row)); };
  return sketches_ ? actkin::RowsUpTo(*sketches_, length, source_.computed() ? kComputedTolerance : 0, threads, exact)
                   : actkin::RowsUpTo(row_count(), length, threads, exact);
}

bool ExactIndex::CanTell(std::span<const float> queries) const {
  for (std::size_t first = 0; first < queries.size(); first += dimension()) {
    if (!SketchQuery::CanTell(*sketches_, queries.subspan(first, dimension()))) return false;
  }
  return true;
}

const RowMoments* ExactIndex::MomentsFor(Metric metric, int threads) const {
  if (metric != Metric::kDot && metric != Metric::kCenteredCosine) return nullptr;
  std::call_once(found_moments_, [&] {
    if (row_count() == 0) {
      moments_.mean.resize(dimension());
    } else if (sketches_) {
      moments_ = {{sketches_->mean().begin(), sketches_->mean().end()},
                  sketches_->scales().longest * (source_.computed() ? 1 + kComputedTolerance : 1)};
    } else {
      moments_ = FindMoments(source_, threads);
    }
  });
  return &moments_;
}

std::vector<float> ExactIndex::Vector(RowNumber row) const {
  std::vector<float> vector(dimension());
  source_.Read(row, vector);
  return vector;
}

}  // namespace actkin
