// Facts of every tokenizer and text, on random ones.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "schema/text.h"
#include "schema/tokenizer/merges.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "tests/schema/tokenizer/made_tokenizer.h"

namespace actkin {
namespace {

// Letters that merges know, and whatever else Unicode has.
std::string AnyText() {
  const auto points = *rc::gen::container<std::u32string>(
      rc::gen::weightedOneOf<char32_t>({{8, rc::gen::elementOf(std::u32string(U"thea cs\n1'-"))},
                                        {1, rc::gen::inRange<char32_t>(0, 0xD800)},
                                        {1, rc::gen::inRange<char32_t>(0xE000, 0x110000)}}));
  return Utf8(points);
}

nlohmann::json AnyPreTokenizer() {
  const nlohmann::json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", *rc::gen::arbitrary<bool>()}};
  const nlohmann::json digits = {{"type", "Digits"}, {"individual_digits", *rc::gen::arbitrary<bool>()}};
  const auto behavior =
      *rc::gen::elementOf(std::vector<std::string>{"Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"});
  const auto pattern =
      *rc::gen::elementOf(std::vector<std::string>{R"(\s+)", R"(\p{L}+|\p{N})", "a*", R"(\s+(?!\S)|e)"});
  const nlohmann::json split = {{"type", "Split"},
                                {"pattern", {{"Regex", pattern}}},
                                {"behavior", behavior},
                                {"invert", *rc::gen::arbitrary<bool>()}};
  auto steps =
      *rc::gen::container<std::vector<nlohmann::json>>(rc::gen::elementOf(std::vector<nlohmann::json>{digits, split}));
  steps.resize(std::min<std::size_t>(steps.size(), 4));
  steps.push_back(bytes);
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

RC_GTEST_PROP(TokenizerPropertyTest, TokensOverBytesGiveTheTextBack, ()) {
  const std::string learned = "the cat that sat on the mat, then the other 11 cats that sat there";
  const nlohmann::json parts = {{"pre_tokenizer", AnyPreTokenizer()}};
  const auto document = MadeByteTokenizerJson(learned, *rc::gen::inRange<std::size_t>(0, 40), parts);
  const auto tokenizer = ReadTokenizerJson(document.dump(), "made.json");
  RC_ASSERT(tokenizer->keeps_text());
  for (int i = 0; i < 3; ++i) {
    const std::string text = AnyText();
    std::string bytes;
    for (const TokenId token : tokenizer->Encode(text, "text")) bytes += tokenizer->Bytes(token);
    RC_ASSERT(bytes == text);
  }
}

// A word of few symbols and one of many are merged by other means: by definition, here.
std::vector<TokenId> MergedOneByOne(std::vector<TokenId> symbols, const std::vector<std::pair<TokenId, TokenId>>& pairs,
                                    TokenId first_merged) {
  for (;;) {
    std::size_t best_rank = pairs.size();
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank =
          static_cast<std::size_t>(std::ranges::find(pairs, std::pair(symbols[i], symbols[i + 1])) - pairs.begin());
      if (rank < best_rank) {
        best_rank = rank;
        best = i;
      }
    }
    if (best_rank == pairs.size()) return symbols;
    symbols[best] = first_merged + static_cast<TokenId>(best_rank);
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

RC_GTEST_PROP(TokenizerPropertyTest, MergesAreWhatTheirDefinitionSays, ()) {
  constexpr TokenId kSymbols = 3;
  std::vector<std::pair<TokenId, TokenId>> pairs;
  Merges merges;
  const auto count = *rc::gen::inRange<TokenId>(1, 30);
  for (TokenId rank = 0; rank < count; ++rank) {
    const auto left = *rc::gen::inRange<TokenId>(0, kSymbols + rank);
    const auto right = *rc::gen::inRange<TokenId>(0, kSymbols + rank);
    if (std::ranges::find(pairs, std::pair(left, right)) != pairs.end()) break;
    pairs.emplace_back(left, right);
    merges.Put(left, right, rank, kSymbols + rank);
  }
  const auto length = *rc::gen::elementOf(std::vector<std::size_t>{1, 2, 7, 47, 48, 49, 200});
  const auto symbols = *rc::gen::container<std::vector<TokenId>>(length, rc::gen::inRange<TokenId>(0, kSymbols));
  std::vector<TokenId> merged = symbols;
  std::vector<TokenId> tokens;
  merges.Apply(merged, tokens);
  RC_ASSERT(tokens == MergedOneByOne(symbols, pairs, kSymbols));
}

// Characters between which no merge reaches are cut apart before anything is merged; bytes are not.
RC_GTEST_PROP(TokenizerPropertyTest, CuttingWhereNoMergeReachesChangesNothing, ()) {
  const std::string learned = "the cat that sat on the mat";
  const auto bytes = MadeByteTokenizerJson(
      learned, 12, {{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}});
  auto characters = bytes;
  characters["pre_tokenizer"] = nullptr;
  characters["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u0120"}};
  const auto points = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("theca mo")));
  RC_ASSERT(ReadTokenizerJson(bytes.dump(), "made.json")->Encode(points, "text") ==
            ReadTokenizerJson(characters.dump(), "made.json")->Encode(points, "text"));
}

}  // namespace
}  // namespace actkin
