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

Expected ExpectedStrings(const std::vector<Tokens>& documents, std::size_t length) {
  Expected expected;
  for (const Tokens& document : documents) {
    for (std::size_t p = 0; p + length <= document.size(); ++p) {
      const Tokens string(document.begin() + static_cast<std::ptrdiff_t>(p),
                          document.begin() + static_cast<std::ptrdiff_t>(p + length));
      if (expected.occurrences[string]++ == 0) expected.strings.push_back(string);
      if (p + length < document.size()) ++expected.next[string][document[p + length]];
    }
  }
  return expected;
}

bool Begins(const Tokens& prefix, const Tokens& string) {
  return std::equal(prefix.begin(), prefix.end(), string.begin());
}

Tokens StringAt(const StringLevels& levels, int length, StringOrdinal ordinal) {
  Tokens tokens;
  for (int l = length; l > 0; --l) {
    tokens.insert(tokens.begin(), levels.level(l).last_tokens[ordinal]);
    ordinal = levels.level(l).parents[ordinal];
  }
  return tokens;
}

void Compare(const std::vector<Tokens>& documents, std::size_t vocabulary, int string_length) {
  Tokens corpus;
  std::vector<RowRange> positions;
  for (const Tokens& document : documents) {
    positions.push_back({corpus.size(), corpus.size() + document.size()});
    corpus.insert(corpus.end(), document.begin(), document.end());
  }
  const StringLevels levels(corpus, positions, vocabulary, string_length);
  ASSERT_EQ(levels.string_length(), string_length);
  StringId first = 1;
  for (int length = 1; length <= string_length; ++length) {
    Expected expected = ExpectedStrings(documents, static_cast<std::size_t>(length));
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
    // Rows are the first strings.
    const Expected longest = ExpectedStrings(documents, static_cast<std::size_t>(string_length));
    const auto others = std::ranges::stable_partition(expected.strings, [&](const Tokens& prefix) {
      return std::ranges::any_of(longest.strings, [&](const Tokens& string) { return Begins(prefix, string); });
    });
    EXPECT_EQ(levels.RowCount(length), expected.strings.size() - others.size());
    for (StringOrdinal o = 0; o < level.size(); ++o) {
      ASSERT_EQ(StringAt(levels, length, o), expected.strings[o]);
      EXPECT_EQ(level.occurrences[o], expected.occurrences.at(expected.strings[o]));
      const auto first_position = corpus.begin() + level.first_positions[o];
      EXPECT_EQ(Tokens(first_position, first_position + length), expected.strings[o]);
    }
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
    Compare({corpus}, vocabulary, 1 + static_cast<int>(generator() % static_cast<unsigned>(longest)));
  }
}

TEST(StringLevelsTest, NothingCrossesTheEndOfADocument) {
  std::mt19937 generator(8);
  for (int round = 0; round < 100; ++round) {
    const std::size_t vocabulary = 1 + generator() % 4;
    std::vector<Tokens> documents(1 + generator() % 9);
    std::size_t longest = 0;
    for (Tokens& document : documents) {
      document.resize(generator() % 3 * (generator() % 12));
      for (TokenId& token : document) token = static_cast<TokenId>(generator() % vocabulary);
      longest = std::max(longest, document.size());
    }
    if (longest == 0) documents.push_back({0});
    const auto most = static_cast<unsigned>(std::clamp<std::size_t>(longest, 1, 7));
    Compare(documents, vocabulary, 1 + static_cast<int>(generator() % most));
  }
}

// "ab" stands first where no string of three begins, and comes after those that begin one.
TEST(StringLevelsTest, WhatBeginsNoLongestStringComesLast) {
  const Tokens corpus{0, 1, 1, 1, 0, 0, 1};
  const StringLevels levels(corpus, std::vector<RowRange>{{0, 2}, {2, 2}, {2, 7}}, 2, 3);
  EXPECT_EQ(levels.RowCount(2), 3U);
  EXPECT_EQ(StringAt(levels, 2, 0), (Tokens{1, 1}));
  EXPECT_EQ(StringAt(levels, 2, 1), (Tokens{1, 0}));
  EXPECT_EQ(StringAt(levels, 2, 2), (Tokens{0, 0}));
  EXPECT_EQ(StringAt(levels, 2, 3), (Tokens{0, 1}));
  EXPECT_EQ(levels.level(2).occurrences[3], 2U);
}

// Ids of a vocabulary that no table could be made for.
TEST(StringLevelsTest, LargeVocabulariesCostNothing) {
  Tokens corpus;
  for (int i = 0; i < 40; ++i)
    corpus.push_back((TokenId{1} << 31) - 1 - 100'000'003U * static_cast<TokenId>(i % 7 * i % 5));
  Compare({corpus}, std::size_t{1} << 31, 4);
}

TEST(StringLevelsTest, ATextAsLongAsItsStrings) { Compare({{0, 1, 0, 2}}, 3, 4); }

TEST(StringLevelsTest, ATextOfOneTokenRepeated) { Compare({Tokens(50, 0)}, 1, 10); }

}  // namespace
}  // namespace actkin
