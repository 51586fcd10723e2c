#include "query/reader/prompt_forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "storage/exchange/safetensors.h"
#include "tests/error_matchers.h"
#include "tests/models/made_decoder.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr ModelShape kShape{
    .vocabulary_size = 11, .context = 9, .embed = 20, .blocks = 3, .heads = 2, .head_size = 7, .hidden = 33};

// What stands later in a prompt changes nothing that stands before it.
TEST(PromptForwardTest, IsCausal) {
  const TemporaryFolder folder;
  const PromptForward forward(folder.Write("m", ModelFileBytes(MakeStudyDecoder(kShape, 5))));
  const auto one = forward.Run(std::vector<TokenId>{1, 2, 3, 4, 5});
  const auto other = forward.Run(std::vector<TokenId>{1, 2, 3, 9, 0});
  for (std::size_t block = 0; block < one.ffwd.size(); ++block) {
    for (std::size_t i = 0; i < 3 * 20; ++i) {
      EXPECT_NEAR(one.proj[block][i], other.proj[block][i], 1e-6);
      EXPECT_NEAR(one.ffwd[block][i], other.ffwd[block][i], 1e-6);
    }
    EXPECT_GT(std::abs(one.ffwd[block][3 * 20] - other.ffwd[block][3 * 20]), 1e-3);
  }
}

TEST(PromptForwardTest, ManyThreadsMayAskAtOnce) {
  const TemporaryFolder folder;
  const PromptForward forward(folder.Write("m", ModelFileBytes(MakeStudyDecoder(kShape, 6))));
  const std::vector<TokenId> tokens{1, 2, 3, 4};
  const std::vector<float> expected = forward.NextTokenProbabilities(tokens);
  std::vector<std::vector<float>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& probabilities : found) {
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) probabilities = forward.NextTokenProbabilities(tokens);
      });
    }
  }
  for (const auto& probabilities : found) EXPECT_EQ(probabilities, expected);
}

TEST(PromptForwardTest, PromptsThatTheModelCannotTakeAreRefused) {
  const TemporaryFolder folder;
  const PromptForward forward(folder.Write("m", ModelFileBytes(MakeStudyDecoder(kShape, 7))));
  const auto error = [&](const std::vector<TokenId>& tokens) {
    const std::string line = ErrorOf([&] { forward.Run(tokens); });
    EXPECT_EQ(line, ErrorOf([&] { forward.NextTokenProbabilities(tokens); }));
    EXPECT_EQ(line, ErrorOf([&] { forward.Embedding(tokens); }));
    return line;
  };
  EXPECT_THAT(error({}), OneLineWith("empty"));
  EXPECT_THAT(error(std::vector<TokenId>(10)), OneLineWith("10 tokens", "at most 9"));
  EXPECT_THAT(error({1, 11}), OneLineWith("token 11", "0 to 10"));
  EXPECT_THAT(error({1, 4000000000}), OneLineWith("token 4000000000"));
}

TEST(PromptForwardTest, FilesThatAreNoModelAreNamed) {
  const TemporaryFolder folder;
  const auto study = folder.Write("study", SerializeSafetensors({{{"lm_head.weight", {{2, 2}, {1, 2, 3, 4}}}}, {}}));
  EXPECT_THAT(ErrorOf([&] { PromptForward{study}; }), OneLineWith(study.string(), "actkin.model"));
  std::string bytes = ModelFileBytes(MakeStudyDecoder(kShape, 8));
  bytes.replace(bytes.find("blocks.1.ffwd_out.weight"), 8, "blocks.9");
  const auto missing = folder.Write("missing", bytes);
  EXPECT_THAT(ErrorOf([&] { PromptForward{missing}; }), OneLineWith(missing.string(), "blocks.1.ffwd_out.weight"));
  const auto garbage = folder.Write("garbage", "not a model");
  EXPECT_THAT(ErrorOf([&] { PromptForward{garbage}; }), OneLineWith(garbage.string()));
  EXPECT_THAT(ErrorOf([&] { PromptForward{folder / "absent"}; }), OneLineWith((folder / "absent").string()));
}

}  // namespace
}  // namespace actkin
