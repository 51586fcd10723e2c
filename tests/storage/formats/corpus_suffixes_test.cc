#include "storage/formats/corpus_suffixes.h"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <bit>
#include <map>
#include <random>

#include "indexer/text/suffix_order.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using Tokens = std::vector<TokenId>;

class MadeCorpus {
 public:
  MadeCorpus(const std::vector<Tokens>& documents, std::size_t vocabulary_size) {
    Tokens tokens;
    std::vector<std::uint64_t> begins;
    for (const Tokens& document : documents) {
      begins.push_back(tokens.size());
      tokens.insert(tokens.end(), document.begin(), document.end());
    }
    begins.push_back(tokens.size());
    WriteCorpusTokensFile(folder_ / "tokens", tokens, begins, vocabulary_size);
    tokens_ = std::make_shared<const CorpusTokensFile>(folder_ / "tokens");
    WriteSuffixOrderFile(folder_ / "suffixes", *tokens_, SuffixOrder(tokens_->entries(), tokens_->width()));
    suffixes_ = std::make_unique<CorpusSuffixes>(tokens_, SuffixOrderFile(folder_ / "suffixes"));
    order_ = std::make_unique<SuffixOrderFile>(folder_ / "suffixes");
  }

  const CorpusSuffixes& suffixes() const { return *suffixes_; }
  const CorpusTokensFile& tokens() const { return *tokens_; }
  const SuffixOrderFile& order() const { return *order_; }

  void Verify() const {
    tokens_->Verify();
    order_->Verify();
    order_->VerifyOrder(*tokens_);
  }

 private:
  TemporaryFolder folder_;
  std::shared_ptr<const CorpusTokensFile> tokens_;
  std::unique_ptr<CorpusSuffixes> suffixes_;
  std::unique_ptr<SuffixOrderFile> order_;
};

// By the definition: every place of every document.
struct Counted {
  std::uint64_t occurrences = 0;
  std::map<TokenId, std::uint64_t> next;
};

Counted Count(const std::vector<Tokens>& documents, const Tokens& prefix) {
  Counted counted;
  for (const Tokens& document : documents) {
    for (std::size_t begin = 0; begin + prefix.size() <= document.size(); ++begin) {
      if (!std::equal(prefix.begin(), prefix.end(), document.begin() + static_cast<std::ptrdiff_t>(begin))) continue;
      ++counted.occurrences;
      if (begin + prefix.size() < document.size()) ++counted.next[document[begin + prefix.size()]];
    }
  }
  return counted;
}

std::vector<CorpusSuffixes::NextToken> Next(const CorpusSuffixes& suffixes, const Tokens& prefix) {
  return suffixes.NextTokens(suffixes.Find(prefix), prefix.size());
}

std::map<TokenId, std::uint64_t> NextOf(const MadeCorpus& corpus, const Tokens& prefix) {
  std::map<TokenId, std::uint64_t> next;
  TokenId last = 0;
  for (const CorpusSuffixes::NextToken& token : Next(corpus.suffixes(), prefix)) {
    RC_ASSERT(next.empty() || token.token_id > last);
    last = token.token_id;
    next[token.token_id] = token.places.size();
  }
  return next;
}

TEST(CorpusSuffixesTest, CountWhatADictionaryCounts) {
  EXPECT_TRUE(rc::check([] {
    // The largest ids of a width are next to its separator.
    const auto vocabulary_size = *rc::gen::element<std::size_t>(1, 2, 3, 255, 256, 65535, 65536, std::size_t{1} << 31);
    const auto distinct = *rc::gen::inRange<std::size_t>(1, 4);
    const auto token = rc::gen::map(rc::gen::inRange<std::size_t>(0, distinct), [&](std::size_t which) {
      const std::size_t ids[] = {vocabulary_size - 1, 0, vocabulary_size / 2};
      return static_cast<TokenId>(ids[which]);
    });
    const auto document = rc::gen::container<Tokens>(token);
    std::vector<Tokens> documents = *rc::gen::container<std::vector<Tokens>>(document);
    documents.push_back(*document);
    const MadeCorpus corpus(documents, vocabulary_size);
    corpus.Verify();
    std::vector<Tokens> prefixes = *rc::gen::container<std::vector<Tokens>>(document);
    prefixes.emplace_back();
    // Those that occur, up to the whole document and beyond its end.
    for (const Tokens& of : documents) {
      const auto begin = *rc::gen::inRange<std::size_t>(0, of.size() + 1);
      const auto end = *rc::gen::inRange<std::size_t>(begin, of.size() + 1);
      prefixes.emplace_back(of.begin() + static_cast<std::ptrdiff_t>(begin),
                            of.begin() + static_cast<std::ptrdiff_t>(end));
      prefixes.push_back(of);
      prefixes.push_back(of);
      prefixes.back().push_back(0);
    }
    for (const Tokens& prefix : prefixes) {
      const Counted expected = Count(documents, prefix);
      RC_ASSERT(corpus.suffixes().Find(prefix).size() == expected.occurrences);
      RC_ASSERT(NextOf(corpus, prefix) == expected.next);
    }
  }));
}

TEST(CorpusSuffixesTest, PositionsLeadToTokensAndDocuments) {
  EXPECT_TRUE(rc::check([] {
    const auto document = rc::gen::container<Tokens>(rc::gen::inRange<TokenId>(0, 300));
    std::vector<Tokens> documents = *rc::gen::container<std::vector<Tokens>>(document);
    documents.push_back(*document);
    const MadeCorpus corpus(documents, 300);
    std::uint64_t position = 0;
    for (std::size_t number = 0; number < documents.size(); ++number) {
      RC_ASSERT(corpus.tokens().Positions(number) == (RowRange{position, position + documents[number].size()}));
      for (const TokenId token : documents[number]) {
        RC_ASSERT(corpus.tokens().DocumentOf(position) == number);
        RC_ASSERT(corpus.tokens().Token(position) == token);
        ++position;
      }
    }
    RC_ASSERT(corpus.tokens().token_count() == position);
  }));
}

// Steps grow with the logarithm of the corpus, whatever the prefix's length, and with what follows it.
TEST(CorpusSuffixesTest, TakeAFewBinarySearches) {
  std::mt19937 generator(3);
  std::vector<Tokens> documents(1, Tokens(1 << 16));
  for (TokenId& token : documents[0]) token = generator() % 7 == 0 ? generator() % 50 : generator() % 2;
  const MadeCorpus corpus(documents, 50);
  const std::uint64_t search = std::bit_width(corpus.tokens().entry_count());
  for (const std::size_t length : {0, 1, 5, 40, 5000}) {
    const Tokens prefix(documents[0].begin() + 77, documents[0].begin() + 77 + static_cast<std::ptrdiff_t>(length));
    std::uint64_t before = corpus.suffixes().steps();
    const std::uint64_t occurrences = corpus.suffixes().Find(prefix).size();
    EXPECT_LE(corpus.suffixes().steps() - before, 2 * search) << length;
    before = corpus.suffixes().steps();
    const std::uint64_t next = Next(corpus.suffixes(), prefix).size();
    const std::uint64_t of_each = 2 * static_cast<std::uint64_t>(std::bit_width(occurrences)) + 2;
    EXPECT_LE(corpus.suffixes().steps() - before, 2 * search + next * of_each + 1) << length;
  }
}

// A document of "0 t" and "1 0 t" for many t: wide are the empty prefix, "0" and "1 0".
std::vector<Tokens> WideDocuments() {
  std::vector<Tokens> documents(2);
  for (TokenId token = 2; token < 2000; ++token) {
    documents[token % 2].insert(documents[token % 2].end(), {0, token});
    if (token < 1500) documents[0].insert(documents[0].end(), {1, 0, token, 0, token});
  }
  documents[0].push_back(0);
  return documents;
}

// Their next tokens are in the file; all others' are searched for.
TEST(CorpusSuffixesTest, WhatFollowsWidePrefixesIsRead) {
  const std::vector<Tokens> documents = WideDocuments();
  const MadeCorpus corpus(documents, 2000);
  corpus.Verify();
  for (const Tokens& prefix :
       {Tokens{}, Tokens{0}, Tokens{1, 0}, Tokens{1}, Tokens{7}, Tokens{7, 0}, Tokens{0, 7, 0}}) {
    const RowRange places = corpus.suffixes().Find(prefix);
    const std::uint64_t before = corpus.suffixes().steps();
    const std::vector<TokenPlaces> next = corpus.suffixes().NextTokens(places, prefix.size());
    EXPECT_EQ(corpus.suffixes().steps() == before, next.size() > SuffixOrderFile::kMostSearched) << next.size();
    std::map<TokenId, std::uint64_t> counts;
    for (const TokenPlaces& token : next) counts[token.token_id] = token.places.size();
    EXPECT_EQ(counts, Count(documents, prefix).next);
    std::uint64_t steps = 0;
    EXPECT_EQ(next, SearchNextTokens(corpus.tokens(), corpus.order().view(), places, prefix.size(), steps));
  }
}

// Of sections whose checksums are right.
TEST(CorpusSuffixesTest, DamagedWidePrefixesAreFound) {
  const MadeCorpus corpus(WideDocuments(), 2000);
  const TemporaryFolder folder;
  const auto path = folder / "damaged";
  const WidePrefixes wide = FindWidePrefixes(corpus.tokens(), corpus.order().view(), SuffixOrderFile::kMostSearched);
  ASSERT_EQ(wide.prefixes.size(), 3U);
  const auto write = [&](const WidePrefixes& of) {
    WriteSectionFile(
        path, FileKind::kSuffixOrder,
        {corpus.order().size(), corpus.tokens().header_checksum(), of.prefixes.size(), of.tokens.size(), 0, 0, 0, 0},
        {std::as_bytes(corpus.order().view().begins), std::as_bytes(std::span(of.prefixes)),
         std::as_bytes(std::span(of.tokens))});
  };
  const auto damage = [&](const auto& change, bool seen_when_asked) {
    WidePrefixes damaged = wide;
    change(damaged);
    write(damaged);
    const SuffixOrderFile order(path);
    order.Verify();
    EXPECT_THAT(ErrorOf([&] { order.VerifyOrder(corpus.tokens()); }), OneLineWith(path.string(), "wide prefixes"));
    if (!seen_when_asked) return;
    const RowRange places{wide.prefixes[1].begin, wide.prefixes[1].end};
    EXPECT_THAT(ErrorOf([&] { order.OfWidePrefix(places, 1); }), OneLineWith(path.string(), "wide prefix 1"));
  };
  write(wide);
  SuffixOrderFile(path).VerifyOrder(corpus.tokens());
  damage([](WidePrefixes& of) { of.prefixes.pop_back(); }, false);
  damage([](WidePrefixes& of) { ++of.tokens[of.prefixes[1].first].token_id; }, false);
  damage([](WidePrefixes& of) { of.tokens[of.prefixes[1].first].end = of.prefixes[1].begin; }, true);
  damage([](WidePrefixes& of) { of.tokens[of.prefixes[2].first - 1].end = of.prefixes[1].end + 1; }, true);
  damage([](WidePrefixes& of) { of.prefixes[1].first = of.prefixes[2].first + 1; }, true);
  damage([](WidePrefixes& of) { of.prefixes[2].first = of.tokens.size() + 1; }, true);
}

TEST(CorpusSuffixesTest, AnotherCorpusesOrderIsRefused) {
  const TemporaryFolder folder;
  const std::vector<std::uint64_t> begins{0, 3};
  WriteCorpusTokensFile(folder / "one", Tokens{0, 1, 0}, begins, 2);
  WriteCorpusTokensFile(folder / "other", Tokens{1, 1, 0}, begins, 2);
  const auto one = std::make_shared<const CorpusTokensFile>(folder / "one");
  const auto other = std::make_shared<const CorpusTokensFile>(folder / "other");
  WriteSuffixOrderFile(folder / "order", *one, SuffixOrder(one->entries(), one->width()));
  EXPECT_EQ(CorpusSuffixes(one, SuffixOrderFile(folder / "order")).Find(Tokens{0}).size(), 2U);
  EXPECT_THAT(ErrorOf([&] { CorpusSuffixes(other, SuffixOrderFile(folder / "order")); }),
              OneLineWith((folder / "order").string(), (folder / "other").string()));
}

}  // namespace
}  // namespace actkin
