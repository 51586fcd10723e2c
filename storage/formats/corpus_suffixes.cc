#include "storage/formats/corpus_suffixes.h"

#include <algorithm>
#include <cstring>
#include <optional>
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
  std::optional<std::vector<NextToken>> kept = order_.OfWidePrefix(places, length);
  if (kept) return std::move(*kept);
  std::uint64_t steps = 0;
  std::vector<NextToken> found = SearchNextTokens(*tokens_, order_.view(), places, length, steps);
  CountSteps(steps);
  return found;
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

}  // namespace actkin
