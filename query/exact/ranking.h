#ifndef ACTKIN_QUERY_EXACT_RANKING_H_
#define ACTKIN_QUERY_EXACT_RANKING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "query/exact/site_index.h"

namespace actkin {

// The rows of a site by rank, for one vector, found as far as they are asked for: 64 at first, then eight times as
// many, then all. A piece is searched from where the last one ended, and the rows are the same whatever the pieces. One
// thread at a time.
class Ranking {
 public:
  // What rows are told apart by where the best of each group alone is ranked.
  using RowGroup = std::function<std::uint64_t(const Match&)>;

  // request.k cuts the ranking; one that is larger than the site asks for all rows. An index that is not exact finds
  // its k rows at once, or as many more as groups need. left_out: a row that does not count. group: where it is given,
  // the rows that are not the best of theirs are left out, before k. REQUIRES: no request.rows; request.k unless the
  // index is exact.
  Ranking(std::shared_ptr<const SiteIndex> index, bool exact, std::vector<float> vector, SearchRequest request,
          std::optional<RowNumber> left_out = std::nullopt, RowGroup group = {});

  // From here on a row's rank is its place among the rows that `among` looks at, of which the ranking has a few: it is
  // counted (SiteIndex::CountBefore) for all of them in one pass when the first is asked for. REQUIRES: the index is
  // exact; request without k; the row left out is not among these either.
  void CountRanksAmong(SearchRequest among) { counted_among_ = std::move(among); }
  bool counts_ranks() const { return counted_among_.has_value(); }

  // Called between pieces of work of some 20 ms. What it throws leaves Find; what was found before stays.
  using Pause = std::function<void()>;

  // The row at `place`, from 0; none where there are not so many. expected: so many rows will probably be asked for, 0
  // where that is not known. Throws as SiteIndex::Search does.
  std::optional<Match> Find(std::uint64_t place, std::uint64_t expected, const Pause& pause);

  // From 1, of the row at `place`. Throws as Find does. REQUIRES: there is one.
  std::uint64_t Rank(std::uint64_t place, const Pause& pause);

  // How many rows there are, where that is known without a search: neither a band nor a group leaves any out.
  std::optional<std::uint64_t> row_count() const;

  // A filter belongs to whoever made it.
  std::uint64_t memory_bytes() const {
    return found_.capacity() * sizeof(Match) + ranks_.size() * sizeof(std::uint64_t) + vector_.size() * sizeof(float) +
           best_.size() * (sizeof(std::size_t) + 4 * sizeof(std::uint64_t));
  }

 private:
  std::vector<Match> Search(const SearchRequest& request) const;
  void FindMore(std::uint64_t count, const Pause& pause);
  void FindRest(const Pause& pause);
  // The request for what comes after the rows found: those at the last one's distance are found once more.
  SearchRequest RequestForMore() const;
  std::uint64_t FoundAtLastDistance() const;
  // Adds what such a request found.
  void Append(const std::vector<Match>& more);
  // Takes the best of each group among what was found since the last call.
  void ChooseBest();
  std::uint64_t size() const { return group_ ? best_.size() : found_.size(); }

  std::shared_ptr<const SiteIndex> index_;
  bool exact_;
  std::vector<float> vector_;
  SearchRequest request_;
  std::optional<RowNumber> left_out_;
  std::uint64_t rows_;        // that count, in or out of a band
  std::vector<Match> found_;  // by rank
  RowGroup group_;
  std::optional<std::uint64_t> best_wanted_;  // with groups: k
  std::unordered_set<std::uint64_t> groups_;  // of what was looked at
  std::vector<std::size_t> best_;             // of each group: its place in found_
  std::size_t looked_at_ = 0;                 // of found_
  bool complete_ = false;
  std::optional<SearchRequest> counted_among_;
  std::vector<std::uint64_t> ranks_;  // by place, once they are counted
};

}  // namespace actkin

#endif  // ACTKIN_QUERY_EXACT_RANKING_H_
