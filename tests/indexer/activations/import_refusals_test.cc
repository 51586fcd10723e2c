// Activations that do not fit together are refused by file and number, and leave nothing.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/indexer/activations/import_activations_fixture.h"

namespace actkin {
namespace {

using testing::HasSubstr;

TEST_F(ImportActivationsTest, WhatDoesNotFitTogetherIsRefusedBeforeAnythingIsWritten) {
  struct Case {
    std::string what;
    std::function<void()> change;
    std::vector<std::string> parts;  // of the message
  };
  const auto site = [&]() -> nlohmann::json& { return made_.description["sites"][0]; };
  const std::vector<Case> cases{
      {"an unknown key", [&] { made_.description["window"] = 5; }, {"activations.json", "\"window\" is not known"}},
      {"no ids", [&] { std::filesystem::remove(made_.folder() / "ids.npy"); }, {"ids.npy"}},
      {"an id beyond",
       [&] { made_.WriteNumbers("ids.npy", std::vector<std::int64_t>(65, 6)); },
       {"ids.npy", "entry 0 is token 6", "texts.json has tokens 0 to 5"}},
      {"a negative id",
       [&] { made_.WriteNumbers("ids.npy", std::vector<std::int64_t>(65, -1)); },
       {"ids.npy", "entry 0 is negative"}},
      {"ids that are floats",
       [&] { made_.WriteMatrix("ids.npy", values_, kDimension); },
       {"ids.npy", "float32", "whole numbers in one dimension"}},
      {"no id at all", [&] { made_.WriteNumbers("ids.npy", {}); }, {"ids.npy", "no token"}},
      {"fewer ids",
       [&] { made_.WriteNumbers("ids.npy", std::vector<std::int64_t>(64, 1)); },
       {"document_lengths: document 2 of 25 tokens ends beyond the 64 of ids.npy"}},
      {"lengths that add up to less",
       [&] {
         made_.description["document_lengths"] = {40, 24};
       },
       {"document_lengths add up to 64", "ids.npy has 65 tokens"}},
      {"a huge length",
       [&] {
         made_.description["document_lengths"] = {1, std::numeric_limits<std::uint64_t>::max()};
       },
       {"document 1", "ends beyond the 65"}},
      {"names of other documents",
       [&] { made_.description["document_names"] = {"a"}; },
       {"1 document_names", "3 documents"}},
      {"documents of fewer tokens",
       [&] {
         made_.description.erase("document_lengths");
         made_.description["documents"] = "d.npy";
         made_.WriteNumbers("d.npy", std::vector<std::int64_t>(64, 1));
       },
       {"d.npy", "64 entries", "65 tokens"}},
      {"documents that fall",
       [&] {
         made_.description.erase("document_lengths");
         made_.description["documents"] = "d.npy";
         std::vector<std::int64_t> numbers(65, 4);
         numbers[60] = 3;
         made_.WriteNumbers("d.npy", numbers);
       },
       {"d.npy", "entry 60 is 3, after 4", "never fall"}},
      {"texts that are no list", [&] { made_.Write("texts.json", "{}"); }, {"texts.json", "expected a JSON array"}},
      {"a text that is none", [&] { made_.Write("texts.json", "[\"a\", 1]"); }, {"texts.json", "entry 1 is number"}},
      {"a tokenizer that is none",
       [&] {
         made_.description.erase("token_texts");
         made_.description["tokenizer"] = "texts.json";
       },
       {"texts.json"}},
      {"a beginning that is no token",
       [&] { made_.description["bos_token_id"] = 6; },
       {"bos_token_id is 6", "tokens 0 to 5"}},
      {"no matrix", [&] { site()["files"] = {"none.npy"}; }, {"none.npy"}},
      {"fewer rows",
       [&] { made_.WriteMatrix("x.npy", std::span(values_).first(64 * kDimension), kDimension); },
       {"sites[0]", "x.npy: 64 rows, and the corpus has 65 tokens"}},
      {"no row",
       [&] {
         made_.WriteMatrix("x.npy", {}, kDimension);
         made_.WriteNumbers("p.npy", {});
         site()["positions"] = "p.npy";
       },
       {"sites[0]: no row"}},
      {"parts of two types",
       [&] {
         made_.WriteHalves("h.npy", std::vector<std::uint16_t>(5), kDimension);
         site()["files"] = {"x.npy", "h.npy"};
       },
       {"h.npy", "float16", "x.npy are float32"}},
      {"parts of two widths",
       [&] {
         made_.WriteMatrix("w.npy", values_, 13);
         site()["files"] = {"x.npy", "w.npy"};
       },
       {"w.npy: 13 columns", "x.npy has 5"}},
      {"a tensor of a .npy file", [&] { site()["tensor"] = "x"; }, {"x.npy", "one array"}},
      {"positions of other rows",
       [&] {
         made_.WriteNumbers("p.npy", std::vector<std::int64_t>{1, 2, 3});
         site()["positions"] = "p.npy";
       },
       {"x.npy: 65 rows, and p.npy has 3 positions"}},
      {"positions that do not rise",
       [&] {
         made_.WriteNumbers("p.npy", std::vector<std::int64_t>{1, 2, 2});
         site()["positions"] = "p.npy";
       },
       {"p.npy", "entry 2 is 2, after 2", "rise"}},
      {"positions beyond the end",
       [&] {
         made_.WriteNumbers("p.npy", std::vector<std::int64_t>{1, 65});
         site()["positions"] = "p.npy";
       },
       {"p.npy", "entry 1 is 65", "positions 0 to 64"}},
      {"a number that is none",
       [&] {
         std::vector<float> values = values_;
         values[42 * kDimension + 3] = std::numeric_limits<float>::quiet_NaN();
         made_.WriteMatrix("x.npy", values, kDimension);
       },
       {"x.npy", "row 42, column 3 is nan"}},
      {"an infinite half in the second part",
       [&] {
         std::vector<std::uint16_t> halves(65 * kDimension, 0x3c00);
         made_.WriteHalves("a.npy", std::span(halves).first(60 * kDimension), kDimension);
         halves[2 * kDimension + 1] = 0xfc00;
         made_.WriteHalves("b.npy", std::span(halves).first(5 * kDimension), kDimension);
         site()["files"] = {"a.npy", "b.npy"};
       },
       {"b.npy", "row 2, column 1 is -inf"}},
  };
  const nlohmann::json description = made_.description;
  const std::string ids = made_.Read("ids.npy");
  const std::string texts = made_.Read("texts.json");
  const auto restore = [&] {
    made_.description = description;
    made_.Write("ids.npy", ids);
    made_.Write("texts.json", texts);
    made_.AddSite("x", 0, "x.npy", values_, kDimension);
  };
  for (const Case& refused : cases) {
    restore();
    refused.change();
    const std::string message = Refusal();
    EXPECT_THAT(message, OneLineWith(folder_.path().string())) << refused.what;
    for (const std::string& part : refused.parts) EXPECT_THAT(message, HasSubstr(part)) << refused.what;
    EXPECT_FALSE(std::filesystem::exists(Index())) << refused.what;
  }
  restore();
  EXPECT_EQ(Import().sites_added, 1U);
}

TEST_F(ImportActivationsTest, ARefusalLeavesADirectoryAsItWas) {
  made_.AddSite("x", 0, "x.npy", values_, kDimension);
  Import();
  std::vector<float> values = values_;
  values.back() = std::numeric_limits<float>::infinity();
  made_.AddSite("y", 0, "y.npy", values_, kDimension);
  made_.AddSite("z", 0, "z.npy", values, kDimension);
  EXPECT_THAT(Refusal(), OneLineWith("z.npy", "row 64, column 4 is inf"));
  EXPECT_EQ(Sites(Index()).size(), 1U);
  EXPECT_TRUE(std::filesystem::is_empty(Index() / "partial"));
  ExpectSound(Index());
}

TEST_F(ImportActivationsTest, AForeignFolderIsLeftAlone) {
  made_.AddSite("x", 0, "x.npy", values_, kDimension);
  std::filesystem::create_directory(Index());
  folder_.Write("made.actkin/letter.txt", "mine");
  EXPECT_THAT(Refusal(), OneLineWith("made.actkin", "a folder with other things in it"));
  EXPECT_EQ(ReadFile(Index() / "letter.txt"), "mine");
}

}  // namespace
}  // namespace actkin
