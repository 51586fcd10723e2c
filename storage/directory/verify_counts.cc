#include "storage/directory/verify_counts.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "schema/token_ids.h"

namespace actkin {
namespace {

// What follows a string, and how many of the strings longer by one token have been seen.
struct Visited {
  StringId string_id = 0;  // 0: the empty string
  std::vector<CorpusSuffixes::NextToken> next;
  std::size_t seen = 0;
};

void RequireAllSeen(const Visited& visited) {
  if (visited.seen == visited.next.size()) return;
  Fail("there is no string of token {} behind string {}, which the corpus has", visited.next[visited.seen].token_id,
       visited.string_id);
}

// What the catalog says, read in the order of string ids: looked up string by string, in the order of tokens, it would
// be read page by page many times over.
class SavedCounts {
 public:
  explicit SavedCounts(Catalog& catalog) {
    SqliteStatement strings(
        catalog.connection(),
        fmt::format("SELECT string_id, occurrences FROM \"{}\".string ORDER BY string_id", catalog.schema()));
    while (strings.Step()) {
      const std::int64_t string_id = strings.Integer(0);
      if (string_id != static_cast<std::int64_t>(occurrences_.size()) + 1) {
        Fail("there is no string {}", occurrences_.size() + 1);
      }
      occurrences_.push_back(Small(strings.Integer(1), static_cast<StringId>(string_id)));
    }
    begins_.reserve(occurrences_.size() + 1);
    catalog.ForEachNextToken(1, occurrences_.size() + 1, [&](StringId string_id, const NextTokenCount& next) {
      while (begins_.size() < string_id) begins_.push_back(next_.size());
      next_.push_back({next.token_id, Small(static_cast<std::int64_t>(next.count), string_id)});
    });
    begins_.resize(occurrences_.size() + 1, next_.size());
  }

  struct Entry {
    TokenId token_id = 0;
    std::uint32_t count = 0;
  };

  // REQUIRES, of both: Has(string_id).
  bool Has(StringId string_id) const { return string_id >= 1 && string_id <= occurrences_.size(); }
  std::uint64_t Occurrences(StringId string_id) const { return occurrences_[string_id - 1]; }
  std::span<const Entry> NextTokens(StringId string_id) const {
    return std::span(next_).subspan(begins_[string_id - 1], begins_[string_id] - begins_[string_id - 1]);
  }

 private:
  static std::uint32_t Small(std::int64_t count, StringId string_id) {
    if (count < 1 || count > std::numeric_limits<std::uint32_t>::max()) {
      Fail("string {} has a count of {}", string_id, count);
    }
    return static_cast<std::uint32_t>(count);
  }

  // By string_id - 1.
  std::vector<std::uint32_t> occurrences_;
  std::vector<std::size_t> begins_;  // of its entries; one more, the end of all
  std::vector<Entry> next_;
};

bool SameCounts(std::span<const SavedCounts::Entry> counts, const std::vector<CorpusSuffixes::NextToken>& next) {
  return std::ranges::equal(counts, next, [](const SavedCounts::Entry& count, const CorpusSuffixes::NextToken& found) {
    return count.token_id == found.token_id && count.count == found.places.size();
  });
}

}  // namespace

void VerifyCounts(Catalog& catalog, const CorpusSuffixes& suffixes) {
  const auto longest = static_cast<std::size_t>(catalog.Corpus().string_length);
  const auto width = static_cast<std::size_t>(catalog.TokenIdWidth());
  // The strings on the way to the one that is looked at, from the empty one.
  std::vector<Visited> way(1);
  way[0].next = suffixes.NextTokens(suffixes.Find({}), 0);
  const SavedCounts saved(catalog);
  SqliteStatement strings(catalog.connection(),
                          fmt::format("SELECT string_id, tokens FROM \"{}\".string ORDER BY tokens", catalog.schema()));
  while (strings.Step()) {
    const auto string_id = static_cast<StringId>(strings.Integer(0));
    const std::string_view tokens = strings.Blob(1);
    const std::size_t length = tokens.size() / width;
    if (length < 1 || length > way.size() || length > longest || tokens.size() != length * width ||
        !saved.Has(string_id)) {
      Fail("string {} of {} tokens has no string before it that is shorter by one token", string_id, length);
    }
    for (; way.size() > length; way.pop_back()) {
      if (way.size() <= longest) RequireAllSeen(way.back());
    }
    Visited& parent = way.back();
    const TokenId token = DecodeTokenIds(tokens.substr((length - 1) * width), static_cast<int>(width)).front();
    if (parent.seen == parent.next.size() || parent.next[parent.seen].token_id != token) {
      Fail("string {} of {} tokens is not the one that follows in the corpus", string_id, length);
    }
    const RowRange places = parent.next[parent.seen++].places;
    if (saved.Occurrences(string_id) != places.size()) {
      Fail("string {} occurs {} times, in the corpus {} times", string_id, saved.Occurrences(string_id), places.size());
    }
    Visited visited{string_id, suffixes.NextTokens(places, length), 0};
    if (!SameCounts(saved.NextTokens(string_id), visited.next)) {
      Fail("next-token counts of string {} are not those of the corpus", string_id);
    }
    way.push_back(std::move(visited));
  }
  for (; !way.empty(); way.pop_back()) {
    if (way.size() <= longest) RequireAllSeen(way.back());
  }
}

}  // namespace actkin
