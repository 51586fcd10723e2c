#include "schema/model_description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

ModelDescription Llama() {
  ModelDescription model{
      .family = "llama",
      .shape =
          {.vocabulary_size = 300, .context = 64, .embed = 48, .blocks = 2, .heads = 4, .head_size = 12, .hidden = 80},
      .key_value_heads = 2,
      .sliding_window = 32,
      .norm = Norm::kRms,
      .norm_epsilon = 1e-6,
      .activation = Activation::kSilu,
      .gated = true};
  model.rotary = {.dimensions = 12,
                  .frequency_dimensions = 12,
                  .base = 500000,
                  .scaling = RotaryScaling::kLlama3,
                  .factor = 8,
                  .low_frequency_factor = 1,
                  .high_frequency_factor = 4,
                  .original_context = 16};
  return model;
}

TEST(ModelDescriptionTest, IsReadAsItWasWritten) {
  EXPECT_EQ(ParseDescription(DescriptionJson(Llama()), "here"), Llama());
}

TEST(ModelDescriptionTest, WhatNoModelHasIsRefusedByName) {
  const auto error = [](const auto& change) {
    ModelDescription model = Llama();
    change(model);
    return ErrorOf([&] { ParseDescription(DescriptionJson(model), "here"); });
  };
  EXPECT_THAT(error([](auto& m) { m.shape.blocks = 0; }), OneLineWith("here", "number of blocks is 0"));
  EXPECT_THAT(error([](auto& m) { m.shape.vocabulary_size = std::int64_t{1} << 40; }), OneLineWith("number of tokens"));
  EXPECT_THAT(error([](auto& m) { m.key_value_heads = 3; }), OneLineWith("4 heads", "3 key and value heads"));
  EXPECT_THAT(error([](auto& m) { m.rotary.dimensions = 7; }), OneLineWith("expected an even number"));
  EXPECT_THAT(error([](auto& m) { m.rotary.high_frequency_factor = 1; }), OneLineWith("not above"));
  EXPECT_THAT(error([](auto& m) { m.norm_epsilon = 0; }), OneLineWith("epsilon is 0"));
  EXPECT_THAT(ErrorOf([] { ParseDescription("{}", "here"); }), OneLineWith("here", "not what actkin writes"));
  EXPECT_THAT(ErrorOf([] { ParseDescription("[1", "here"); }), OneLineWith("here", "not what actkin writes"));
}

TEST(ModelDescriptionTest, TensorsMustBeThoseOfTheModel) {
  TensorShapes tensors = TensorsOf(Llama()).required;
  RequireTensorsOf(Llama(), tensors, "here");
  tensors["blocks.1.qkv.bias"] = {(4 + 2 * 2) * 12};
  RequireTensorsOf(Llama(), tensors, "here");
  tensors["blocks.1.qkv.bias"] = {7};
  EXPECT_THAT(ErrorOf([&] { RequireTensorsOf(Llama(), tensors, "here"); }), OneLineWith("qkv.bias", "[7]", "[96]"));
  tensors.erase("blocks.1.qkv.bias");
  tensors["blocks.2.qkv.bias"] = {96};
  EXPECT_THAT(ErrorOf([&] { RequireTensorsOf(Llama(), tensors, "here"); }),
              OneLineWith("blocks.2.qkv.bias", "2 blocks"));
  tensors.erase("blocks.2.qkv.bias");
  tensors.erase("final_norm.weight");
  EXPECT_THAT(ErrorOf([&] { RequireTensorsOf(Llama(), tensors, "here"); }),
              OneLineWith("final_norm.weight is missing"));
}

}  // namespace
}  // namespace actkin
