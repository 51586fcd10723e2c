// What a tokenizer.json declares is what happens to a text: each component by a small made file.
#include "schema/tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/error_matchers.h"
#include "tests/schema/tokenizer/made_tokenizer.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::ElementsAre;

// A vocabulary of these pieces in order, without merges.
json Pieces(const std::vector<std::string>& pieces) {
  json vocabulary = json::object();
  for (const std::string& piece : pieces) vocabulary[piece] = vocabulary.size();
  return {{"vocab", vocabulary}, {"merges", json::array()}};
}

// The pieces that a text becomes, with "|" between them.
std::string Cut(const json& parts, const std::string& text) {
  const auto tokenizer = MadeTokenizer(parts);
  std::string cut;
  for (const TokenId token : tokenizer->Encode(text, "text")) {
    cut += (cut.empty() ? "" : "|") + std::string(tokenizer->Bytes(token));
  }
  return cut;
}

// The words that a pre-tokenizer makes: a model that has whole words alone.
std::string Words(const json& pre_tokenizer, const std::vector<std::string>& words, const std::string& text) {
  json model = Pieces(words);
  model["ignore_merges"] = true;
  model["unk_token"] = words.front();
  return Cut({{"pre_tokenizer", pre_tokenizer}, {"model", model}}, text);
}

std::string ErrorOfFile(const json& parts) {
  return ErrorOf([&] { MadeTokenizer(parts); });
}

TEST(TokenizerJsonTest, MergesAreStringsOrPairs) {
  for (const json& merge : {json("a b"), json::array({"a", "b"})}) {
    const auto tokenizer = MadeTokenizer({{"model", {{"merges", json::array({merge})}}}});
    EXPECT_THAT(tokenizer->Encode("aabba", "text"), ElementsAre(0, 2, 1, 0));
    EXPECT_FALSE(tokenizer->keeps_text());
    EXPECT_EQ(tokenizer->beginning(), std::nullopt);
  }
}

TEST(TokenizerJsonTest, TheLowestRankIsMergedFirstThenTheLeftmost) {
  json model = Pieces({"a", "b", "c", "bc", "ab", "abc", "aa"});
  model["merges"] = {"b c", "a b", "a bc", "a a"};
  EXPECT_EQ(Cut({{"model", model}}, "abc"), "abc");
  EXPECT_EQ(Cut({{"model", model}}, "aab"), "a|ab");
  EXPECT_EQ(Cut({{"model", model}}, "aaa"), "aa|a");
  model["merges"] = {"a b", "b c"};
  EXPECT_EQ(Cut({{"model", model}}, "abc"), "ab|c");
}

TEST(TokenizerJsonTest, IgnoreMergesTakesWholeWords) {
  json model = Pieces({"a", "b", "ab"});
  EXPECT_EQ(Cut({{"model", model}}, "ab"), "a|b");
  model["ignore_merges"] = true;
  EXPECT_EQ(Cut({{"model", model}}, "ab"), "ab");
  EXPECT_EQ(Cut({{"model", model}}, "aba"), "a|b|a");
}

TEST(TokenizerJsonTest, UnknownCharactersFallBackToBytesOrToOneToken) {
  json model = Pieces({"a", "<unk>", "<0xC3>", "<0xA9>"});
  EXPECT_EQ(Cut({{"model", model}}, "a\u00e9a"), "a|a");
  model["unk_token"] = "<unk>";
  EXPECT_EQ(Cut({{"model", model}}, "a\u00e9\u00e9a"), "a|<unk>|<unk>|a");
  model["fuse_unk"] = true;
  EXPECT_EQ(Cut({{"model", model}}, "a\u00e9\u00e9a"), "a|<unk>|a");
  model["byte_fallback"] = true;
  EXPECT_EQ(Cut({{"model", model}}, "a\u00e9\u4e2d"), "a|\xc3|\xa9|<unk>");
  EXPECT_FALSE(MadeTokenizer({{"model", model}})->keeps_text());
}

TEST(TokenizerJsonTest, AddedTokensAreFoundFirst) {
  const auto cut = [](const json& flags, const std::string& text) {
    json token = {{"id", 4}, {"content", "<s>"}};
    token.update(flags);
    return Cut({{"added_tokens", {token, {{"id", 5}, {"content", "<s>>"}}}}, {"model", Pieces({"a", "b", " ", "\t"})}},
               text);
  };
  EXPECT_EQ(cut(json::object(), "a<s>b"), "a|<s>|b");
  EXPECT_EQ(cut(json::object(), "a<s>>b"), "a|<s>>|b");
  EXPECT_EQ(cut({{"lstrip", true}}, "a \t<s> b"), "a|<s>| |b");
  EXPECT_EQ(cut({{"rstrip", true}}, "a <s> \tb"), "a| |<s>|b");
  EXPECT_EQ(cut({{"single_word", true}}, "<s> <s>"), "<s>| |<s>");
  EXPECT_EQ(cut({{"single_word", true}}, "a<s> b"), "a| |b");
  EXPECT_EQ(cut({{"single_word", true}}, "\u4e2d<s><s>"), "<s>");
}

TEST(TokenizerJsonTest, NormalizedAddedTokensAreFoundInTheNormalizedText) {
  const json normalizer = {{"type", "Replace"}, {"pattern", {{"String", "B"}}}, {"content", "b"}};
  const auto cut = [&](bool normalized, const std::string& text) {
    return Cut({{"normalizer", normalizer},
                {"added_tokens", {{{"id", 2}, {"content", "aB"}, {"normalized", normalized}}}},
                {"model", Pieces({"a", "b"})}},
               text);
  };
  EXPECT_EQ(cut(true, "abaB"), "aB|aB");
  EXPECT_EQ(cut(false, "abaB"), "a|b|aB");
}

TEST(TokenizerJsonTest, AddedTokensHaveTheIdsOfTheirPlaces) {
  EXPECT_THAT(ErrorOfFile({{"added_tokens", {{{"id", 4}, {"content", "<s>"}}}}}),
              OneLineWith("made.json: added_tokens[0].id", "4", "3"));
  EXPECT_THAT(ErrorOfFile({{"added_tokens", {{{"id", 1}, {"content", "ab"}}}}}),
              OneLineWith("added_tokens[0].id", "2"));
  EXPECT_EQ(MadeTokenizer({{"added_tokens", {{{"id", 3}, {"content", "<s>"}}}}})->size(), 4U);
}

TEST(TokenizerJsonTest, NormalizersChangeTheText) {
  const json prepend = {{"type", "Prepend"}, {"prepend", "_"}};
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "_"}};
  const json both = {{"type", "Sequence"}, {"normalizers", {prepend, replace}}};
  const json model = Pieces({"a", "_", "\u00e9"});
  EXPECT_EQ(Cut({{"normalizer", both}, {"model", model}}, "a a"), "_|a|_|a");
  EXPECT_EQ(Cut({{"normalizer", both}, {"model", model}}, ""), "");
  const json expression = {{"type", "Replace"}, {"pattern", {{"Regex", " +"}}}, {"content", "_"}};
  EXPECT_EQ(Cut({{"normalizer", expression}, {"model", model}}, "  a   a"), "_|a|_|a");
  EXPECT_EQ(Cut({{"normalizer", {{"type", "NFC"}}}, {"model", model}}, "ae\u0301a"), "a|\u00e9|a");
  EXPECT_FALSE(MadeTokenizer({{"normalizer", both}, {"model", model}})->keeps_text());
}

TEST(TokenizerJsonTest, SplitHasFiveBehaviors) {
  const auto words = [](const char* behavior, bool invert) {
    const json split = {{"type", "Split"}, {"pattern", {{"String", "-"}}}, {"behavior", behavior}, {"invert", invert}};
    return Words(split, {"?", "a", "b", "-", "a-", "-b", "--", "-a", "b-", "a--b"}, "a--b-");
  };
  EXPECT_EQ(words("Isolated", false), "a|-|-|b|-");
  EXPECT_EQ(words("Removed", false), "a|b");
  EXPECT_EQ(words("MergedWithPrevious", false), "a-|-|b-");
  EXPECT_EQ(words("MergedWithNext", false), "a|-|-b|-");
  EXPECT_EQ(words("Contiguous", false), "a|--|b|-");
  EXPECT_EQ(words("Removed", true), "-|-|-");
}

TEST(TokenizerJsonTest, PreTokenizersMakeWords) {
  const json regex = {
      {"type", "Split"}, {"pattern", {{"Regex", "[0-9]{1,2}"}}}, {"behavior", "Isolated"}, {"invert", false}};
  EXPECT_EQ(Words(regex, {"?", "12", "3", "a"}, "a123a"), "a|12|3|a");
  const auto digits = [](bool each) { return json{{"type", "Digits"}, {"individual_digits", each}}; };
  EXPECT_EQ(Words(digits(true), {"?", "1", "2", "a\u00b2", "\u00b2", "a"}, "a12\u00b2"), "a|1|2|\u00b2");
  EXPECT_EQ(Words(digits(false), {"?", "12", "a"}, "a12a"), "a|12|a");
  const auto metaspace = [](const char* scheme) {
    return json{{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", scheme}};
  };
  EXPECT_EQ(Words(metaspace("always"), {"?", "_a", "a"}, "a a"), "_a|_a");
  EXPECT_EQ(Words(metaspace("never"), {"?", "_a", "a"}, "a a"), "a|_a");
  const json sequence = {{"type", "Sequence"}, {"pretokenizers", {metaspace("first"), digits(true)}}};
  EXPECT_EQ(Words(sequence, {"?", "_a", "a", "1"}, "a1a"), "_a|1|a");
}

TEST(TokenizerJsonTest, ByteLevelCutsAsGpt2Does) {
  const auto tokenizer = ReadTokenizerJson(MadeByteTokenizerJson("", 0).dump(), "made.json");
  EXPECT_THAT(tokenizer->Encode("a \u00e9", "text"), ElementsAre('a', ' ', 0xC3, 0xA9));
  const auto joined = [](const json& pre_tokenizer, const std::string& text) {
    // Merges reach as far as words do.
    const json document = MadeByteTokenizerJson("aaaaaaaa", 2, {{"pre_tokenizer", pre_tokenizer}});
    return ReadTokenizerJson(document.dump(), "made.json")->Encode(text, "text").size();
  };
  EXPECT_EQ(joined({{"type", "ByteLevel"}, {"add_prefix_space", false}}, "aaaa"), 1U);
  EXPECT_EQ(joined({{"type", "ByteLevel"}, {"add_prefix_space", true}}, "aaaa"), 2U);
  const json digits = {{"type", "Split"}, {"pattern", {{"Regex", "aa"}}}, {"behavior", "Isolated"}, {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  EXPECT_EQ(joined({{"type", "Sequence"}, {"pretokenizers", {digits, bytes}}}, "aaaa"), 2U);
  // What follows ByteLevel sees its characters.
  EXPECT_EQ(joined({{"type", "Sequence"}, {"pretokenizers", {bytes, digits}}}, "aaaa"), 2U);
}

TEST(TokenizerJsonTest, DecodersSayWhatATokenStandsFor) {
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", "_"}}}, {"content", " "}};
  const json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const json llama = {{"type", "Sequence"},
                      {"decoders", {replace, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}}};
  const auto tokenizer = MadeTokenizer({{"decoder", llama}, {"model", Pieces({"_a", "<0xC3>", "b"})}});
  EXPECT_EQ(tokenizer->Bytes(0), " a");
  EXPECT_EQ(tokenizer->Bytes(1), "\xc3");
  EXPECT_EQ(tokenizer->Bytes(2), "b");
}

TEST(TokenizerJsonTest, PostProcessorsSayWhatStandsBeforeAText) {
  const auto beginning = [](const json& processor) {
    return MadeTokenizer({{"post_processor", processor}})->beginning();
  };
  const json special = {{"SpecialToken", {{"id", "a"}, {"type_id", 0}}}};
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json tokens = {{"a", {{"id", "a"}, {"ids", {1}}, {"tokens", {"a"}}}}};
  const auto processor = [&](const json& single) {
    return json{{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
  };
  EXPECT_EQ(beginning(processor({special, text})), 1U);
  EXPECT_EQ(beginning(processor({text, special})), std::nullopt);
  EXPECT_EQ(beginning({{"type", "ByteLevel"}}), std::nullopt);
  EXPECT_EQ(beginning({{"type", "RobertaProcessing"}, {"cls", {"a", 2}}, {"sep", {"b", 1}}}), 2U);
  EXPECT_EQ(beginning({{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, processor({special, text})}}}),
            1U);
  EXPECT_THAT(ErrorOf([&] {
                beginning(processor({special, special, text}));
              }),
              OneLineWith("post_processor.single", "more than one"));
  EXPECT_THAT(ErrorOf([&] {
                beginning({{"type", "RobertaProcessing"}, {"cls", {"a", 9}}});
              }),
              OneLineWith("post_processor.cls[1]", "0 to 2"));
}

TEST(TokenizerJsonTest, WhatIsNotKnownIsRefusedByName) {
  EXPECT_THAT(ErrorOfFile({{"normalizer", {{"type", "Lowercase"}}}}),
              OneLineWith("made.json: normalizer", "\"Lowercase\"", "NFC"));
  EXPECT_THAT(ErrorOfFile({{"pre_tokenizer", {{"type", "Whitespace"}}}}),
              OneLineWith("pre_tokenizer", "\"Whitespace\""));
  const json late = {{"type", "Sequence"},
                     {"pretokenizers",
                      {{{"type", "Digits"}, {"individual_digits", true}},
                       {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}}}}};
  EXPECT_THAT(ErrorOfFile({{"pre_tokenizer", late}}), OneLineWith("pre_tokenizer.pretokenizers[1].prepend_scheme"));
  EXPECT_THAT(ErrorOfFile({{"post_processor", {{"type", "Other"}}}}), OneLineWith("post_processor", "\"Other\""));
  EXPECT_THAT(ErrorOfFile({{"decoder", {{"type", "CTC"}}}}), OneLineWith("decoder", "\"CTC\""));
  EXPECT_THAT(ErrorOfFile({{"model", {{"type", "Unigram"}}}}), OneLineWith("model", "\"Unigram\"", "BPE"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"dropout", 0.1}}}}), OneLineWith("model.dropout"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"continuing_subword_prefix", "##"}}}}),
              OneLineWith("model.continuing_subword_prefix", "##"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"end_of_word_suffix", "</w>"}}}}), OneLineWith("model.end_of_word_suffix"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"new_option", true}}}}), OneLineWith("made.json: model", "\"new_option\""));
  EXPECT_THAT(ErrorOfFile({{"version", "2.0"}}), OneLineWith("version", "\"2.0\""));
}

TEST(TokenizerJsonTest, WhatDoesNotFitTogetherIsRefused) {
  EXPECT_THAT(ErrorOfFile({{"model", {{"merges", {"a c"}}}}}), OneLineWith("model.merges[0]", "\"c\""));
  EXPECT_THAT(ErrorOfFile({{"model", {{"merges", {"b a"}}}}}), OneLineWith("model.merges[0]", "\"ba\""));
  EXPECT_THAT(ErrorOfFile({{"model", {{"merges", {"ab"}}}}}), OneLineWith("model.merges[0]"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"merges", {3}}}}}), OneLineWith("model.merges[0]"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"vocab", {{"a", 0}, {"b", 0}}}, {"merges", json::array()}}}}),
              OneLineWith("model.vocab", "same id 0"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"vocab", {{"a", 2147483647}}}}}}), OneLineWith("model.vocab[\"a\"]"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"vocab", {{"a", -1}}}}}}), OneLineWith("model.vocab[\"a\"]", "-1"));
  EXPECT_THAT(ErrorOfFile({{"model", {{"unk_token", "<unk>"}}}}), OneLineWith("model.unk_token", "<unk>"));
  const json broken = {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}, {"invert", false}};
  EXPECT_THAT(ErrorOfFile({{"pre_tokenizer", broken}}), OneLineWith("pre_tokenizer.pattern.Regex", "\"(a\""));
  EXPECT_THAT(ErrorOf([] { ReadTokenizerJson("{", "t.json"); }), OneLineWith("t.json", "JSON"));
  EXPECT_THAT(ErrorOf([] { ReadTokenizerJson("[]", "t.json"); }), OneLineWith("t.json: expected an object"));
  EXPECT_THAT(ErrorOf([] { ReadTokenizerJson(std::string(1000000, '['), "t.json"); }), OneLineWith("t.json", "64"));
}

TEST(TokenizerJsonTest, AnExpressionThatTakesTooLongIsAnError) {
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", "(?:a|aa)+[cd]"}}}, {"behavior", "Isolated"}, {"invert", false}};
  const auto tokenizer = MadeTokenizer({{"pre_tokenizer", split}});
  EXPECT_THAT(ErrorOf([&] { tokenizer->Encode(std::string(2000, 'a'), "text"); }),
              OneLineWith("made.json: pre_tokenizer.pattern.Regex", "too long"));
}

TEST(TokenizerJsonTest, ATextIsUtf8) {
  EXPECT_THAT(ErrorOf([] { MadeTokenizer({})->Encode("ab\xff", "prompt"); }), OneLineWith("prompt", "byte 2", "0xFF"));
}

TEST(TokenizerJsonTest, OneWordOfAMegabyteTakesSeconds) {
  std::string text(1'000'000, 'a');
  for (std::size_t i = 0; i < text.size(); i += 3) text[i] = 'b';
  json model = Pieces({"a", "b"});
  json merges = json::array();
  // Every piece merges with itself: as many levels as a binary tree has.
  std::string piece = "ab";
  model["vocab"][piece] = 2;
  merges.push_back("a b");
  for (int i = 3; i < 12; ++i) {
    merges.push_back(json::array({piece, piece}));
    piece += piece;
    model["vocab"][piece] = i;
  }
  model["merges"] = merges;
  const auto tokenizer = MadeTokenizer({{"model", model}});
  const auto start = std::chrono::steady_clock::now();
  std::string bytes;
  for (const TokenId token : tokenizer->Encode(text, "text")) bytes += tokenizer->Bytes(token);
  EXPECT_EQ(bytes, text);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(TokenizerJsonTest, SeveralThreadsEncodeAtOnce) {
  const std::string text = "the cat that sat on the mat, then the other cat that sat there";
  const auto tokenizer = ReadTokenizerJson(MadeByteTokenizerJson(text, 30).dump(), "made.json");
  const std::vector<TokenId> expected = tokenizer->Encode(text, "text");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) EXPECT_EQ(tokenizer->Encode(text, "text"), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace actkin
