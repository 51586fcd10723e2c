#include "query/exact/ranking.h"

#include <algorithm>
#include <utility>

#include "query/exact/exact_search.h"
#include "query/exact/top_rows.h"

namespace actkin {
namespace {

constexpr std::uint64_t kFirstPiece = 64;
constexpr std::uint64_t kGrowth = 8;
// From here on all rows are looked at once, instead of searched for by way of their codes.
constexpr std::uint64_t kMostSearched = 32'768;
// Rows between two pauses where all are looked at: 50 MB at 384 dimensions.
constexpr std::uint64_t kRowsAtOnce = 32'768;

}  // namespace

Ranking::Ranking(std::shared_ptr<const SiteIndex> index, bool exact, std::vector<float> vector, SearchRequest request,
                 std::optional<RowNumber> left_out, RowGroup group)
    : index_(std::move(index)),
      exact_(exact),
      vector_(std::move(vector)),
      request_(std::move(request)),
      left_out_(left_out),
      rows_(LookedAt(request_, index_->row_count())),
      group_(std::move(group)) {
  if (left_out_ && request_.among && !request_.among->Contains(*left_out_)) left_out_.reset();
  if (left_out_) --rows_;
  if (request_.k) request_.k = std::min(*request_.k, rows_);
  if (group_) best_wanted_ = std::exchange(request_.k, std::nullopt);
  complete_ = rows_ == 0;
}

std::optional<std::uint64_t> Ranking::row_count() const {
  if (complete_) return size();
  if (!exact_ || request_.within || group_) return std::nullopt;
  return request_.k.value_or(rows_);
}

std::vector<Match> Ranking::Search(const SearchRequest& request) const {
  return SearchWithout(*index_, vector_, std::span(&left_out_, 1), request).front();
}

std::optional<Match> Ranking::Find(std::uint64_t place, std::uint64_t expected, const Pause& pause) {
  // What an index that is not exact finds of more rows need not begin with what it found of fewer.
  while (!complete_ && (place >= size() || !exact_)) {
    if (request_.k) expected = *request_.k;
    const std::uint64_t next =
        found_.empty() ? std::max(kFirstPiece, best_wanted_.value_or(0)) : kGrowth * found_.size();
    const std::uint64_t count = expected > found_.size() ? expected : next;
    if (exact_ && count > std::min(kMostSearched, rows_ / 2)) {
      FindRest(pause);
    } else {
      FindMore(count, pause);
    }
    ChooseBest();
  }
  if (place >= size()) return std::nullopt;
  return found_[group_ ? best_[place] : place];
}

std::uint64_t Ranking::Rank(std::uint64_t place, const Pause& pause) {
  if (!counted_among_) return place + 1;
  if (ranks_.empty()) {
    while (!complete_) Find(size(), rows_, pause);
    pause();
    ranks_ = index_->CountBefore(vector_, found_, *counted_among_);
    for (std::uint64_t& rank : ranks_) ++rank;
  }
  return ranks_.at(place);
}

void Ranking::ChooseBest() {
  if (!group_) return;
  for (; looked_at_ < found_.size() && best_.size() < best_wanted_.value_or(rows_); ++looked_at_) {
    if (groups_.insert(group_(found_[looked_at_])).second) best_.push_back(looked_at_);
  }
  if (best_wanted_ && best_.size() == *best_wanted_) complete_ = true;
}

std::uint64_t Ranking::FoundAtLastDistance() const {
  const auto other = std::find_if(found_.rbegin(), found_.rend(),
                                  [&](const Match& match) { return match.distance != found_.back().distance; });
  return static_cast<std::uint64_t>(other - found_.rbegin());
}

SearchRequest Ranking::RequestForMore() const {
  SearchRequest request = request_;
  request.k.reset();
  if (found_.empty()) return request;
  Band band = request.within.value_or(Band{});
  (SmallerIsBetter(request.metric, request.order) ? band.low : band.high) = found_.back().distance;
  request.within = band;
  return request;
}

void Ranking::Append(const std::vector<Match>& more) {
  // Rows at one distance come by number: those that were found come first.
  const std::uint64_t again = found_.empty() ? 0 : FoundAtLastDistance();
  found_.insert(found_.end(), more.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(again, more.size())),
                more.end());
}

void Ranking::FindMore(std::uint64_t count, const Pause& pause) {
  pause();
  if (!exact_ && group_) {
    SearchRequest request = request_;
    request.k = std::min(count, rows_);
    found_ = Search(request);
    complete_ = found_.size() < *request.k || *request.k == rows_;
    looked_at_ = 0;
    best_.clear();
    groups_.clear();
    return;
  }
  SearchRequest request = RequestForMore();
  const std::uint64_t again = found_.empty() ? 0 : FoundAtLastDistance();
  request.k = std::min(count - found_.size() + again, rows_);
  const std::vector<Match> more = Search(request);
  Append(more);
  complete_ = more.size() < *request.k || found_.size() >= request_.k.value_or(rows_);
}

void Ranking::FindRest(const Pause& pause) {
  SearchRequest request = RequestForMore();
  std::vector<Match> more;
  for (std::uint64_t begin = 0; begin < index_->row_count(); begin += kRowsAtOnce) {
    pause();
    request.rows = RowRange{begin, std::min(begin + kRowsAtOnce, index_->row_count())};
    const std::vector<Match> piece = Search(request);
    more.insert(more.end(), piece.begin(), piece.end());
  }
  pause();
  SortMatches(request, more);
  Append(more);
  if (request_.k && found_.size() > *request_.k) found_.resize(*request_.k);
  complete_ = true;
}

}  // namespace actkin
