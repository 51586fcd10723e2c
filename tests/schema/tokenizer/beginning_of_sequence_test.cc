#include "schema/tokenizer/beginning_of_sequence.h"

#include <gtest/gtest.h>

#include <memory>

#include "schema/tokenizer/character_tokenizer.h"
#include "tests/error_matchers.h"
#include "tests/schema/tokenizer/made_tokenizer.h"

namespace actkin {
namespace {

using File = BeginningSources::File;

const nlohmann::json kAdded = {{{"content", "<s>"}, {"id", 3}}, {{"content", "</s>"}, {"id", 4}}};

std::unique_ptr<const Tokenizer> Plain() { return MadeTokenizer({{"added_tokens", kAdded}}); }

std::unique_ptr<const Tokenizer> WithPostProcessor() {
  const nlohmann::json processor = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", nlohmann::json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {3}}, {"tokens", {"<s>"}}}}}}};
  return MadeTokenizer({{"added_tokens", kAdded}, {"post_processor", processor}});
}

TEST(BeginningTest, EveryNameParsesBack) {
  for (const Beginning beginning : {Beginning::kAuto, Beginning::kAlways, Beginning::kNever}) {
    EXPECT_EQ(ParseBeginning(Name(beginning)), beginning);
  }
  EXPECT_THAT(ErrorOf([] { ParseBeginning("yes"); }), OneLineWith("\"yes\"", "auto, always or never"));
}

TEST(BeginningTest, AutoFollowsThePostProcessorAndTokenizerConfig) {
  const auto plain = Plain();
  const auto processor = WithPostProcessor();
  const File adds{R"({"add_bos_token": true, "bos_token": {"content": "</s>"}})", "tokenizer_config.json"};
  const File does_not{R"({"add_bos_token": false, "bos_token": "</s>"})", "tokenizer_config.json"};
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *plain, {}), std::nullopt);
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *plain, {.tokenizer_config = does_not}), std::nullopt);
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *plain, {.tokenizer_config = adds}), 4U);
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *processor, {}), 3U);
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *processor, {.tokenizer_config = does_not}), 3U);
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *processor, {.token = "</s>"}), 4U);
  EXPECT_EQ(BeginningOfSequence(Beginning::kAuto, *plain, {.token = "</s>"}), std::nullopt);
}

TEST(BeginningTest, AlwaysTakesTheFirstThatNamesOne) {
  const auto plain = Plain();
  const File tokenizer_config{R"({"bos_token": "</s>"})", "tokenizer_config.json"};
  const File without{R"({"bos_token": null})", "tokenizer_config.json"};
  const File config{R"({"bos_token_id": 1})", "config.json"};
  const auto always = [&](const Tokenizer& tokenizer, const BeginningSources& sources) {
    return BeginningOfSequence(Beginning::kAlways, tokenizer, sources);
  };
  EXPECT_EQ(always(*WithPostProcessor(), {.tokenizer_config = tokenizer_config, .config = config}), 3U);
  EXPECT_EQ(always(*plain, {.tokenizer_config = tokenizer_config, .config = config}), 4U);
  EXPECT_EQ(always(*plain, {.tokenizer_config = without, .config = config}), 1U);
  EXPECT_EQ(always(*plain, {.tokenizer_config = tokenizer_config, .config = config, .token = "ab"}), 2U);
  EXPECT_EQ(always(CharacterTokenizer(Vocabulary::OfText(U"a\nb")), {.token = "\n"}), 0U);
  EXPECT_THAT(ErrorOf([&] { always(*plain, {}); }), OneLineWith("post_processor", "bos_token", "bos_token_id"));
}

TEST(BeginningTest, NeverIsNone) {
  const auto processor = WithPostProcessor();
  EXPECT_EQ(BeginningOfSequence(Beginning::kNever, *processor, {}), std::nullopt);
  EXPECT_THAT(ErrorOf([&] { BeginningOfSequence(Beginning::kNever, *processor, {.token = "<s>"}); }),
              OneLineWith("\"<s>\"", "never"));
}

TEST(BeginningTest, WhatIsNoTokenIsNamedWithItsFile) {
  const auto plain = Plain();
  const auto error_of = [&](const BeginningSources& sources) {
    return ErrorOf([&] { BeginningOfSequence(Beginning::kAlways, *plain, sources); });
  };
  EXPECT_THAT(error_of({.token = "<bos>"}), OneLineWith("\"<bos>\"", "5 tokens"));
  EXPECT_THAT(error_of({.tokenizer_config = File{R"({"bos_token": "<bos>"})", "t.json"}}),
              OneLineWith("t.json: bos_token", "\"<bos>\""));
  EXPECT_THAT(error_of({.tokenizer_config = File{R"({"bos_token": 1})", "t.json"}}), OneLineWith("t.json: bos_token"));
  EXPECT_THAT(error_of({.tokenizer_config = File{"{", "t.json"}}), OneLineWith("t.json", "JSON"));
  EXPECT_THAT(error_of({.config = File{R"({"bos_token_id": 5})", "c.json"}}),
              OneLineWith("c.json: bos_token_id", "0 to 4", "5"));
  EXPECT_THAT(error_of({.config = File{R"({"bos_token_id": [1]})", "c.json"}}), OneLineWith("c.json: bos_token_id"));
}

}  // namespace
}  // namespace actkin
