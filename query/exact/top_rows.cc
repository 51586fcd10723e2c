#include "query/exact/top_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace actkin {
namespace {

constexpr std::size_t kSlack = 4096;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool Better(bool smaller_is_better, const Match& a, const Match& b) {
  if (a.distance != b.distance) return (a.distance < b.distance) == smaller_is_better;
  return a.number < b.number;
}

// The k best in front, in no order.
void KeepBest(bool smaller_is_better, std::size_t k, std::vector<Match>& matches) {
  if (matches.size() <= k) return;
  const auto better = [=](const Match& a, const Match& b) { return Better(smaller_is_better, a, b); };
  std::nth_element(matches.begin(), matches.begin() + static_cast<std::ptrdiff_t>(k - 1), matches.end(), better);
  matches.resize(k);
}

}  // namespace

bool SmallerIsBetter(Metric metric, Order order) { return (metric == Metric::kL2) == (order == Order::kNearest); }

void SortMatches(const SearchRequest& request, std::vector<Match>& matches) {
  const bool smaller_is_better = SmallerIsBetter(request.metric, request.order);
  if (request.k) KeepBest(smaller_is_better, *request.k, matches);
  std::ranges::sort(matches, [=](const Match& a, const Match& b) { return Better(smaller_is_better, a, b); });
}

TopRows::TopRows(const SearchRequest& request, const ScanBounds& bounds, const RowMap& order, Distance distance)
    : request_(request),
      bounds_(bounds),
      order_(order),
      distance_(std::move(distance)),
      smaller_is_better_(SmallerIsBetter(request.metric, request.order)),
      capacity_((request.k ? 2 * *request.k : 0) + kSlack),
      bound_(smaller_is_better_ ? kInfinity : -kInfinity),
      lowest_(request.within ? bounds.LowestRaw(request.within->low) : -kInfinity),
      highest_(request.within ? bounds.HighestRaw(request.within->high) : kInfinity) {}

void TopRows::Offer(RowNumber first, std::span<const float> raw) {
  // Nearly all rows are excluded, so they are looked at in groups without a branch inside.
  constexpr std::size_t kGroup = 16;
  std::size_t i = 0;
  while (i < raw.size()) {
    const std::size_t end = std::min(i + kGroup, raw.size());
    if (end - i == kGroup) {
      unsigned excluded = 0;
      for (std::size_t j = 0; j < kGroup; ++j) {
        excluded += static_cast<unsigned>(raw[i + j] < lowest_) | static_cast<unsigned>(raw[i + j] > highest_);
      }
      if (excluded == kGroup) {
        i = end;
        continue;
      }
    }
    for (; i < end; ++i) {
      if (!Excluded(raw[i])) Add({raw[i], static_cast<RowNumber>(first + i)});
    }
  }
}

void TopRows::Add(const Candidate& candidate) {
  candidates_.push_back(candidate);
  if (candidates_.size() < capacity_) return;
  ExcludeByRaw();
  if (candidates_.size() > capacity_ / 2) FinishCandidates();
}

void TopRows::RequireAtLeastAsGoodAs(double distance) {
  if (smaller_is_better_) {
    bound_ = std::min(bound_, distance);
    highest_ = std::min(highest_, bounds_.HighestRaw(distance));
  } else {
    bound_ = std::max(bound_, distance);
    lowest_ = std::max(lowest_, bounds_.LowestRaw(distance));
  }
}

void TopRows::ExcludeByRaw() {
  // Within a band, a row with a good raw value may lie just outside and so says nothing about the k-th best.
  if (request_.k && !request_.within && candidates_.size() >= *request_.k) {
    std::vector<float> costs;  // smaller is better
    costs.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_) {
      const float cost = smaller_is_better_ ? candidate.raw : -candidate.raw;
      costs.push_back(std::isnan(cost) ? kInfinity : cost);
    }
    const auto worst = costs.begin() + static_cast<std::ptrdiff_t>(*request_.k - 1);
    std::nth_element(costs.begin(), worst, costs.end());
    // With an infinite cost the k-th row may be one of which nothing is known.
    if (*worst < kInfinity) {
      RequireAtLeastAsGoodAs(smaller_is_better_ ? bounds_.HighestDistance(*worst) : bounds_.LowestDistance(-*worst));
    }
  }
  std::erase_if(candidates_, [this](const Candidate& candidate) { return Excluded(candidate.raw); });
}

void TopRows::FinishCandidates() {
  for (const Candidate& candidate : candidates_) {
    const double distance = distance_(candidate.row);
    if (request_.within && (distance < request_.within->low || distance > request_.within->high)) continue;
    matches_.push_back({candidate.row, order_.Number(candidate.row), distance});
  }
  candidates_.clear();
  if (!request_.k || matches_.size() < *request_.k) return;
  KeepBest(smaller_is_better_, *request_.k, matches_);
  const auto worst = std::ranges::max_element(
      matches_, [this](const Match& a, const Match& b) { return Better(smaller_is_better_, a, b); });
  RequireAtLeastAsGoodAs(worst->distance);
}

std::vector<Match> TopRows::Finish() {
  ExcludeByRaw();
  FinishCandidates();
  SortMatches(request_, matches_);
  return std::move(matches_);
}

}  // namespace actkin
