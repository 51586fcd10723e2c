// Import and export of activations as users run them; what an import costs, and that one that is killed anywhere goes
// on.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <array>
#include <fstream>
#include <map>

#include "storage/formats/npy_file.h"
#include "storage/machine/file.h"
#include "tests/indexer/made_activations.h"
#include "tests/temporary_folder.h"
#include "tests/tools/run_command.h"

namespace actkin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ActivationsCommandTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kDimension = 6;

  ActivationsCommandTest() : made_(folder_ / "recorded", {300, 200}) {
    made_.AddSite("residual", 1, "r.npy", MadeActivations::Random(500, kDimension, 1), kDimension);
    made_.AddSite("sae", 0, "s.npy", MadeActivations::Random(500, 3, 2), 3);
    made_.description["bos_token_id"] = 2;
    made_.WriteDescription();
  }

  CommandResult Import(const std::string& index, const std::vector<std::string>& environment = {}) const {
    return RunCommand({"import", folder_ / index, "--layout", "activations", made_.folder(), "--length", "3"},
                      environment);
  }

  // Every file of sites, and of the corpus, by name.
  std::map<std::string, std::string> Files(const std::string& index) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / index)) {
      const std::string name = std::filesystem::relative(entry.path(), folder_ / index);
      if (entry.is_regular_file() && name != "catalog.db") files[name] = ReadFile(entry.path());
    }
    return files;
  }

  TemporaryFolder folder_;
  MadeActivations made_;
};

TEST_F(ActivationsCommandTest, ImportsAndExports) {
  const CommandResult imported = Import("made.actkin");
  EXPECT_EQ(imported.status, 0) << imported.err;
  EXPECT_THAT(imported.out, AllOf(HasSubstr("500 tokens in 2 documents"), HasSubstr("2 sites added")));
  const auto again =
      RunForJson({"import", folder_ / "made.actkin", "--layout", "activations", made_.folder(), "--json"});
  EXPECT_EQ(again["sites_added"], 0);
  EXPECT_EQ(again["sites_before"], 2);
  EXPECT_EQ(again["tokens"], 500);
  const auto info = RunForJson({"info", folder_ / "made.actkin", "--json"});
  ASSERT_EQ(info["sites"].size(), 2U);
  EXPECT_EQ(info["sites"][0]["recorded"]["source"], "recorded");
  EXPECT_EQ(info["sites"][0]["recorded"]["bos_token_id"], 2);
  EXPECT_THAT(RunCommand({"info", folder_ / "made.actkin"}).out,
              HasSubstr("recorded 2 sites from recorded, token 2 before their windows"));

  const auto exported =
      RunForJson({"export", folder_ / "made.actkin", "--layout", "activations", folder_ / "out", "--json"});
  EXPECT_EQ(exported["sites"], 2);
  EXPECT_EQ(ReadFile(folder_ / "out" / "residual-b1-positions.npy"), made_.Read("r.npy"));
  EXPECT_EQ(ReadFile(folder_ / "out" / "sae-b0-positions.npy"), made_.Read("s.npy"));
  const CommandResult one = RunCommand({"export", folder_ / "made.actkin", "--layout", "activations", folder_ / "one",
                                        "--stream", "sae", "--block", "0"});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "one" / "sae-b0-positions.npy"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "one" / "residual-b1-positions.npy"));
}

TEST_F(ActivationsCommandTest, WhatMakesNoSenseIsRefused) {
  ASSERT_EQ(Import("made.actkin").status, 0);
  const std::string index = folder_ / "made.actkin";
  const auto expect = [&](const std::vector<std::string>& arguments, int status, const std::string& part) {
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, status) << part;
    EXPECT_THAT(result.err, HasSubstr(part));
  };
  expect({"import", index, "--layout", "activation", made_.folder()}, 2, "expected activations or similar-strings");
  expect({"import", index, "--layout", "activations", made_.folder(), "--name", "x"}, 2, "--name: has no meaning");
  expect({"import", index, "--layout", "similar-strings", made_.folder(), "--length", "3"}, 2,
         "--length: has no meaning");
  expect({"import", index, "--layout", "activations", folder_ / "none"}, 1, "none/activations.json");
  expect({"import", index, "--layout", "activations", made_.folder(), "--length", "5"}, 2,
         "strings of 3 tokens, not of 5");
  expect({"export", index, "--layout", "activations", folder_ / "x", "--stream", "none"}, 2, "--stream none");
  expect({"export", index, "--layout", "activations", folder_ / "x", "--block", "5"}, 2, "--block 5");
  expect({"export", index, "--layout", "activations", folder_ / "x", "--t-i", "0"}, 2, "--t-i: has no meaning");
  expect({"export", index, "--layout", "activations", "-"}, 2, "give its name");
}

TEST_F(ActivationsCommandTest, KilledAnywhereItGoesOn) {
  ASSERT_EQ(Import("whole.actkin").status, 0);
  const std::map<std::string, std::string> expected = Files("whole.actkin");
  int kills = 0;
  for (const auto& [kind, step] :
       std::map<std::string, int>{{"write", 5}, {"flush", 3}, {"rename", 1}, {"commit", 1}}) {
    for (int number = 1;; number += step) {
      const std::string name = kind + std::to_string(number) + ".actkin";
      const CommandResult stopped = Import(name, {"ACTKIN_STOP_BEFORE=" + kind + ":" + std::to_string(number)});
      if (stopped.status == 0) break;
      ASSERT_EQ(stopped.status, 128 + 9) << name << ": " << stopped.err;
      ++kills;
      const CommandResult continued = Import(name);
      EXPECT_EQ(continued.status, 0) << name << ": " << continued.err;
      EXPECT_EQ(Files(name), expected) << name;
      const CommandResult verified = RunCommand({"verify", folder_ / name});
      EXPECT_EQ(verified.status, 0) << name << ": " << verified.out;
      std::filesystem::remove_all(folder_ / name);
    }
  }
  EXPECT_GT(kills, 20);
}

// Bytes of memory that the largest of all processes so far took.
std::uint64_t MostMemory() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) << 10;
}

TEST_F(ActivationsCommandTest, MemoryDoesNotGrowWithTheMatrix) {
  // Fewer rows than have sketches.
  constexpr std::uint64_t kRows = 500;
  constexpr std::uint64_t kWide = 200'000;  // 400 MB in all
  ASSERT_EQ(Import("small.actkin").status, 0);
  const std::uint64_t before = MostMemory();
  const std::string header = NpyHeader("<f4", std::array{kRows, kWide});
  made_.Write("large.npy", header);
  std::filesystem::resize_file(made_.folder() / "large.npy", header.size() + kRows * kWide * sizeof(float));
  made_.description["sites"].push_back({{"stream", "large"}, {"files", {"large.npy"}}});
  made_.WriteDescription();
  const CommandResult imported = Import("large.actkin");
  ASSERT_EQ(imported.status, 0) << imported.err;
  EXPECT_GT(std::filesystem::file_size(folder_ / "large.actkin/sites/large-b0-positions.vectors"), 400'000'000U);
  EXPECT_LT(MostMemory(), before + 100'000'000);
}

}  // namespace
}  // namespace actkin
