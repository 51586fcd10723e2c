#include "schema/tokenizer/merges.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

constexpr std::size_t kFew = 48;

}  // namespace

void Merges::Apply(std::span<TokenId> symbols, std::vector<TokenId>& tokens) const {
  if (symbols.size() <= kFew) {
    ApplyToFew(symbols, tokens);
  } else {
    ApplyToMany(symbols, tokens);
  }
}

void Merges::ApplyToFew(std::span<TokenId> symbols, std::vector<TokenId>& tokens) const {
  std::array<Merge, kFew> merges;  // of each symbol with the next
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) merges[i] = Of(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNone) break;
    symbols[best] = merges[best].merged;
    for (std::size_t i = best + 1; i + 1 < count; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i] = merges[i + 1];
    }
    --count;
    if (best > 0) merges[best - 1] = Of(symbols[best - 1], symbols[best]);
    if (best + 1 < count) merges[best] = Of(symbols[best], symbols[best + 1]);
  }
  tokens.insert(tokens.end(), symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

void Merges::ApplyToMany(std::span<TokenId> symbols, std::vector<TokenId>& tokens) const {
  if (symbols.size() >= kNone) FailUsage("a word of {} characters is too long to be cut into tokens", symbols.size());
  const auto count = static_cast<std::uint32_t>(symbols.size());
  // A symbol that was merged into the one before it has itself as the previous one.
  std::vector<std::uint32_t> previous(count);
  std::vector<std::uint32_t> next(count);
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t left;
    TokenId merged;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  std::vector<Candidate> candidates;
  candidates.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == count ? kNone : i + 1;
    if (i + 1 == count) break;
    const Merge merge = Of(symbols[i], symbols[i + 1]);
    if (merge.rank != kNone) candidates.push_back({merge.rank, i, merge.merged});
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>{}, std::move(candidates));
  const auto add = [&](std::uint32_t left, std::uint32_t right) {
    const Merge merge = Of(symbols[left], symbols[right]);
    if (merge.rank != kNone) queue.push({merge.rank, left, merge.merged});
  };
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const std::uint32_t left = best.left;
    const std::uint32_t right = previous[left] == left ? kNone : next[left];
    // Neighbors that have changed since they were a candidate are none any more.
    if (right == kNone || Of(symbols[left], symbols[right]).rank != best.rank) continue;
    symbols[left] = best.merged;
    previous[right] = right;
    next[left] = next[right];
    if (next[left] != kNone) previous[next[left]] = left;
    if (previous[left] != kNone) add(previous[left], left);
    if (next[left] != kNone) add(left, next[left]);
  }
  for (std::uint32_t i = 0; i != kNone; i = next[i]) tokens.push_back(symbols[i]);
}

}  // namespace actkin
