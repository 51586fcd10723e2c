#include "query/predict/scheme.h"

#include <gmock/gmock.h>

#include "tests/error_matchers.h"

namespace actkin {
namespace {

using testing::ElementsAre;

Scheme Parse(const std::string& json, int blocks = 3) { return ParseScheme(json, "by-file", "s.json", blocks); }

std::string ErrorOfParsing(const std::string& json) {
  return ErrorOf([&] { Parse(json); });
}

TEST(SchemeTest, BuiltInSchemesWeighAsTheStudyDoes) {
  const std::vector<Scheme> schemes = BuiltInSchemes(3);
  ASSERT_EQ(schemes.size(), 5U);
  EXPECT_EQ(schemes[0].name, "progressive_ffwd_weight");
  EXPECT_THAT(schemes[0].weights, ElementsAre(1, 1, 1, 1, 1, 2, 3));
  EXPECT_EQ(schemes[0].kernel, Kernel::kNone);
  EXPECT_EQ(schemes[1].name, "inverse_distance");
  EXPECT_THAT(schemes[1].weights, ElementsAre(1, 1, 1, 1, 1, 2, 3));
  EXPECT_EQ(schemes[1].kernel, Kernel::kInverseDistance);
  EXPECT_EQ(schemes[2].name, "last_ffwd_only");
  EXPECT_THAT(schemes[2].weights, ElementsAre(0, 0, 0, 0, 0, 0, 1));
  EXPECT_EQ(schemes[3].name, "last_ffwd_only_inverse_distance");
  EXPECT_THAT(schemes[3].weights, ElementsAre(0, 0, 0, 0, 0, 0, 1));
  EXPECT_EQ(schemes[3].kernel, Kernel::kInverseDistance);
  EXPECT_EQ(schemes[4].name, "prompt_only");
  EXPECT_EQ(schemes[4].kind, Scheme::Kind::kPromptOnly);
  for (const Scheme& scheme : schemes) EXPECT_TRUE(IsBuiltInScheme(scheme.name));
  EXPECT_FALSE(IsBuiltInScheme("learned"));
}

TEST(SchemeTest, TermsAreTheEmbeddingThenProjThenFfwd) {
  EXPECT_EQ(Terms(3).size(), 7U);
  for (std::size_t number = 0; number < Terms(3).size(); ++number) EXPECT_EQ(Terms(3).Number(Terms(3)[number]), number);
  EXPECT_EQ(Terms(3)[0], (Term{Stream::kEmbedding, 0}));
  EXPECT_EQ(Terms(3)[3], (Term{Stream::kProj, 2}));
  EXPECT_EQ(Terms(3)[4], (Term{Stream::kFfwd, 0}));
  EXPECT_EQ(Describe(Terms(3)[6]), "ffwd block 2 (mlp_out)");
}

TEST(SchemeTest, ASimilarityOfMinusOneHasAFiniteKernel) {
  EXPECT_EQ(KernelValue(Kernel::kInverseDistance, 1), 0.5);
  EXPECT_EQ(KernelValue(Kernel::kInverseDistance, -1), 1e6);
  EXPECT_EQ(KernelValue(Kernel::kNone, -1), 1);
}

TEST(SchemeTest, ReadsWhatAUserWrites) {
  const Scheme scheme = Parse(R"({"name": "mine", "kernel": "inverse_distance", "embedding": 0.5, "proj": [1, -2, 3],
                                  "ffwd": {"2": 4}, "metric": "cosine", "k": 100,
                                  "within": {"embedding": "0.5:", "proj": ["0.9:1", null, ":"], "ffwd": {"2": "0.8:"}}})");
  EXPECT_EQ(scheme.name, "mine");
  EXPECT_EQ(scheme.kernel, Kernel::kInverseDistance);
  EXPECT_THAT(scheme.weights, ElementsAre(0.5, 1, -2, 3, 0, 0, 4));
  EXPECT_EQ(scheme.metric, Metric::kCosine);
  EXPECT_EQ(scheme.k, 100U);
  ASSERT_EQ(scheme.bands.size(), 7U);
  EXPECT_EQ(scheme.bands[0], (Band{.low = 0.5}));
  EXPECT_EQ(scheme.bands[1], (Band{.low = 0.9, .high = 1}));
  EXPECT_EQ(scheme.bands[2], std::nullopt);
  EXPECT_EQ(scheme.bands[3], Band{});
  EXPECT_EQ(scheme.bands[5], std::nullopt);
  EXPECT_EQ(scheme.bands[6], (Band{.low = 0.8}));
}

TEST(SchemeTest, WhatIsMissingIsZeroAndOpen) {
  const Scheme scheme = Parse(R"({"ffwd": [1, 2, 3]})");
  EXPECT_EQ(scheme.name, "by-file");
  EXPECT_EQ(scheme.kernel, Kernel::kNone);
  EXPECT_THAT(scheme.weights, ElementsAre(0, 0, 0, 0, 1, 2, 3));
  EXPECT_TRUE(scheme.bands.empty());
  EXPECT_FALSE(scheme.Uses(0));
  EXPECT_TRUE(scheme.Uses(4));
  EXPECT_EQ(Parse(R"({"kind": "prompt_only"})").kind, Scheme::Kind::kPromptOnly);
}

TEST(SchemeTest, WhatIsWrittenReadsBackTheSame) {
  std::vector<Scheme> schemes = BuiltInSchemes(3);
  for (Scheme& scheme : schemes) scheme.name = "my " + scheme.name;
  Scheme fine = schemes[0];
  fine.weights = {0.1, -1.0 / 3, 1e-300, 12345678.9012345, 0, -0.0, 2};
  schemes.push_back(fine);
  Scheme banded = fine;
  banded.metric = Metric::kCosine;
  banded.k = 7;
  banded.bands.resize(7);
  banded.bands[0] = Band{.low = 0.1 + 0.2};
  banded.bands[5] = Band{.low = -1, .high = 1.0 / 3};
  schemes.push_back(banded);
  for (const Scheme& scheme : schemes) EXPECT_EQ(Parse(SchemeJson(scheme)), scheme) << SchemeJson(scheme);
}

TEST(SchemeTest, WhatIsWrongIsNamed) {
  EXPECT_THAT(ErrorOfParsing("{"), testing::HasSubstr("s.json: no JSON"));
  EXPECT_THAT(ErrorOfParsing("[1]"), OneLineWith("s.json", "expected an object"));
  EXPECT_THAT(ErrorOfParsing(R"({"fwd": [1]})"), OneLineWith("s.json", "unknown key \"fwd\"", "ffwd"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": [1, 2, 3], "ffwd": [3, 2, 1]})"), OneLineWith("\"ffwd\" stands there twice"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": [1, 2, 3, 4]})"), OneLineWith("ffwd", "block 3", "blocks are 0-2"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": {"7": 1}})"), OneLineWith("ffwd", "block 7", "blocks are 0-2"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": {"last": 1}})"), OneLineWith("number of a block", "\"last\""));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": {"01": 1}})"), OneLineWith("number of a block"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": {"-1": 1}})"), OneLineWith("number of a block"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": [1, 2]})"), OneLineWith("2 of 3 blocks"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": 1})"), OneLineWith("ffwd", "an array"));
  EXPECT_THAT(ErrorOfParsing(R"({"ffwd": [1, "2", 3]})"), OneLineWith("ffwd of block 1", "a number", "\"2\""));
  EXPECT_THAT(ErrorOfParsing(R"({"embedding": null})"), OneLineWith("embedding", "a number", "null"));
  EXPECT_THAT(ErrorOfParsing(R"({"embedding": 1e999})"), testing::HasSubstr("s.json"));
  EXPECT_THAT(ErrorOfParsing(R"({"kernel": "gauss"})"), OneLineWith("s.json", "\"gauss\"", "inverse_distance"));
  EXPECT_THAT(ErrorOfParsing(R"({"kernel": 1})"), OneLineWith("kernel", "a text"));
  EXPECT_THAT(ErrorOfParsing(R"({"metric": "L2"})"), OneLineWith("s.json", "L2", "cosine"));
  for (const char* k : {"0", "-1", "1.5", "\"10\""}) {
    EXPECT_THAT(ErrorOfParsing(fmt::format(R"({{"k": {}}})", k)), OneLineWith("s.json", "k: expected how many"));
  }
  EXPECT_THAT(ErrorOfParsing(R"({"within": {"ffwd": ["0:", "0:", "0:"]}})"), OneLineWith("needs \"metric\""));
  EXPECT_THAT(ErrorOfParsing(R"({"metric": "l2", "within": {"fwd": []}})"), OneLineWith("unknown key within.\"fwd\""));
  EXPECT_THAT(ErrorOfParsing(R"({"metric": "l2", "within": {"ffwd": {"0": "1"}}})"),
              OneLineWith("within.ffwd of block 0", "LOW:HIGH"));
  EXPECT_THAT(ErrorOfParsing(R"({"metric": "l2", "within": {"ffwd": {"0": "2:1"}}})"), OneLineWith("nothing lies"));
  EXPECT_THAT(ErrorOfParsing(R"({"metric": "l2", "within": {"proj": {"3": "1:2"}}})"), OneLineWith("block 3"));
  EXPECT_THAT(ErrorOfParsing(R"({"kind": "all"})"), OneLineWith("kind \"all\"", "prompt_only"));
  EXPECT_THAT(ErrorOfParsing(R"({"kind": "prompt_only", "embedding": 1})"), OneLineWith("has no \"embedding\""));
  EXPECT_THAT(ErrorOfParsing(R"({"name": "prompt_only"})"), OneLineWith("built-in"));
  EXPECT_THAT(ErrorOfParsing(R"({"name": ""})"), OneLineWith("name"));
}

}  // namespace
}  // namespace actkin
