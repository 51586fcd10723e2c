#include "query/approximate/filled_up_index.h"

#include <algorithm>
#include <set>
#include <utility>

#include "query/exact/top_rows.h"

namespace actkin {
namespace {

// The found rows and the best others of `exact`, best first, k of them. Returns how many were not found.
std::uint64_t FillUp(const SearchRequest& request, const std::vector<Match>& exact, std::vector<Match>& found) {
  std::set<RowNumber> rows;
  for (const Match& match : found) rows.insert(match.row);
  const std::size_t before = found.size();
  for (const Match& match : exact) {
    if (found.size() == *request.k) break;
    if (!rows.contains(match.row)) found.push_back(match);
  }
  SortMatches(request, found);
  return found.size() - before;
}

}  // namespace

FilledUpIndex::FilledUpIndex(std::shared_ptr<const SiteIndex> approximate, std::function<const SiteIndex&()> exact,
                             std::uint64_t most_filtered_exactly)
    : approximate_(std::move(approximate)), exact_(std::move(exact)), most_filtered_exactly_(most_filtered_exactly) {}

std::vector<std::vector<Match>> FilledUpIndex::Search(std::span<const float> queries,
                                                      const SearchRequest& request) const {
  SearchRequest plain = request;
  plain.parameters.clear();
  plain.filled_up = nullptr;
  if (request.among && request.among->row_count() == row_count() && request.among->count() <= most_filtered_exactly_) {
    // What the approximate index refuses is refused all the same.
    SearchRequest unfiltered = request;
    unfiltered.among = nullptr;
    approximate_->Search({}, unfiltered);
    std::vector<std::vector<Match>> answers = exact_().Search(queries, plain);
    if (request.filled_up != nullptr) request.filled_up->assign(answers.size(), 0);
    return answers;
  }
  std::vector<std::vector<Match>> answers = approximate_->Search(queries, request);
  if (request.filled_up != nullptr) request.filled_up->assign(answers.size(), 0);
  std::vector<std::size_t> numbers;
  std::vector<float> asked;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].size() >= *request.k) continue;
    numbers.push_back(i);
    const std::span<const float> query = queries.subspan(i * dimension(), dimension());
    asked.insert(asked.end(), query.begin(), query.end());
  }
  if (numbers.empty()) return answers;
  const std::vector<std::vector<Match>> exact = exact_().Search(asked, plain);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::uint64_t added = FillUp(request, exact[i], answers[numbers[i]]);
    if (request.filled_up != nullptr) (*request.filled_up)[numbers[i]] = added;
  }
  return answers;
}

}  // namespace actkin
