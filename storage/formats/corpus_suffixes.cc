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
  std::vector<NextToken> tokens;
  for (std::uint64_t place = places.begin; place < places.end;) {
    const std::optional<TokenId> token = TokenAt(place, length);
    if (!token) break;  // those whose document ends come last
    const std::uint64_t end = EndOfToken(place, places.end, length, *token);
    tokens.push_back({*token, {place, end}});
    place = end;
  }
  return tokens;
}

std::uint64_t CorpusSuffixes::Position(std::uint64_t place) const {
  CountStep();
  return tokens_->PositionOf(order_.Begin(place));
}

int CorpusSuffixes::Compare(std::uint64_t place, std::string_view prefix) const {
  CountStep();
  const auto suffix = tokens_->entries().subspan(order_.Begin(place) * static_cast<std::uint64_t>(tokens_->width()));
  // Bytes are in the order of ids, and a separator comes after all of them.
  const int order = std::memcmp(suffix.data(), prefix.data(), std::min(suffix.size(), prefix.size()));
  return order == 0 && suffix.size() < prefix.size() ? -1 : order;
}

std::optional<TokenId> CorpusSuffixes::TokenAt(std::uint64_t place, std::uint64_t offset) const {
  CountStep();
  const std::uint64_t entry = order_.Begin(place) + offset;
  if (entry >= tokens_->entry_count()) return std::nullopt;
  return tokens_->Entry(entry);
}

std::uint64_t CorpusSuffixes::EndOfToken(std::uint64_t place, std::uint64_t end, std::uint64_t offset,
                                         TokenId token) const {
  const auto has_token = [&](std::uint64_t other) { return TokenAt(other, offset) == token; };
  // Strides of 1, 2, 4, ..., so that a token that follows rarely takes few steps.
  std::uint64_t last = place;
  std::uint64_t stride = 1;
  while (end - last > stride && has_token(last + stride)) {
    last += stride;
    stride *= 2;
  }
  return PartitionPoint(last + 1, std::min(end, last + stride), has_token);
}

}  // namespace actkin
