// evaluate --stream-sites: sites that are built for their neighbors alone, and dropped.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "storage/formats/saved_neighbors_file.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using testing::HasSubstr;

void ExpectNear(std::span<const double> a, std::span<const double> b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4 * (1 + b[i]));
}

void ExpectNear(std::span<const BandTotal> a, std::span<const BandTotal> b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].token, b[i].token);
    EXPECT_EQ(a[i].count, b[i].count);
    EXPECT_NEAR(a[i].by_inverse_distance, b[i].by_inverse_distance, 1e-4 * (1 + b[i].by_inverse_distance));
  }
}

class StreamSitesTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(300, "2-4");
    // Without sites; with those where prompts have their own rows.
    for (const auto& [out, streams] :
         std::map<std::string, std::string>{{Bare(), "embedding"}, {Last(), "embedding,proj,ffwd"}}) {
      const CommandResult built = RunCommand(
          {"build", Corpus(), "--model", Model(), "--out", out, "--length", "5", "--streams", streams, "--t-i", "4"});
      ASSERT_EQ(built.status, 0) << built.err;
    }
  }
  static std::string Bare() { return *folder_ / "bare.actkin"; }
  static std::string Last() { return *folder_ / "last.actkin"; }

  static std::string Fresh(const std::string& from) {
    const std::string index = *folder_ / "streamed";
    std::filesystem::remove_all(index);
    std::filesystem::copy(from, index, std::filesystem::copy_options::recursive);
    return index;
  }
  static std::vector<std::string> Flags(const std::vector<std::string>& questions, const std::string& disk) {
    std::vector<std::string> flags{"--stream-sites", Corpus(), "--stream-disk", disk};
    flags.insert(flags.end(), questions.begin(), questions.end());
    return flags;
  }
  static std::string SiteCount(const std::string& index) { return Query(index, "SELECT count(*) FROM site"); }

  // The neighbors that are saved, up to the last digits.
  static void ExpectNearNeighbors(const std::string& index, const std::string& expected) {
    const auto path = [](const std::string& folder, const std::string& name) {
      return std::filesystem::path(folder) / "experiments" / name;
    };
    ASSERT_EQ(Experiments(index).size(), Experiments(expected).size());
    for (const auto& [name, bytes] : Experiments(expected)) {
      ASSERT_TRUE(std::filesystem::exists(path(index, name))) << name;
      if (name.ends_with(".neighbors")) {
        const SavedNeighborsFile ours(path(index, name));
        const SavedNeighborsFile theirs(path(expected, name));
        for (std::uint64_t prompt = 0; prompt < theirs.prompts(); ++prompt) {
          std::vector<double> a;
          std::vector<double> b;
          for (const SavedNeighbor& neighbor : ours.Of(prompt)) a.push_back(neighbor.distance);
          for (const SavedNeighbor& neighbor : theirs.Of(prompt)) b.push_back(neighbor.distance);
          ExpectNear(a, b);
        }
      } else if (name.ends_with(".totals")) {
        const BandTotalsFile ours(path(index, name));
        const BandTotalsFile theirs(path(expected, name));
        for (std::uint64_t prompt = 0; prompt < theirs.prompts(); ++prompt) {
          EXPECT_EQ(ours.Rows(prompt), theirs.Rows(prompt)) << name;
          ExpectNear(ours.Of(prompt), theirs.Of(prompt));
        }
      }
    }
  }
};

const std::vector<std::string> kLists{"--sample",         "40",       "--t-i", "2-4", "-k", "3,4", "--merge",
                                      "nearest,farthest", "--scheme", "all"};
const std::vector<std::string> kBand{"--sample", "40",       "--t-i", "2-4",      "--metric",
                                     "cosine",   "--within", "0.5:",  "--scheme", "last_ffwd_only"};

// All at once the answers are, to the last bit, those of sites that were built together and stay; wherever it was
// killed.
TEST_F(StreamSitesTest, AnswersAsBuiltSitesDo) {
  const std::string built = Copy("built");
  const nlohmann::json expected = Run("evaluate", built, kLists);
  int kills = -1;  // the first run is not killed
  for (int number = 0;; number += 97, ++kills) {
    const std::string index = Fresh(Bare());
    if (number > 0) {
      const CommandResult stopped =
          RunCommand(Arguments("evaluate", index, Flags(kLists, "1")), {fmt::format("ACTKIN_STOP_BEFORE={}", number)});
      if (stopped.status == 0) break;
      ASSERT_EQ(stopped.status, 128 + 9) << stopped.err;
      ExpectSound(index);
    }
    EXPECT_EQ(Run("evaluate", index, Flags(kLists, "1")), expected) << "killed before " << number;
    EXPECT_TRUE(Experiments(index) == Experiments(built)) << "killed before " << number;
    ExpectTidy(index);
    ExpectSound(index);
    EXPECT_EQ(SiteCount(index), SiteCount(Bare()));
    // What is saved needs no corpus.
    EXPECT_EQ(Run("evaluate", index, kLists), expected);
  }
  EXPECT_GT(kills, 1);
}

// However many are built at once, and where that changes between two runs; beside sites that stay.
TEST_F(StreamSitesTest, TheRoomDoesNotChangeTheAnswers) {
  for (const auto& [questions, from] : {std::pair(kLists, Last()), std::pair(kBand, Bare())}) {
    const std::string built = Copy("built");
    Run("evaluate", built, questions);
    for (const int stop : {0, 100}) {
      const std::string index = Fresh(from);
      if (stop > 0) {
        RunCommand(Arguments("evaluate", index, Flags(questions, "0.00004")),
                   {fmt::format("ACTKIN_STOP_BEFORE={}", stop)});
      }
      Run("evaluate", index, Flags(questions, "0"));
      ExpectNearNeighbors(index, built);
      ExpectTidy(index);
      ExpectSound(index);
      EXPECT_EQ(SiteCount(index), SiteCount(from));
    }
  }
}

// What a killed run was at, another question does not need: it is dropped.
TEST_F(StreamSitesTest, AnotherQuestionBeginsAnew) {
  const std::string index = Fresh(Bare());
  EXPECT_EQ(RunCommand(Arguments("evaluate", index, Flags(kLists, "1")), {"ACTKIN_STOP_BEFORE=60"}).status, 128 + 9);
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(index) / "partial" / "stream"));
  Run("evaluate", index, Flags(kBand, "1"));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(index) / "partial" / "stream"));
}

TEST_F(StreamSitesTest, WhatCannotBeStreamedIsNamed) {
  const std::string index = Copy("unstreamable");
  const std::string before = ReadFile(std::filesystem::path(index) / "catalog.db");
  const std::string corpus = Corpus();
  const auto expect = [&](const std::string& directory, const std::vector<std::string>& more, const auto&... parts) {
    std::vector<std::string> all{"evaluate", directory, "--sample", "10", "--t-i", "1"};
    all.insert(all.end(), more.begin(), more.end());
    const CommandResult result = RunCommand(all);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::AllOf(testing::StartsWith("actkin: "), HasSubstr(parts)...));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  };
  expect(index, {"--stream-sites", Model()}, "not the text", "corpus.txt");
  expect(index, {"--stream-sites", corpus, "--stream-disk", "-1"}, "--stream-disk -1", "GB");
  expect(index, {"--stream-disk", "1"}, "--stream-disk", "--stream-sites");
  expect(index, {"--stream-sites", corpus, "-k", "100000"}, "-k 100000", "rows");
  const std::string counts = *folder_ / "no_model.actkin";
  ASSERT_EQ(RunCommand({"build", corpus, "--out", counts, "--length", "5"}).status, 0);
  expect(counts, {"--stream-sites", corpus, "--scheme", "last_ffwd_only"}, "no site is built");
  EXPECT_EQ(ReadFile(std::filesystem::path(index) / "catalog.db"), before);
  ExpectTidy(index);
}

}  // namespace
}  // namespace actkin
