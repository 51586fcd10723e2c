// Import and export of activations as users run them; what an import costs, and that one that is killed anywhere goes
// on.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "storage/exchange/npy_file.h"
#include "storage/machine/file.h"
#include "tests/indexer/activations/made_activations.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/run_command.h"

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

// Where no model says what is meant, it is the only stream that there is, at its last block.
TEST_F(ActivationsCommandTest, TheOnlyStreamNeedsNoName) {
  const std::string index = folder_ / "one.actkin";
  MadeActivations one(folder_ / "one", {300, 200});
  one.AddSite("mid", 1, "a.npy", MadeActivations::Random(500, kDimension, 1), kDimension);
  one.AddSite("mid", 3, "b.npy", MadeActivations::Random(500, kDimension, 2), kDimension);
  one.WriteDescription();
  ASSERT_EQ(RunCommand({"import", index, "--layout", "activations", one.folder(), "--length", "3"}).status, 0);
  const auto answer = RunForJson({"query", index, "--position", "7", "--json"});
  EXPECT_EQ(answer["stream"], "mid");
  EXPECT_EQ(answer["block"], 3);
  EXPECT_EQ(answer, RunForJson({"query", index, "--position", "7", "--stream", "mid", "--block", "3", "--json"}));
  ASSERT_EQ(Import("two.actkin").status, 0);
  const CommandResult unclear = RunCommand({"query", folder_ / "two.actkin", "--position", "7"});
  EXPECT_EQ(unclear.status, 2);
  EXPECT_THAT(unclear.err, HasSubstr("no stream is named, and this index has sites of residual, sae: name one"));
}

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

// Positions of the nearest rows by the definition, among those that pass.
std::vector<std::uint64_t> Nearest(std::span<const float> rows, std::span<const float> vector,
                                   const std::string& metric, const std::function<bool(std::uint64_t)>& passes,
                                   std::size_t k) {
  const std::size_t width = vector.size();
  std::vector<std::pair<double, std::uint64_t>> distances;
  for (std::uint64_t position = 0; position < rows.size() / width; ++position) {
    if (!passes(position)) continue;
    double squared = 0;
    double dot = 0;
    double row_norm = 0;
    double norm = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const double a = rows[position * width + i];
      const double b = vector[i];
      squared += (a - b) * (a - b);
      dot += a * b;
      row_norm += a * a;
      norm += b * b;
    }
    const double cosine = dot / std::sqrt(row_norm * norm);
    distances.emplace_back(metric == "l2" ? squared : metric == "dot" ? -dot : 1 - cosine, position);
  }
  std::ranges::sort(distances);
  distances.resize(std::min(k, distances.size()));
  std::vector<std::uint64_t> nearest;
  for (const auto& [distance, position] : distances) nearest.push_back(position);
  return nearest;
}

TEST_F(ActivationsCommandTest, FilteredNeighborsAreThoseOfTheDefinition) {
  ASSERT_EQ(Import("made.actkin").status, 0);
  const std::vector<float> rows = MadeActivations::Random(500, kDimension, 1);
  const std::vector<float> vectors = MadeActivations::Random(2, kDimension, 50);
  made_.WriteMatrix("vectors.npy", vectors, kDimension);
  const std::vector<TokenId>& tokens = made_.tokens();
  const auto is_last = [](std::uint64_t position) { return position == 299 || position == 499; };
  const std::vector<std::pair<std::string, std::function<bool(std::uint64_t)>>> filters{
      {"1", [](std::uint64_t) { return true; }},
      {"position BETWEEN 100 AND 140", [](std::uint64_t position) { return position >= 100 && position <= 140; }},
      {"position % 7 = 3", [](std::uint64_t position) { return position % 7 == 3; }},
      {"document_id = 1", [](std::uint64_t position) { return position >= 300; }},
      {"token_id = 2 AND position > 50",
       [&](std::uint64_t position) { return tokens[position] == 2 && position > 50; }},
      {"text IN ('a', 'c')", [&](std::uint64_t position) { return tokens[position] == 0 || tokens[position] == 2; }},
      {"next_token_id IS NULL", is_last},
      {"next_token_id = 4", [&](std::uint64_t position) { return !is_last(position) && tokens[position + 1] == 4; }},
      {"position = 499", [](std::uint64_t position) { return position == 499; }},
  };
  for (const auto& [condition, passes] : filters) {
    for (const std::string metric : {"l2", "cosine", "dot"}) {
      const auto answers =
          RunForJson({"query", folder_ / "made.actkin", "--vector", made_.folder() / "vectors.npy", "--stream",
                      "residual", "--block", "1", "--metric", metric, "--where", condition, "--json"});
      ASSERT_EQ(answers.size(), 2U);
      for (std::size_t query = 0; query < 2; ++query) {
        std::vector<std::uint64_t> found;
        for (const auto& neighbor : answers[query]["neighbors"]) found.push_back(neighbor["position"]);
        const std::span<const float> vector = std::span(vectors).subspan(query * kDimension, kDimension);
        EXPECT_EQ(found, Nearest(rows, vector, metric, passes, 10)) << condition << " " << metric;
      }
    }
  }
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
       std::map<std::string, int>{{"write", 2}, {"flush", 1}, {"rename", 1}, {"commit", 1}}) {
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
  // Of a process that is this one's child.
  const auto import_alone = [&](const std::string& index) {
    return RunProgram(ACTKIN_COMMAND,
                      {"import", folder_ / index, "--layout", "activations", made_.folder(), "--length", "3"});
  };
  // Fewer rows than have sketches.
  constexpr std::uint64_t kRows = 500;
  constexpr std::uint64_t kWide = 200'000;  // 400 MB in all
  ASSERT_EQ(import_alone("small.actkin").status, 0);
  const std::uint64_t before = MostMemory();
  const std::string header = NpyHeader("<f4", std::array{kRows, kWide});
  made_.Write("large.npy", header);
  std::filesystem::resize_file(made_.folder() / "large.npy", header.size() + kRows * kWide * sizeof(float));
  made_.description["sites"].push_back({{"stream", "large"}, {"files", {"large.npy"}}});
  made_.WriteDescription();
  const CommandResult imported = import_alone("large.actkin");
  ASSERT_EQ(imported.status, 0) << imported.err;
  EXPECT_GT(std::filesystem::file_size(folder_ / "large.actkin/sites/large-b0-positions.vectors"), 400'000'000U);
#ifdef __SANITIZE_ADDRESS__
  constexpr std::uint64_t kKept = std::uint64_t{256} << 20;  // what is freed is kept for a while
#else
  constexpr std::uint64_t kKept = 0;
#endif
  EXPECT_LT(MostMemory(), before + 100'000'000 + kKept);
}

// Their axes would take memory by the square of the numbers in a row.
TEST_F(ActivationsCommandTest, VeryWideRowsAreSearchedWithoutSketches) {
  constexpr std::uint64_t kRows = 4096;
  constexpr std::uint64_t kWide = 8193;
  MadeActivations wide(folder_ / "wide", {kRows});
  const std::string header = NpyHeader("<f2", std::array{kRows, kWide});
  wide.Write("zeros.npy", header);
  std::filesystem::resize_file(wide.folder() / "zeros.npy", header.size() + kRows * kWide * sizeof(std::uint16_t));
  wide.description["sites"].push_back({{"stream", "features"}, {"files", {"zeros.npy"}}});
  wide.WriteDescription();
  const std::string index = folder_ / "wide.actkin";
  const CommandResult imported =
      RunCommand({"import", index, "--layout", "activations", wide.folder(), "--length", "2"});
  EXPECT_EQ(imported.status, 0);
  EXPECT_THAT(imported.err, HasSubstr("features block 0 over positions: 8193 dimensions"));
  EXPECT_FALSE(std::filesystem::exists(index + "/sites/features-b0-positions.sketches"));
  const auto answer = RunForJson({"query", index, "--position", "7", "--stream", "features", "--block", "0", "--json"});
  EXPECT_EQ(answer["neighbors"][1]["position"], 1);
  EXPECT_EQ(RunCommand({"verify", index}).status, 0);
}

}  // namespace
}  // namespace actkin
