#include "storage/formats/next_token_search.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

// A document ends there, instead of a token.
constexpr TokenId kDocumentEnd = std::numeric_limits<TokenId>::max();

// Two places of which the tokens at some offset differ, and these tokens.
struct Gap {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  TokenId low_token = 0;
  TokenId high_token = 0;

  bool open() const { return high - low > 1; }
  std::uint32_t middle() const { return low + (high - low) / 2; }
};

class Search {
 public:
  Search(const CorpusTokensFile& tokens, const SuffixOrderView& order, std::uint64_t offset)
      : tokens_(tokens), order_(order), offset_(offset) {}

  std::vector<TokenPlaces> Run(RowRange places) {
    const TokenId first = TokenAt(order_.Begin(places.begin) + offset_);
    const TokenId last = TokenAt(order_.Begin(places.end - 1) + offset_);
    steps_ += 2;
    if (first != last) {
      gaps_.push_back(
          {static_cast<std::uint32_t>(places.begin), static_cast<std::uint32_t>(places.end - 1), first, last});
    }
    while (std::ranges::any_of(gaps_, &Gap::open)) Halve();

    std::vector<TokenPlaces> found;
    found.reserve(gaps_.size() + 1);
    TokenId token = first;
    std::uint64_t begin = places.begin;
    for (const Gap& gap : gaps_) {
      found.push_back({token, {begin, gap.high}});
      begin = gap.high;
      token = gap.high_token;
    }
    // Those whose document ends come last.
    if (token != kDocumentEnd) found.push_back({token, {begin, places.end}});
    return found;
  }

  std::uint64_t steps() const { return steps_; }

 private:
  // Replaces the gaps, which are in order, by those that their middles leave; what is one place wide stays. Each middle
  // is somewhere else in both files: what one of them waits for, the memory brings for many at once.
  void Halve() {
    constexpr std::size_t kAhead = 16;
    const std::byte* const all = tokens_.entries().data();
    const auto width = static_cast<std::uint64_t>(tokens_.width());
    const std::uint64_t count = tokens_.entry_count();
    entries_.resize(gaps_.size());
    for (std::size_t i = 0; i < gaps_.size(); ++i) {
      if (i + kAhead < gaps_.size()) __builtin_prefetch(order_.begins.data() + gaps_[i + kAhead].middle());
      if (!gaps_[i].open()) continue;
      entries_[i] = order_.Begin(gaps_[i].middle()) + offset_;
      __builtin_prefetch(all + std::min(entries_[i], count - 1) * width);
    }
    halves_.clear();
    for (std::size_t i = 0; i < gaps_.size(); ++i) {
      const Gap& gap = gaps_[i];
      if (!gap.open()) {
        halves_.push_back(gap);
        continue;
      }
      ++steps_;
      const std::uint32_t place = gap.middle();
      const TokenId token = TokenAt(entries_[i]);
      if (token != gap.low_token) halves_.push_back({gap.low, place, gap.low_token, token});
      if (token != gap.high_token) halves_.push_back({place, gap.high, token, gap.high_token});
    }
    std::swap(gaps_, halves_);
  }

  TokenId TokenAt(std::uint64_t entry) const {
    if (entry >= tokens_.entry_count()) return kDocumentEnd;
    return tokens_.Entry(entry).value_or(kDocumentEnd);
  }

  const CorpusTokensFile& tokens_;
  const SuffixOrderView& order_;
  const std::uint64_t offset_;
  std::uint64_t steps_ = 0;
  std::vector<Gap> gaps_;
  std::vector<Gap> halves_;
  std::vector<std::uint64_t> entries_;
};

}  // namespace

std::uint64_t SuffixOrderView::Begin(std::uint64_t place) const {
  const std::uint32_t begin = begins[place];
  if (begin >= begins.size()) {
    FailDamaged("{}: damaged: a suffix begins at {} of {}", path.string(), begin, begins.size());
  }
  return begin;
}

std::vector<TokenPlaces> SearchNextTokens(const CorpusTokensFile& tokens, const SuffixOrderView& order, RowRange places,
                                          std::uint64_t length, std::uint64_t& steps) {
  if (places.size() == 0) return {};
  Search search(tokens, order, length);
  std::vector<TokenPlaces> found = search.Run(places);
  steps += search.steps();
  return found;
}

WidePrefixes FindWidePrefixes(const CorpusTokensFile& tokens, const SuffixOrderView& order, std::uint64_t most) {
  WidePrefixes wide;
  std::uint64_t steps = 0;
  std::vector<RowRange> prefixes;  // of one length, with more places than `most`
  if (order.begins.size() > most) prefixes.push_back({0, order.begins.size()});
  for (std::uint64_t length = 0; !prefixes.empty(); ++length) {
    const std::size_t before = wide.prefixes.size();
    std::vector<RowRange> longer;
    for (const RowRange& places : prefixes) {
      const std::vector<TokenPlaces> next = SearchNextTokens(tokens, order, places, length, steps);
      if (next.size() > most) {
        wide.prefixes.push_back({static_cast<std::uint32_t>(places.begin), static_cast<std::uint32_t>(places.end),
                                 length, wide.tokens.size()});
        for (const TokenPlaces& token : next) {
          wide.tokens.push_back({token.token_id, static_cast<std::uint32_t>(token.places.end)});
        }
      }
      for (const TokenPlaces& token : next) {
        if (token.places.size() > most) longer.push_back(token.places);
      }
    }
    if (wide.prefixes.size() == before) break;
    prefixes = std::move(longer);
  }
  return wide;
}

}  // namespace actkin
