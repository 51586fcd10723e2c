// The prefix-shared forward pass against whole strings in double precision.
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "indexer/model/forward_backend.h"
#include "tests/error_matchers.h"
#include "tests/indexer/forward/made_forest.h"
#include "tests/indexer/forward/made_transformer.h"
#include "tests/models/made_checkpoint.h"
#include "tests/models/made_decoder.h"

namespace actkin {
namespace {

using Outputs = std::map<Site, std::vector<float>>;

Outputs RunForest(PrefixForward& forward, const PrefixForest& forest, const std::vector<Site>& sites) {
  Outputs outputs;
  forward.Run(forest, sites, [&](const Site& site, std::span<const float> values) {
    EXPECT_FALSE(outputs.contains(site)) << Describe(site) << " came out twice";
    outputs[site].assign(values.begin(), values.end());
  });
  return outputs;
}

std::vector<Site> AllSites(const ModelShape& shape, int levels) {
  std::vector<Site> sites;
  for (int block = 0; block < shape.blocks; ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
      for (int t = 0; t < levels; ++t) sites.push_back({stream, block, t});
    }
  }
  return sites;
}

// Every output equals that of the decoder over whole strings.
void ExpectAsPlain(const Outputs& outputs, const MadeForest& made, const MadeDecoder& decoder) {
  const auto embed = static_cast<std::size_t>(decoder.description.shape.embed);
  std::vector<MadeOutputs> plain;
  for (const std::vector<TokenId>& string : made.strings) plain.push_back(RunDecoder(decoder, string));
  for (const auto& [site, values] : outputs) {
    const auto t = static_cast<std::size_t>(site.t_i);
    ASSERT_EQ(values.size(), made.forest.levels[t].tokens.size() * embed) << Describe(site);
    for (std::size_t s = 0; s < made.strings.size(); ++s) {
      const std::vector<double>& expected = plain[s].Of(site.stream, static_cast<std::size_t>(site.block));
      for (std::size_t i = 0; i < embed; ++i) {
        const float value = values[made.nodes[s][t] * embed + i];
        const double wanted = expected[t * embed + i];
        ASSERT_NEAR(value, wanted, 2e-5 + 2e-5 * std::abs(wanted)) << Describe(site) << " string " << s << " at " << i;
      }
    }
  }
}

class PrefixForwardTest : public testing::Test {
 protected:
  static std::unique_ptr<Transformer> Model(const MadeDecoder& decoder) {
    return LoadForwardBackend().NewTransformer(*CanonicalTensorsOf(decoder));
  }
  static std::unique_ptr<Transformer> Model(const ModelShape& shape, unsigned seed) {
    return Model(MakeStudyDecoder(shape, seed));
  }
};

TEST_F(PrefixForwardTest, EverySiteEqualsThePlainForwardPass) {
  const std::vector<ModelShape> shapes{
      kOddShape,
      {.vocabulary_size = 5, .context = 7, .embed = 64, .blocks = 2, .heads = 4, .head_size = 16, .hidden = 256},
      {.vocabulary_size = 3, .context = 30, .embed = 8, .blocks = 1, .heads = 1, .head_size = 3, .hidden = 1},
      {.vocabulary_size = 2, .context = 20, .embed = 5, .blocks = 2, .heads = 2, .head_size = 1, .hidden = 5},
      // More tokens at a position than a tile has rows.
      {.vocabulary_size = 5000, .context = 4, .embed = 6, .blocks = 2, .heads = 2, .head_size = 3, .hidden = 7}};
  unsigned seed = 0;
  for (const ModelShape& shape : shapes) {
    const MadeDecoder decoder = MakeStudyDecoder(shape, ++seed);
    const std::unique_ptr<Transformer> model = Model(decoder);
    EXPECT_EQ(model->description(), decoder.description);
    const std::unique_ptr<PrefixForward> forward = model->NewPrefixForward();
    // From a single string to more nodes than a tile has; memory is reused in every order.
    for (const std::size_t count : {1, 700, 30}) {
      for (const std::size_t length : {std::size_t{1}, std::size_t{4}, static_cast<std::size_t>(shape.context)}) {
        const MadeForest made = MakeForest(count, length, static_cast<TokenId>(shape.vocabulary_size), ++seed);
        const std::vector<Site> sites = AllSites(shape, static_cast<int>(length));
        const Outputs outputs = RunForest(*forward, made.forest, sites);
        ASSERT_EQ(outputs.size(), sites.size());
        ExpectAsPlain(outputs, made, decoder);
      }
    }
  }
}

TEST_F(PrefixForwardTest, AnySubsetOfSitesOfAnyFamilyEqualsThePlainForwardPass) {
  std::vector<MadeDecoder> decoders{MakeStudyDecoder(kOddShape, 1)};
  for (const char* family : {"gpt2", "gpt_neox", "llama", "qwen3"}) {
    for (unsigned seed = 0; seed < 2; ++seed) decoders.push_back(MakeDecoderOf(family, 30 + seed));
  }
  std::mt19937 generator(3);
  for (const MadeDecoder& decoder : decoders) {
    const ModelShape& shape = decoder.description.shape;
    const std::unique_ptr<Transformer> model = Model(decoder);
    const MadeForest made = MakeForest(60, 6, static_cast<TokenId>(shape.vocabulary_size), 2);
    const std::vector<Site> all = AllSites(shape, 6);
    for (const unsigned one_in : {1U, 2U, 5U, 12U, 20U}) {
      std::vector<Site> sites;
      for (const Site& site : all) {
        if (generator() % one_in == 0) sites.push_back(site);
      }
      std::ranges::shuffle(sites, generator);
      // A pass of its own, so that nothing an earlier one left behind can stand in.
      const Outputs outputs = RunForest(*model->NewPrefixForward(), made.forest, sites);
      ASSERT_EQ(outputs.size(), sites.size());
      ExpectAsPlain(outputs, made, decoder);
    }
  }
}

TEST_F(PrefixForwardTest, SitesComeOutBlockByBlockStreamByStreamThenByPosition) {
  const std::unique_ptr<Transformer> model = Model(kOddShape, 1);
  const MadeForest made = MakeForest(10, 3, 11, 2);
  std::vector<Site> sites = AllSites(kOddShape, 3);
  const std::vector<Site> expected = sites;
  std::ranges::reverse(sites);
  sites.push_back(sites.front());  // asked for twice, put out once
  std::vector<Site> seen;
  model->NewPrefixForward()->Run(made.forest, sites,
                                 [&](const Site& site, std::span<const float>) { seen.push_back(site); });
  EXPECT_EQ(seen, expected);
}

TEST_F(PrefixForwardTest, TheSameForestGivesTheSameBitsWhateverOtherThreadsDo) {
  const ModelShape shape{
      .vocabulary_size = 6, .context = 8, .embed = 48, .blocks = 2, .heads = 3, .head_size = 16, .hidden = 192};
  const std::unique_ptr<Transformer> model = Model(shape, 4);
  const MadeForest made = MakeForest(500, 8, 6, 5);
  const MadeForest other = MakeForest(900, 5, 6, 6);
  const std::vector<Site> sites{{Stream::kProj, 1, 7}, {Stream::kFfwd, 0, 7}, {Stream::kFfwd, 1, 3}};
  const Outputs expected = RunForest(*model->NewPrefixForward(), made.forest, sites);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::unique_ptr<PrefixForward> forward = model->NewPrefixForward();
      for (int round = 0; round < 5; ++round) {
        if ((round + t) % 2 == 0) RunForest(*forward, other.forest, AllSites(shape, 5));
        EXPECT_EQ(RunForest(*forward, made.forest, sites), expected);
      }
    });
  }
}

// Through the forest: its upper levels alone, and with what follows them.
TEST_F(PrefixForwardTest, APrefixPutsOutTheSameInAnyStringThatBeginsWithIt) {
  const std::unique_ptr<Transformer> model = Model(kOddShape, 7);
  const MadeForest made = MakeForest(40, 9, 11, 8);
  const Outputs followed = RunForest(*model->NewPrefixForward(), made.forest, AllSites(kOddShape, 9));
  for (std::size_t length = 1; length < 9; ++length) {
    PrefixForest upper = made.forest;
    upper.levels.resize(length);
    const std::vector<Site> sites = AllSites(kOddShape, static_cast<int>(length));
    const Outputs alone = RunForest(*model->NewPrefixForward(), upper, sites);
    for (const Site& site : sites) {
      EXPECT_THAT(alone.at(site), testing::Pointwise(testing::FloatNear(1e-5F), followed.at(site))) << Describe(site);
    }
  }
}

TEST_F(PrefixForwardTest, WhatCannotComeOutIsAnError) {
  const std::unique_ptr<Transformer> model = Model(kOddShape, 9);
  const MadeForest made = MakeForest(5, 3, 11, 10);
  const auto error = [&](const PrefixForest& forest, const Site& site) {
    return ErrorOf([&] { RunForest(*model->NewPrefixForward(), forest, {site}); });
  };
  EXPECT_THAT(error(made.forest, {Stream::kEmbedding, 0, 0}), OneLineWith("embedding t_i 0"));
  EXPECT_THAT(error(made.forest, {Stream::kProj, 3, 0}), OneLineWith("proj block 3 t_i 0"));
  EXPECT_THAT(error(made.forest, {Stream::kProj, 0, 3}), OneLineWith("proj block 0 t_i 3"));
  PrefixForest forest = made.forest;
  forest.levels[1].tokens[0] = 11;
  EXPECT_THAT(error(forest, {Stream::kProj, 0, 2}), OneLineWith("level 1", "vocabulary of 11"));
  forest = made.forest;
  forest.levels[2].parents[0] = 1000;
  EXPECT_THAT(error(forest, {Stream::kProj, 0, 2}), OneLineWith("level 2"));
}

}  // namespace
}  // namespace actkin
