#include "query/approximate/approximate_index.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "query/approximate/index_parameters.h"
#include "query/exact/exact_distance.h"
#include "query/exact/exact_search.h"
#include "query/exact/top_rows.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/faiss/faiss_parameter.h"
#include "storage/machine/row_workers.h"

namespace actkin {
namespace {

// A band that lies far from the query may hold anything, as rows that pass a filter may be anywhere: how many rows are
// looked at for them, at most.
constexpr std::uint64_t kMostRowsForPart = 16384;
// Above it a parameter only costs memory; sites smaller than this are searched whole.
constexpr double kLargestParameter = 65536;

std::vector<float> UnitLength(std::span<const float> queries, std::size_t dimension) {
  std::vector<float> unit(queries.begin(), queries.end());
  for (std::size_t begin = 0; begin < unit.size(); begin += dimension) {
    const std::span<float> query = std::span(unit).subspan(begin, dimension);
    const std::vector<double> exact(query.begin(), query.end());
    const double squared_norm = SquaredNorm(exact);
    if (squared_norm == 0) continue;
    const double scale = 1 / std::sqrt(squared_norm);
    std::ranges::transform(exact, query.begin(), [scale](double number) { return static_cast<float>(number * scale); });
  }
  return unit;
}

}  // namespace

ApproximateIndex::ApproximateIndex(std::string name, Metric metric, RowSource rows, std::shared_ptr<const RowMap> order)
    : name_(std::move(name)), metric_(metric), rows_(std::move(rows)), order_(std::move(order)) {
  if (order_->row_count() != rows_.row_count()) {
    FailDamaged("{}: the last row is {}, but the row order has {} rows", rows_.Path(0).string(), rows_.row_count(),
                order_->row_count());
  }
}

IndexParameters ApproximateIndex::CheckParameters(const std::string& text) const {
  IndexParameters parameters = ParseIndexParameters(text);
  if (parameters.empty()) return parameters;
  const std::vector<std::string> names = ParameterNames();
  for (const auto& [name, value] : parameters) {
    if (std::ranges::find(names, name) == names.end()) {
      FailUsage("parameter {}: the index {} takes {}", Quote(name), Quote(name_),
                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
    }
    CheckFaissParameter(name, value, std::max(kLargestParameter, static_cast<double>(row_count())));
  }
  return parameters;
}

std::vector<std::vector<Match>> ApproximateIndex::Search(std::span<const float> queries,
                                                         const SearchRequest& request) const {
  const auto refuse = [this](const char* what) {
    FailUsage(ErrorCode::kUnsupported, "the index {} {}; the index 'exact' does", Quote(name_), what);
  };
  if (request.metric != metric_) {
    FailUsage("the index {} is for the metric {}, not {}", Quote(name_), Name(metric_), Name(request.metric));
  }
  if (request.order == Order::kFarthest) refuse("does not find the farthest rows");
  if (!request.k) refuse("does not find every row of a band, only the k nearest in it");
  if (request.rows) refuse("does not search a range of rows");
  const IndexParameters parameters = CheckParameters(request.parameters);
  SearchRequest plain = request;
  plain.parameters.clear();
  CheckRequest(queries, dimension(), row_count(), plain);

  const std::size_t count = queries.size() / dimension();
  std::vector<std::vector<Match>> answers(count);
  if (count == 0) return answers;
  std::vector<float> unit;
  if (metric_ == Metric::kCosine) unit = UnitLength(queries, dimension());
  const auto query = [&](std::size_t number) { return queries.subspan(number * dimension(), dimension()); };
  if (request.within || request.among) {
    for (std::size_t i = 0; i < count; ++i) answers[i] = SearchPart(query(i), parameters, request);
    return answers;
  }
  std::vector<std::vector<RowNumber>> chosen =
      Choose(unit.empty() ? queries : unit, *request.k, parameters, request.threads);
  const RowRange all{0, count};
  ForEachPiece(all, 16, UsefulThreads(all, 16, request.threads), [&](int, RowRange piece) {
    for (std::uint64_t i = piece.begin; i < piece.end; ++i) {
      answers[i] = Finish(query(i), std::move(chosen[i]), request);
    }
  });
  return answers;
}

std::vector<Match> ApproximateIndex::SearchPart(std::span<const float> query, const IndexParameters& parameters,
                                                const SearchRequest& request) const {
  const std::vector<float> unit = metric_ == Metric::kCosine ? UnitLength(query, dimension()) : std::vector<float>();
  const Band band = request.within.value_or(Band{});
  const auto beyond = [&](double distance) {
    return metric_ == Metric::kL2 ? distance > band.high : distance < band.low;
  };
  const std::uint64_t k = *request.k;
  const std::uint64_t most = std::min(row_count(), std::max(kMostRowsForPart, k));
  // So many hold k that pass, if these are spread evenly.
  const double share =
      request.among ? static_cast<double>(row_count()) / static_cast<double>(request.among->count()) : 1;
  const double first = std::ceil(static_cast<double>(k) * share);
  // Rows that are left out may all be nearer than the others: ask for more until enough are left.
  for (std::uint64_t asked = first < static_cast<double>(most) ? static_cast<std::uint64_t>(first) : most;;
       asked = std::min(4 * asked, most)) {
    std::vector<RowNumber> chosen =
        std::move(Choose(unit.empty() ? query : unit, asked, parameters, request.threads).front());
    const bool all = chosen.size() < asked;
    if (request.among) std::erase_if(chosen, [&](RowNumber row) { return !request.among->Contains(row); });
    SearchRequest wide = request;
    wide.k = asked;
    std::vector<Match> matches = Finish(query, std::move(chosen), wide);
    const bool passed = !matches.empty() && beyond(matches.back().distance);
    std::erase_if(matches, [&](const Match& match) { return match.distance < band.low || match.distance > band.high; });
    if (matches.size() >= k || all || passed || asked == most) {
      matches.resize(std::min<std::size_t>(matches.size(), k));
      return matches;
    }
  }
}

std::vector<Match> ApproximateIndex::Finish(std::span<const float> query, std::vector<RowNumber> chosen,
                                            const SearchRequest& request) const {
  std::ranges::sort(chosen);
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  const std::vector<double> exact(query.begin(), query.end());
  const double squared_norm = SquaredNorm(exact);
  std::vector<float> row(dimension());
  std::vector<Match> matches;
  matches.reserve(chosen.size());
  for (const RowNumber number : chosen) {
    rows_.Read(number, row);
    const double distance = ExactDistance(metric_, SumExactly(metric_, row, exact), squared_norm);
    if (!std::isfinite(distance)) {
      FailDamaged("{}: damaged: row {} is not finite; 'actkin verify' says more", rows_.Path(number).string(), number);
    }
    matches.push_back({number, order_->Number(number), distance});
  }
  SortMatches(request, matches);
  return matches;
}

std::vector<float> ApproximateIndex::Vector(RowNumber row) const {
  std::vector<float> vector(dimension());
  rows_.Read(row, vector);
  return vector;
}

}  // namespace actkin
