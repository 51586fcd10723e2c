// The forward pass of windows against each window alone in double precision.
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "indexer/model/forward_backend.h"
#include "tests/error_matchers.h"
#include "tests/indexer/forward/made_transformer.h"
#include "tests/models/made_checkpoint.h"
#include "tests/models/made_decoder.h"

namespace actkin {
namespace {

using Outputs = std::map<Site, std::vector<float>>;

Outputs RunWindows(WindowForward& forward, const WindowBatch& batch, const std::vector<Site>& sites) {
  Outputs outputs;
  forward.Run(batch, sites, [&](const Site& site, std::span<const float> values) {
    EXPECT_FALSE(outputs.contains(site)) << Describe(site) << " came out twice";
    outputs[site].assign(values.begin(), values.end());
  });
  return outputs;
}

std::vector<Site> AllSites(const ModelShape& shape) {
  std::vector<Site> sites{{Stream::kEmbedding, 0, kOverPositions}};
  for (int block = 0; block < shape.blocks; ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
      sites.push_back({stream, block, kOverPositions});
    }
  }
  return sites;
}

WindowBatch MakeBatch(const std::vector<std::uint32_t>& lengths, const ModelShape& shape, unsigned seed) {
  std::mt19937 generator(seed);
  WindowBatch batch{{}, lengths};
  for (const std::uint32_t length : lengths) {
    for (std::uint32_t i = 0; i < length; ++i) {
      batch.tokens.push_back(static_cast<TokenId>(generator() % static_cast<unsigned>(shape.vocabulary_size)));
    }
  }
  return batch;
}

void ExpectAsPlain(const Outputs& outputs, const WindowBatch& batch, const MadeDecoder& decoder) {
  const auto embed = static_cast<std::size_t>(decoder.description.shape.embed);
  std::size_t first = 0;
  for (const std::uint32_t length : batch.lengths) {
    const MadeOutputs plain = RunDecoder(decoder, std::span(batch.tokens).subspan(first, length));
    for (const auto& [site, values] : outputs) {
      ASSERT_EQ(values.size(), batch.tokens.size() * embed) << Describe(site);
      const std::vector<double>& expected = plain.Of(site.stream, static_cast<std::size_t>(site.block));
      for (std::size_t i = 0; i < length * embed; ++i) {
        ASSERT_NEAR(values[first * embed + i], expected[i], 2e-5 + 2e-5 * std::abs(expected[i]))
            << Describe(site) << " at " << first << " + " << i / embed;
      }
    }
    first += length;
  }
}

class WindowForwardTest : public testing::Test {
 protected:
  static std::unique_ptr<Transformer> Model(const MadeDecoder& decoder) {
    return LoadForwardBackend().NewTransformer(*CanonicalTensorsOf(decoder));
  }
};

TEST_F(WindowForwardTest, EveryFamilyEqualsEachWindowAlone) {
  std::vector<MadeDecoder> decoders{MakeStudyDecoder(kOddShape, 1)};
  for (const char* family : {"gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"}) {
    for (unsigned seed = 0; seed < 3; ++seed) decoders.push_back(MakeDecoderOf(family, 40 + seed));
  }
  for (const MadeDecoder& decoder : decoders) {
    const auto longest = static_cast<std::uint32_t>(decoder.description.longest_sequence());
    const std::unique_ptr<WindowForward> forward = Model(decoder)->NewWindowForward();
    for (const std::vector<std::uint32_t>& lengths :
         std::vector<std::vector<std::uint32_t>>{{longest}, {1}, {longest, 1, 3, longest, 2}}) {
      const WindowBatch batch = MakeBatch(lengths, decoder.description.shape, 7);
      ExpectAsPlain(RunWindows(*forward, batch, AllSites(decoder.description.shape)), batch, decoder);
    }
  }
}

// Windows longer than the queries of a matrix product and than a tile, and tiles that end within windows.
TEST_F(WindowForwardTest, LongWindowsAreCutAnywhere) {
  const MadeDecoder decoder = MakeStudyDecoder(
      {.vocabulary_size = 7, .context = 700, .embed = 16, .blocks = 2, .heads = 2, .head_size = 8, .hidden = 20}, 3);
  const std::unique_ptr<WindowForward> forward = Model(decoder)->NewWindowForward();
  for (const std::vector<std::uint32_t>& lengths :
       std::vector<std::vector<std::uint32_t>>{{700, 65, 64}, {63, 130, 129, 300, 1, 200}, {600}}) {
    const WindowBatch batch = MakeBatch(lengths, decoder.description.shape, 5);
    ExpectAsPlain(RunWindows(*forward, batch, AllSites(decoder.description.shape)), batch, decoder);
  }
}

TEST_F(WindowForwardTest, RowsDoNotDependOnTheSitesAskedForNorOnThreads) {
  const MadeDecoder decoder = MakeDecoderOf("llama", 4);
  const std::unique_ptr<Transformer> model = Model(decoder);
  const std::vector<Site> all = AllSites(decoder.description.shape);
  const WindowBatch batch = MakeBatch(std::vector<std::uint32_t>(90, 8), decoder.description.shape, 3);
  const Outputs expected = RunWindows(*model->NewWindowForward(), batch, all);
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 generator(t);
      const std::unique_ptr<WindowForward> forward = model->NewWindowForward();
      for (int round = 0; round < 6; ++round) {
        std::vector<Site> sites;
        for (const Site& site : all) {
          if (generator() % 3 == 0) sites.push_back(site);
        }
        std::ranges::shuffle(sites, generator);
        const Outputs outputs = RunWindows(*forward, batch, sites);
        ASSERT_EQ(outputs.size(), sites.size());
        for (const auto& [site, values] : outputs) EXPECT_EQ(values, expected.at(site)) << Describe(site);
      }
    });
  }
}

TEST_F(WindowForwardTest, WhatDoesNotFitTheModelIsRefused) {
  const MadeDecoder decoder = MakeStudyDecoder(kOddShape, 1);
  const std::unique_ptr<WindowForward> forward = Model(decoder)->NewWindowForward();
  const auto error = [&](const WindowBatch& batch, const Site& site) {
    return ErrorOf([&] { RunWindows(*forward, batch, {site}); });
  };
  const Site site{Stream::kFfwd, 0, kOverPositions};
  EXPECT_THAT(error({{1, 2}, {10}}, site), OneLineWith("a window of 10 tokens", "1 to 9"));
  EXPECT_THAT(error({{1, 2}, {2, 0}}, site), OneLineWith("a window of 0 tokens"));
  EXPECT_THAT(error({{1, 2}, {1}}, site), OneLineWith("windows of 1 tokens in all, and 2 tokens"));
  EXPECT_THAT(error({{1, 11}, {2}}, site), OneLineWith("outside the vocabulary of 11"));
  EXPECT_THAT(error({{1, 2}, {2}}, {Stream::kProj, 3, kOverPositions}), OneLineWith("a model of 3 blocks"));
}

}  // namespace
}  // namespace actkin
