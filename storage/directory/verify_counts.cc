#include "storage/directory/verify_counts.h"

#include <algorithm>
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

bool SameCounts(const std::vector<NextTokenCount>& counts, const std::vector<CorpusSuffixes::NextToken>& next) {
  return std::ranges::equal(counts, next, [](const NextTokenCount& count, const CorpusSuffixes::NextToken& found) {
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
  SqliteStatement strings(
      catalog.connection(),
      fmt::format("SELECT string_id, length, occurrences, tokens FROM \"{}\".string ORDER BY tokens",
                  catalog.schema()));
  while (strings.Step()) {
    const auto string_id = static_cast<StringId>(strings.Integer(0));
    const auto length = static_cast<std::size_t>(strings.Integer(1));
    const std::string_view tokens = strings.Blob(3);
    if (length < 1 || length > way.size() || length > longest || tokens.size() != length * width) {
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
    if (static_cast<std::uint64_t>(strings.Integer(2)) != places.size()) {
      Fail("string {} occurs {} times, in the corpus {} times", string_id, strings.Integer(2), places.size());
    }
    Visited visited{string_id, suffixes.NextTokens(places, length), 0};
    if (!SameCounts(catalog.NextTokens(string_id), visited.next)) {
      Fail("next-token counts of string {} are not those of the corpus", string_id);
    }
    way.push_back(std::move(visited));
  }
  for (; !way.empty(); way.pop_back()) {
    if (way.size() <= longest) RequireAllSeen(way.back());
  }
}

}  // namespace actkin
