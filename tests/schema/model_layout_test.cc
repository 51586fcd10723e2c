#include "schema/model_layout.h"

#include <gtest/gtest.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

constexpr ModelShape kShape{
    .vocabulary_size = 11, .context = 8, .embed = 20, .blocks = 3, .heads = 2, .head_size = 7, .hidden = 33};

TEST(ModelLayoutTest, AllSizesAreReadOffTheTensors) {
  TensorShapes tensors = ExpectedTensors(kShape);
  EXPECT_EQ(InferModelShape(tensors, "m.pt"), kShape);
  tensors["blocks.0.sa.heads.0.tril"] = {8, 8};
  EXPECT_EQ(InferModelShape(tensors, "m.pt"), kShape);
}

TEST(ModelLayoutTest, EveryMissingTensorIsNamed) {
  for (const auto& [name, shape] : ExpectedTensors(kShape)) {
    TensorShapes tensors = ExpectedTensors(kShape);
    tensors.erase(name);
    // Without its last block's counting tensor a model reads as one with fewer blocks and surplus tensors.
    EXPECT_THAT(ErrorOf([&] { InferModelShape(tensors, "m.pt"); }), OneLineWith("m.pt", "tensor")) << name;
  }
  TensorShapes tensors = ExpectedTensors(kShape);
  tensors.erase("blocks.1.ffwd.net.2.bias");
  EXPECT_THAT(ErrorOf([&] { InferModelShape(tensors, "m.pt"); }), OneLineWith("blocks.1.ffwd.net.2.bias is missing"));
}

TEST(ModelLayoutTest, ASurplusTensorIsNamed) {
  TensorShapes tensors = ExpectedTensors(kShape);
  tensors["blocks.0.sa.rotary"] = {3};
  EXPECT_THAT(ErrorOf([&] { InferModelShape(tensors, "m.pt"); }), OneLineWith("blocks.0.sa.rotary is not part"));
}

TEST(ModelLayoutTest, EveryMisshapenTensorIsNamed) {
  for (const auto& [name, shape] : ExpectedTensors(kShape)) {
    TensorShapes tensors = ExpectedTensors(kShape);
    tensors[name].push_back(1);
    EXPECT_THAT(ErrorOf([&] { InferModelShape(tensors, "m.pt"); }), OneLineWith("m.pt", name, "has shape")) << name;
  }
}

TEST(ModelLayoutTest, SizesOutOfRangeAreRefused) {
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    TensorShapes tensors = ExpectedTensors(kShape);
    tensors["token_embedding_table.weight"][0] = size;
    EXPECT_THAT(ErrorOf([&] { InferModelShape(tensors, "m.pt"); }), OneLineWith("out of range"));
  }
}

}  // namespace
}  // namespace actkin
