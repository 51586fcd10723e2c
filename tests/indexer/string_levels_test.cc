#include "indexer/text/string_levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace actkin {
namespace {

using Tokens = std::vector<TokenId>;

// Unique strings by the definition: in order of first occurrence, with their counts and what follows them.
struct Expected {
  std::vector<Tokens> strings;
  std::map<Tokens, std::uint32_t> occurrences;
  std::map<Tokens, std::map<TokenId, std::uint32_t>> next;
};

Expected ExpectedStrings(const Tokens& corpus, std::size_t length) {
  Expected expected;
  for (std::size_t p = 0; p + length <= corpus.size(); ++p) {
    const Tokens string(corpus.begin() + static_cast<std::ptrdiff_t>(p),
                        corpus.begin() + static_cast<std::ptrdiff_t>(p + length));
    if (expected.occurrences[string]++ == 0) expected.strings.push_back(string);
    if (p + length < corpus.size()) ++expected.next[string][corpus[p + length]];
  }
  return expected;
}

Tokens StringAt(const StringLevels& levels, int length, StringOrdinal ordinal) {
  Tokens tokens;
  for (int l = length; l > 0; --l) {
    tokens.insert(tokens.begin(), levels.level(l).last_tokens[ordinal]);
    ordinal = levels.level(l).parents[ordinal];
  }
  return tokens;
}

void Compare(const Tokens& corpus, std::size_t vocabulary, int string_length) {
  const StringLevels levels(corpus, vocabulary, string_length);
  ASSERT_EQ(levels.string_length(), string_length);
  StringId first = 1;
  for (int length = 1; length <= string_length; ++length) {
    const Expected expected = ExpectedStrings(corpus, static_cast<std::size_t>(length));
    const StringLevel& level = levels.level(length);
    EXPECT_EQ(levels.FirstStringId(length), first);
    first += level.size();
    ASSERT_EQ(level.size(), expected.strings.size());
    std::map<Tokens, std::map<TokenId, std::uint32_t>> next;
    for (const Continuation& continuation : levels.Continuations(length)) {
      next[StringAt(levels, length, continuation.parent)][continuation.token] =
          levels.level(length + 1).occurrences[continuation.ordinal];
    }
    EXPECT_EQ(next, expected.next);
    std::uint64_t rows = 0;
    const Expected longest = ExpectedStrings(corpus, static_cast<std::size_t>(string_length));
    for (StringOrdinal o = 0; o < level.size(); ++o) {
      ASSERT_EQ(StringAt(levels, length, o), expected.strings[o]);
      EXPECT_EQ(level.occurrences[o], expected.occurrences.at(expected.strings[o]));
      const bool is_prefix = std::ranges::any_of(longest.strings, [&](const Tokens& string) {
        return std::equal(expected.strings[o].begin(), expected.strings[o].end(), string.begin());
      });
      rows += is_prefix ? 1 : 0;
      EXPECT_EQ(is_prefix, o < levels.RowCount(length)) << "rows are the first strings";
    }
    EXPECT_EQ(levels.RowCount(length), rows);
  }
  EXPECT_EQ(levels.FirstStringId(string_length + 1), first);
}

TEST(StringLevelsTest, EqualTheDefinitionOnRandomTexts) {
  std::mt19937 generator(7);
  for (int round = 0; round < 60; ++round) {
    const std::size_t vocabulary = 1 + generator() % 4;
    Tokens corpus(1 + generator() % 60);
    for (TokenId& token : corpus) token = static_cast<TokenId>(generator() % vocabulary);
    const int longest = static_cast<int>(std::min<std::size_t>(corpus.size(), 7));
    Compare(corpus, vocabulary, 1 + static_cast<int>(generator() % static_cast<unsigned>(longest)));
  }
}

// Ids of a vocabulary that no table could be made for.
TEST(StringLevelsTest, LargeVocabulariesCostNothing) {
  Tokens corpus;
  for (int i = 0; i < 40; ++i)
    corpus.push_back((TokenId{1} << 31) - 1 - 100'000'003U * static_cast<TokenId>(i % 7 * i % 5));
  Compare(corpus, std::size_t{1} << 31, 4);
}

TEST(StringLevelsTest, ATextAsLongAsItsStrings) { Compare({0, 1, 0, 2}, 3, 4); }

TEST(StringLevelsTest, ATextOfOneTokenRepeated) { Compare(Tokens(50, 0), 1, 10); }

}  // namespace
}  // namespace actkin
