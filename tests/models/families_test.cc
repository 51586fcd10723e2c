// Checkpoints of every family, made here, through both interpreters, against the decoder that they were written from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "indexer/model/checkpoint.h"
#include "storage/formats/model_file.h"
#include "tests/error_matchers.h"
#include "tests/models/interpreters.h"
#include "tests/models/made_checkpoint.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr const char* kFamilies[] = {"gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"};

void ExpectNear(const std::vector<float>& found, const std::vector<double>& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 3e-5 + 3e-5 * std::abs(expected[i])) << what << ", number " << i;
  }
}

void ExpectAsReference(const SequenceOutputs& found, const MadeOutputs& expected, const std::string& what) {
  for (const auto& [of, rows] : found.rows) {
    ExpectNear(rows, expected.Of(of.first, static_cast<std::size_t>(of.second)),
               fmt::format("{}: {} of block {}", what, Name(of.first), of.second));
  }
  if (!found.logits.empty()) ExpectNear(found.logits, expected.logits, what + ": logits");
}

std::vector<TokenId> RandomTokens(const ModelShape& shape, std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens)
    token = static_cast<TokenId>(generator() % static_cast<unsigned>(shape.vocabulary_size));
  return tokens;
}

class FamiliesTest : public testing::Test {
 protected:
  std::string Error(const std::string& model_type, const nlohmann::json& change, const CheckpointStyle& style = {}) {
    const std::filesystem::path folder = folder_ / fmt::format("changed-{}", ++changed_);
    MadeDecoder decoder = MakeDecoderOf(model_type, 3);
    WriteCheckpoint(folder, decoder, style);
    nlohmann::json config = ConfigOf(decoder);
    config.update(change);
    folder_.Write(std::filesystem::relative(folder / "config.json", folder_.path()).string(), config.dump());
    return ErrorOf([&] { ReadCheckpoint(folder); });
  }

  const TemporaryFolder folder_;
  int changed_ = 0;
};

TEST_F(FamiliesTest, BothInterpretersAgreeWithDoublePrecision) {
  for (const char* family : kFamilies) {
    for (unsigned seed = 0; seed < 12; ++seed) {
      MadeDecoder decoder = MakeDecoderOf(family, seed);
      CheckpointStyle style;
      style.type = std::vector<std::string>{"F32", "F16", "BF16"}[seed % 3];
      style.shards = seed % 2 == 0 ? 1 : 3;
      style.prefix = seed % 4 != 1;
      style.masks = seed % 4 == 2;
      const std::string what = fmt::format("{} {} {}", family, seed, style.type);
      const std::filesystem::path folder = folder_ / fmt::format("{}-{}", family, seed);
      WriteCheckpoint(folder, decoder, style);
      const Checkpoint checkpoint = ReadCheckpoint(folder);
      EXPECT_EQ(checkpoint.model->description(), decoder.description) << what;
      const std::vector<TokenId> tokens = RandomTokens(decoder.description.shape, 9, seed);
      const MadeOutputs expected = RunDecoder(decoder, tokens);
      ExpectAsReference(RunBatched(*checkpoint.model, tokens), expected, what + " batched");
      WriteModelFile(folder / "kept.safetensors", *checkpoint.model);
      EXPECT_EQ(ModelFile(folder / "kept.safetensors").types().at("token_embedding.weight").precision,
                PrecisionOf(style.type));
      ExpectAsReference(RunPrompt(folder / "kept.safetensors", tokens), expected, what + " prompt");
      ExpectAsReference(RunBatched(ModelFile(folder / "kept.safetensors"), tokens), expected, what + " kept");
    }
  }
}

// Rows with a token in front are those of sequences that begin with it.
TEST_F(FamiliesTest, ABeginningStandsBeforeEveryPromptWithoutAPlaceOfItsOwn) {
  for (const char* family : kFamilies) {
    const MadeDecoder decoder = MakeDecoderOf(family, 20);
    folder_.Write(family, ModelFileBytes(decoder));
    const std::vector<TokenId> tokens = RandomTokens(decoder.description.shape, 7, 1);
    const SequenceOutputs whole = RunPrompt(folder_ / family, tokens);
    const SequenceOutputs found = RunPrompt(folder_ / family, std::span(tokens).subspan(1), tokens[0]);
    const auto embed = static_cast<std::size_t>(decoder.description.shape.embed);
    for (const auto& [of, rows] : found.rows) {
      ASSERT_EQ(rows.size(), 6 * embed);
      const std::vector<float>& expected = whole.rows.at(of);
      EXPECT_TRUE(std::equal(rows.begin(), rows.end(), expected.begin() + static_cast<std::ptrdiff_t>(embed)))
          << family << " " << Name(of.first) << " " << of.second;
    }
    EXPECT_EQ(found.probabilities, whole.probabilities);
  }
}

TEST_F(FamiliesTest, WhatWouldChangeTheResultIsRefusedByName) {
  EXPECT_THAT(Error("llama", {{"attn_logit_softcapping", 50.0}}), OneLineWith("config.json", "attn_logit_softcapping"));
  EXPECT_THAT(Error("llama", {{"num_experts", 8}}), OneLineWith("num_experts is 8"));
  EXPECT_THAT(Error("llama", {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}}}),
              OneLineWith("rope_scaling.rope_type", "\"yarn\"", "default, linear or llama3"));
  EXPECT_THAT(Error("llama", {{"rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}}}), OneLineWith("\"dynamic\""));
  EXPECT_THAT(Error("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}, {"beta_fast", 3}}}}),
              OneLineWith("rope_scaling.beta_fast"));
  EXPECT_THAT(Error("llama", {{"rope_scaling", {{"type", "linear"}}}}), OneLineWith("rope_scaling.factor is missing"));
  EXPECT_THAT(Error("gpt2", {{"scale_attn_by_inverse_layer_idx", true}}),
              OneLineWith("scale_attn_by_inverse_layer_idx is true", "only false"));
  EXPECT_THAT(Error("gpt2", {{"activation_function", "quick_gelu"}}), OneLineWith("\"quick_gelu\""));
  EXPECT_THAT(Error("qwen2", {{"layer_types", {"linear_attention"}}}), OneLineWith("layer_types", "linear_attention"));
  EXPECT_THAT(Error("gpt2", {{"model_type", "gemma2"}}), OneLineWith("\"gemma2\"", "actkin.record", "actkin import"));
  EXPECT_EQ(Error("llama", {{"use_cache", true}, {"torch_dtype", "bfloat16"}, {"something_new", nullptr}}), "no error");
}

TEST_F(FamiliesTest, SlidingWindowsBoundTheSequence) {
  const auto longest = [&](const std::string& family, const nlohmann::json& change) {
    MadeDecoder decoder = MakeDecoderOf(family, 3);
    const std::filesystem::path folder = folder_ / fmt::format("sliding-{}", ++changed_);
    WriteCheckpoint(folder, decoder);
    nlohmann::json config = ConfigOf(decoder);
    config["max_position_embeddings"] = 30;
    config.update(change);
    folder_.Write(folder.filename().string() + "/config.json", config.dump());
    return ReadCheckpoint(folder).model->description().longest_sequence();
  };
  EXPECT_EQ(longest("mistral", {{"sliding_window", 7}}), 7);
  EXPECT_EQ(longest("mistral", {{"sliding_window", nullptr}}), 30);
  EXPECT_EQ(longest("qwen2", {{"sliding_window", 7}, {"use_sliding_window", false}}), 30);
  EXPECT_EQ(longest("qwen2", {{"sliding_window", 7}, {"use_sliding_window", true}, {"max_window_layers", 1}}), 7);
  EXPECT_EQ(longest("qwen2", {{"sliding_window", 7}, {"use_sliding_window", true}, {"max_window_layers", 5}}), 30);
  EXPECT_EQ(longest("qwen3", {{"sliding_window", 7}, {"use_sliding_window", true}}), 30);  // 28 of its 3 blocks
  EXPECT_EQ(longest("qwen3", {{"sliding_window", 7}, {"layer_types", {"full_attention"}}}), 30);
}

TEST_F(FamiliesTest, WrongCheckpointsAreOneLineWithFileAndTensor) {
  EXPECT_THAT(Error("llama", {{"num_hidden_layers", 9}}), OneLineWith("model.layers.", "is missing"));
  EXPECT_THAT(Error("llama", {{"intermediate_size", 4000}}), OneLineWith("model.safetensors", "mlp.", "shape"));
  EXPECT_THAT(Error("gpt2", {{"n_embd", nullptr}}), OneLineWith("config.json", "n_embd is missing"));
  EXPECT_THAT(Error("gpt2", {{"n_head", "four"}}), OneLineWith("n_head is \"four\"", "whole number"));
  EXPECT_THAT(Error("gpt2", {{"n_head", 7}}), OneLineWith("7 heads do not divide"));
  EXPECT_THAT(Error("llama", {{"head_dim", -3}}), OneLineWith("size of a head is -3"));
  const std::filesystem::path folder = folder_ / "shards";
  MadeDecoder decoder = MakeDecoderOf("qwen2", 4);
  WriteCheckpoint(folder, decoder, {.shards = 3});
  std::filesystem::remove(folder / "model-00002-of-00003.safetensors");
  EXPECT_THAT(ErrorOf([&] { ReadCheckpoint(folder); }), OneLineWith("model-00002-of-00003.safetensors", "missing"));
  folder_.Write("shards/model.safetensors.index.json", R"({"weight_map": {"a": "../outside.safetensors"}})");
  EXPECT_THAT(ErrorOf([&] { ReadCheckpoint(folder); }), OneLineWith("index.json", "same folder"));
  std::filesystem::create_directories(folder_ / "empty");
  EXPECT_THAT(ErrorOf([&] { ReadCheckpoint(folder_ / "empty"); }), OneLineWith("no config.json"));
}

TEST_F(FamiliesTest, TyingGoesByPresenceThenByTheConfiguration) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    MadeDecoder decoder = MakeDecoderOf("llama", seed);
    const std::filesystem::path folder = folder_ / fmt::format("tied-{}", seed);
    WriteCheckpoint(folder, decoder);
    nlohmann::json config = ConfigOf(decoder);
    config["tie_word_embeddings"] = !decoder.tied;
    folder_.Write(folder.filename().string() + "/config.json", config.dump());
    EXPECT_THAT(ErrorOf([&] { ReadCheckpoint(folder); }), OneLineWith("lm_head.weight", "tie_word_embeddings"));
  }
}

}  // namespace
}  // namespace actkin
