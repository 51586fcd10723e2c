#include "storage/formats/corpus_suffixes.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "schema/token_ids.h"

namespace actkin {
namespace {

// The first place of [begin, end) of which `holds` does not, where it holds of none behind one of which it does not.
template <typename Holds>
std::uint64_t PartitionPoint(std::uint64_t begin, std::uint64_t end, const Holds& holds) {
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    if (holds(middle)) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

}  // namespace

CorpusSuffixes::CorpusSuffixes(std::shared_ptr<const CorpusTokensFile> tokens, SuffixOrderFile order)
    : tokens_(std::move(tokens)), order_(std::move(order)) {
  order_.RequireOf(*tokens_);
}

RowRange CorpusSuffixes::Find(std::span<const TokenId> prefix) const {
  const std::string bytes = EncodeTokenIds(prefix, tokens_->width());
  const std::uint64_t begin =
      PartitionPoint(0, order_.size(), [&](std::uint64_t place) { return Compare(place, bytes) < 0; });
  const std::uint64_t end =
      PartitionPoint(begin, order_.size(), [&](std::uint64_t place) { return Compare(place, bytes) == 0; });
  return {begin, end};
}

std::vector<CorpusSuffixes::NextToken> CorpusSuffixes::NextTokens(RowRange places, std::uint64_t length) const {
  if (places.size() == 0) return {};
  const TokenId first = TokenAt(order_.Begin(places.begin) + length);
  const TokenId last = TokenAt(order_.Begin(places.end - 1) + length);
  CountSteps(2);
  std::vector<Gap> gaps;
  if (first != last) {
    gaps.push_back({static_cast<std::uint32_t>(places.begin), static_cast<std::uint32_t>(places.end - 1), first, last});
  }
  std::vector<Gap> halves;
  std::vector<std::uint64_t> entries;
  const auto is_open = [](const Gap& gap) { return gap.high - gap.low > 1; };
  while (std::ranges::any_of(gaps, is_open)) Halve(length, gaps, halves, entries);

  std::vector<NextToken> tokens;
  tokens.reserve(gaps.size() + 1);
  TokenId token = first;
  std::uint64_t begin = places.begin;
  for (const Gap& gap : gaps) {
    tokens.push_back({token, {begin, gap.high}});
    begin = gap.high;
    token = gap.high_token;
  }
  // Those whose document ends come last.
  if (token != kDocumentEnd) tokens.push_back({token, {begin, places.end}});
  return tokens;
}

// Each middle is somewhere else in both files: what one of them waits for, the memory brings for many at once.
void CorpusSuffixes::Halve(std::uint64_t offset, std::vector<Gap>& gaps, std::vector<Gap>& halves,
                           std::vector<std::uint64_t>& entries) const {
  constexpr std::size_t kAhead = 16;
  const auto middle = [](const Gap& gap) { return gap.low + (gap.high - gap.low) / 2; };
  const std::byte* const all = tokens_->entries().data();
  const auto width = static_cast<std::uint64_t>(tokens_->width());
  const std::uint64_t count = tokens_->entry_count();
  entries.resize(gaps.size());
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    if (i + kAhead < gaps.size()) order_.Prefetch(middle(gaps[i + kAhead]));
    if (gaps[i].high - gaps[i].low <= 1) continue;
    entries[i] = order_.Begin(middle(gaps[i])) + offset;
    __builtin_prefetch(all + std::min(entries[i], count - 1) * width);
  }
  halves.clear();
  std::uint64_t steps = 0;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const Gap& gap = gaps[i];
    if (gap.high - gap.low <= 1) {
      halves.push_back(gap);
      continue;
    }
    ++steps;
    const std::uint32_t place = middle(gap);
    const TokenId token = TokenAt(entries[i]);
    if (token != gap.low_token) halves.push_back({gap.low, place, gap.low_token, token});
    if (token != gap.high_token) halves.push_back({place, gap.high, token, gap.high_token});
  }
  CountSteps(steps);
  std::swap(gaps, halves);
}

std::uint64_t CorpusSuffixes::Position(std::uint64_t place) const {
  CountSteps(1);
  return tokens_->PositionOf(order_.Begin(place));
}

int CorpusSuffixes::Compare(std::uint64_t place, std::string_view prefix) const {
  CountSteps(1);
  const auto suffix = tokens_->entries().subspan(order_.Begin(place) * static_cast<std::uint64_t>(tokens_->width()));
  // Bytes are in the order of ids, and a separator comes after all of them.
  const int order = std::memcmp(suffix.data(), prefix.data(), std::min(suffix.size(), prefix.size()));
  return order == 0 && suffix.size() < prefix.size() ? -1 : order;
}

TokenId CorpusSuffixes::TokenAt(std::uint64_t entry) const {
  if (entry >= tokens_->entry_count()) return kDocumentEnd;
  return tokens_->Entry(entry).value_or(kDocumentEnd);
}

}  // namespace actkin
