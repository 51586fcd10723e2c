#include "storage/formats/suffix_order_file.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "schema/error.h"

namespace actkin {
namespace {

enum Number { kEntries, kTokensChecksum, kPrefixes, kTokens };
enum SectionIndex { kBegins, kWide, kWideTokens };

using Prefix = WidePrefixes::Prefix;
using Token = WidePrefixes::Token;

}  // namespace

SuffixOrderFile::SuffixOrderFile(const std::filesystem::path& path) : file_(path, FileKind::kSuffixOrder) {
  const std::uint64_t entries = file_.header().numbers[kEntries];
  if (entries > std::numeric_limits<std::uint32_t>::max())
    FailDamaged("{}: damaged: {} entries", path.string(), entries);
  begins_ = file_.Numbers<std::uint32_t>(kBegins, entries);
  wide_ = file_.Numbers<Prefix>(kWide, file_.header().numbers[kPrefixes]);
  wide_tokens_ = file_.Numbers<Token>(kWideTokens, file_.header().numbers[kTokens]);
}

std::optional<std::vector<TokenPlaces>> SuffixOrderFile::OfWidePrefix(RowRange places, std::uint64_t length) const {
  const auto key = [](const Prefix& prefix) { return std::pair(prefix.length, std::uint64_t{prefix.begin}); };
  const auto found = std::ranges::lower_bound(wide_, std::pair(length, places.begin), {}, key);
  if (found == wide_.end() || found->length != length || found->begin != places.begin || found->end != places.end) {
    return std::nullopt;
  }
  const std::uint64_t end = found + 1 == wide_.end() ? wide_tokens_.size() : (found + 1)->first;
  const auto fail = [&] {
    FailDamaged("{}: damaged: what follows wide prefix {}", path().string(), found - wide_.begin());
  };
  if (found->first > end || end > wide_tokens_.size()) fail();
  std::vector<TokenPlaces> next;
  next.reserve(end - found->first);
  std::uint64_t begin = places.begin;
  for (const Token& token : wide_tokens_.subspan(found->first, end - found->first)) {
    if (token.end <= begin || token.end > places.end) fail();
    next.push_back({token.token_id, {begin, token.end}});
    begin = token.end;
  }
  return next;
}

void SuffixOrderFile::RequireOf(const CorpusTokensFile& tokens) const {
  if (size() == tokens.entry_count() && file_.header().numbers[kTokensChecksum] == tokens.header_checksum()) return;
  FailDamaged("{}: damaged, or of another build: it is not the order of {}", path().string(), tokens.path().string());
}

void SuffixOrderFile::Verify() const { file_.VerifyBytes(); }

void SuffixOrderFile::VerifyOrder(const CorpusTokensFile& tokens) const {
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> places(size(), kNone);
  for (std::uint64_t place = 0; place < size(); ++place) {
    std::uint32_t& of_begin = places[Begin(place)];
    if (of_begin != kNone) FailDamaged("{}: damaged: suffix {} stands there twice", path().string(), Begin(place));
    of_begin = static_cast<std::uint32_t>(place);
  }
  // Neighbors are in order where their first entries are, or these are the same and the rest is: of the rest the places
  // tell.
  const auto width = static_cast<std::size_t>(tokens.width());
  const std::byte* const entries = tokens.entries().data();
  for (std::uint64_t place = 1; place < size(); ++place) {
    const std::uint64_t before = Begin(place - 1);
    const std::uint64_t begin = Begin(place);
    const int first = std::memcmp(entries + before * width, entries + begin * width, width);
    const bool before_ends = before + 1 == size();
    const bool ends = begin + 1 == size();
    const bool in_order = first < 0 || (first == 0 && !ends && (before_ends || places[before + 1] < places[begin + 1]));
    if (!in_order) FailDamaged("{}: damaged: suffix {} is not in its place", path().string(), begin);
  }
  places = {};
  const WidePrefixes wide = FindWidePrefixes(tokens, view(), kMostSearched);
  if (!std::ranges::equal(wide.prefixes, wide_) || !std::ranges::equal(wide.tokens, wide_tokens_)) {
    FailDamaged("{}: damaged: its wide prefixes, or what follows them, are not those of the corpus", path().string());
  }
}

std::uint64_t WriteSuffixOrderFile(const std::filesystem::path& path, const CorpusTokensFile& tokens,
                                   std::span<const std::uint32_t> begins) {
  const WidePrefixes wide = FindWidePrefixes(tokens, {begins, path}, SuffixOrderFile::kMostSearched);
  return WriteSectionFile(
      path, FileKind::kSuffixOrder,
      {begins.size(), tokens.header_checksum(), wide.prefixes.size(), wide.tokens.size(), 0, 0, 0, 0},
      {std::as_bytes(begins), std::as_bytes(std::span(wide.prefixes)), std::as_bytes(std::span(wide.tokens))});
}

}  // namespace actkin
