#include "storage/exchange/similar_strings_file.h"

#include <gmock/gmock.h>

#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr char kTwoPrompts[] = R"({"strings": {"ab": 1, "\u00e4\n": 0},
 "sim_strings": [["x", "yy"], ["", "\"z\""]], "distances": [[0, 1.5], [2e0, 1.75]]})";

class SimilarStringsFileTest : public testing::Test {
 protected:
  std::string ErrorReading(const std::string& bytes) {
    const std::filesystem::path path = folder_.Write("f.json", bytes);
    return ErrorOf([&] { ReadSimilarStrings(path); });
  }
  std::string ErrorReadingMap(const std::string& bytes) {
    const std::filesystem::path path = folder_.Write("map.json", bytes);
    return ErrorOf([&] { ReadBatchMap(path); });
  }

  TemporaryFolder folder_;
};

// The study's own files: what they say is written again as the same bytes.
TEST_F(SimilarStringsFileTest, TheStudysFilesAreWrittenAsTheyWereRead) {
  ACTKIN_NEEDS_SHARED_DATA("golden");
  int files = 0;
  for (const char* folder :
       {"golden/small/similar_strings_euclidean", "golden/small/similar_strings_cosine", "golden/published"}) {
    for (const auto& entry : std::filesystem::directory_iterator(SharedData(folder))) {
      const std::string name = entry.path().filename();
      const std::filesystem::path copy = folder_ / name;
      if (name == kBatchMapFile) {
        std::vector<std::string> prompts;
        for (const auto& [prompt, batch] : ReadBatchMap(entry.path())) prompts.push_back(prompt);
        WriteBatchMap(copy, prompts, 100);
      } else {
        const std::optional<SimilarStringsName> parsed = ParseSimilarStringsFileName(name);
        ASSERT_TRUE(parsed) << name;
        EXPECT_EQ(SimilarStringsFileName(parsed->site, parsed->batch), name);
        WriteSimilarStrings(copy, ReadSimilarStrings(entry.path()));
      }
      EXPECT_EQ(ReadFile(copy), ReadFile(entry.path())) << name;
      ++files;
    }
  }
  EXPECT_EQ(files, 44 + 44 + 14);
}

TEST_F(SimilarStringsFileTest, ReadsAnyFormOfTheSameJson) {
  const SimilarStrings similar = ReadSimilarStrings(folder_.Write("f.json", kTwoPrompts));
  EXPECT_THAT(similar.prompts, ElementsAre("\u00e4\n", "ab"));
  EXPECT_EQ(similar.k, 2U);
  EXPECT_EQ(similar.String(0, 1), "yy");
  EXPECT_EQ(similar.String(1, 0), "");
  EXPECT_EQ(similar.String(1, 1), "\"z\"");
  EXPECT_THAT(similar.distances, ElementsAre(0, 2, 1.5, 1.75));
}

TEST_F(SimilarStringsFileTest, WritesAsPythonsJsonDoes) {
  WriteSimilarStrings(folder_ / "g.json", ReadSimilarStrings(folder_.Write("f.json", kTwoPrompts)));
  EXPECT_EQ(ReadFile(folder_ / "g.json"), R"({
  "strings": {
    "\u00e4\n": 0,
    "ab": 1
  },
  "sim_strings": [
    [
      "x",
      "yy"
    ],
    [
      "",
      "\"z\""
    ]
  ],
  "distances": [
    [
      0.0,
      1.5
    ],
    [
      2.0,
      1.75
    ]
  ]
})");
  WriteBatchMap(folder_ / "map.json", {"a", "b", "c"}, 2);
  EXPECT_THAT(ReadBatchMap(folder_ / "map.json"), ElementsAre(Pair("a", 0), Pair("b", 0), Pair("c", 1)));
}

TEST_F(SimilarStringsFileTest, NamesAreReadStrictly) {
  EXPECT_EQ(SimilarStringsFileName({Stream::kProj, 11, 9}, 1234), "proj_out_sim_strings-1234-11-009.json");
  const auto parsed = ParseSimilarStringsFileName("ffwd_out_sim_strings-012-00-128.json");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->site, (Site{Stream::kFfwd, 0, 128}));
  EXPECT_EQ(parsed->batch, 12);
  for (const char* name : {"embs_sim_strings-00.json", "embs_sim_strings-0000.json", "embs_sim_strings-000-00-009.json",
                           "embs_sim_strings-000.jsonx", "proj_out_sim_strings-000.json",
                           "proj_out_sim_strings-000-0-009.json", "proj_out_sim_strings--01-00-009.json",
                           "proj_out_sim_strings-99999999999-00-009.json", "lm_sim_strings-000.json", ""}) {
    EXPECT_FALSE(ParseSimilarStringsFileName(name)) << name;
  }
}

TEST_F(SimilarStringsFileTest, WhatIsNotOfTheLayoutIsNamed) {
  EXPECT_THAT(ErrorReading(""), OneLineWith("f.json", "not JSON"));
  EXPECT_THAT(ErrorReading(std::string(kTwoPrompts).substr(0, 90)), OneLineWith("f.json", "cut off"));
  EXPECT_THAT(ErrorReading("[]"), OneLineWith("a list is not"));
  EXPECT_THAT(ErrorReading("7"), OneLineWith("the number 7 is not"));
  EXPECT_THAT(ErrorReading(std::string(100'000, '[')), OneLineWith("a list is not"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": {"b": 0}}})"), OneLineWith("an object is not"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0}, "sim_strings": [[["x"]]], "distances": [[1]]})"),
              OneLineWith("a list is not"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0}, "sim_strings": [["x"]]})"),
              OneLineWith("\"distances\" is missing"));
  EXPECT_THAT(ErrorReading(R"({"other": 1})"), OneLineWith("the key \"other\""));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0}, "strings": {"b": 0}})"),
              OneLineWith("\"strings\" stands there twice"));
  EXPECT_THAT(ErrorReading(R"({"strings": {}, "sim_strings": [], "distances": []})"), OneLineWith("no prompts"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0}, "sim_strings": [[]], "distances": []})"),
              OneLineWith("no neighbors"));
}

TEST_F(SimilarStringsFileTest, CountsThatDoNotAgreeAreNamed) {
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0, "a": 1}, "sim_strings": [["x"], ["y"]], "distances": [[1, 2]]})"),
              OneLineWith("the prompt \"a\" stands there twice"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0, "b": 0}, "sim_strings": [["x"], ["y"]], "distances": [[1, 2]]})"),
              OneLineWith("the index 0 of \"b\""));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 7}, "sim_strings": [["x"]], "distances": [[1]]})"),
              OneLineWith("the index 7"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": -1}, "sim_strings": [["x"]], "distances": [[1]]})"),
              OneLineWith("is -1"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0}, "sim_strings": [["x"], ["y"]], "distances": [[1]]})"),
              OneLineWith("\"sim_strings\" has 2 lists for 1 prompts"));
  EXPECT_THAT(
      ErrorReading(R"({"strings": {"a": 0, "b": 1}, "sim_strings": [["x"], ["y", "z"]], "distances": [[1, 2]]})"),
      OneLineWith("\"sim_strings\": list 1 is not as long"));
  EXPECT_THAT(ErrorReading(R"({"strings": {"a": 0}, "sim_strings": [["x", "y"]], "distances": [[1]]})"),
              OneLineWith("\"distances\" has 1 lists of 1: expected 2 (a rank each) of 1"));
}

TEST_F(SimilarStringsFileTest, DistancesAreFiniteNumbers) {
  const auto with = [](const std::string& distance) {
    return R"({"strings": {"a": 0}, "sim_strings": [["x"]], "distances": [[)" + distance + "]]}";
  };
  EXPECT_THAT(ErrorReading(with("NaN")), OneLineWith("f.json", "N"));
  EXPECT_THAT(ErrorReading(with("1e400")), OneLineWith("f.json"));
  EXPECT_THAT(ErrorReading(with("1e300")), OneLineWith("not a finite number"));
  EXPECT_THAT(ErrorReading(with("null")), OneLineWith("null is not"));
  EXPECT_EQ(ErrorReading(with("-0.5")), "no error");
}

TEST_F(SimilarStringsFileTest, AMapHoldsWholeNumbers) {
  EXPECT_THAT(ErrorReadingMap(R"({"a": 0, "a": 1})"), OneLineWith("map.json", "\"a\" stands there twice"));
  EXPECT_THAT(ErrorReadingMap(R"({"a": 0.5})"), OneLineWith("the batch of \"a\" is 0.5"));
  EXPECT_THAT(ErrorReadingMap(R"({"a": {}})"), OneLineWith("an object in an object"));
  EXPECT_THAT(ErrorReadingMap("[1]"), OneLineWith("a list is not"));
  EXPECT_THAT(ErrorReadingMap("1"), OneLineWith("a number alone"));
}

TEST_F(SimilarStringsFileTest, AFileTooLargeForMemoryIsRefusedUnread) {
  const std::filesystem::path path = folder_.Write("f.json", "");
  std::filesystem::resize_file(path, kLargestSimilarStringsBytes + 1);
  EXPECT_THAT(ErrorOf([&] { ReadSimilarStrings(path); }), OneLineWith("f.json", "expected at most"));
}

}  // namespace
}  // namespace actkin
