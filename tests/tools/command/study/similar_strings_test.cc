// export and import --layout similar-strings: the study's files, from our index and into it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include "storage/catalog/sqlite.h"
#include "storage/exchange/similar_strings_file.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/golden_index.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::map<std::string, std::string> Files(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(".")) files[name] = ReadFile(entry.path());
  }
  return files;
}

// The text with every number, and every string of a line of its own, replaced: what is left is keys, nesting, indent.
std::string Structure(const std::string& text) {
  static const std::regex number(R"re(^( +)-?[0-9]+\.[0-9]+(e-[0-9]+)?(,?)$)re", std::regex::multiline);
  static const std::regex string(R"re(^(      )"([^"\\]|\\.)*"(,?)$)re", std::regex::multiline);
  return std::regex_replace(std::regex_replace(text, number, "$1N$3"), string, "$1S$3");
}

void ExpectSameNeighbors(const std::string& ours, const std::string& golden, const std::string& where) {
  const json a = json::parse(ours);
  const json b = json::parse(golden);
  const std::size_t k = b["distances"].size();
  for (const auto& [prompt, number] : b["strings"].items()) {
    const std::size_t p = number;
    for (std::size_t rank = 0; rank < k; ++rank) {
      const double distance = a["distances"][rank][p];
      EXPECT_TRUE(Close(distance, b["distances"][rank][p])) << where << " " << prompt << " rank " << rank;
      EXPECT_EQ(distance, static_cast<float>(distance)) << where << ": more digits than float32 has";
      const json& text = a["sim_strings"][p][rank];
      // Strings agree up to ties, also with those beyond the last.
      bool tie = Close(distance, b["distances"][k - 1][p]);
      for (std::size_t other = 0; other < k; ++other) {
        tie |= text == b["sim_strings"][p][other] && Close(distance, b["distances"][other][p]);
      }
      EXPECT_TRUE(tie) << where << " " << prompt << " rank " << rank << ": " << text;
    }
  }
}

TEST(SimilarStringsGoldenTest, ExportsWhatTheStudysOwnCodeWrote) {
  ACTKIN_NEEDS_SHARED_DATA("golden/small");
  const TemporaryFolder folder;
  const std::string index = folder / "small.actkin";
  CopyGoldenIndex(index);
  const std::string prompts =
      folder.Write("prompts.json", R"(["First Citi", "Citizen:\nB", "Shyamalan ", "more in jo"])");
  for (const std::string metric : {"l2", "cosine"}) {
    const std::string out = folder / ("similar_" + metric);
    const CommandResult exported = RunCommand({"export", index, "--layout", "similar-strings", out, "--prompts",
                                               prompts, "--t-i", "3-9", "--metric", metric});
    ASSERT_EQ(exported.status, 0) << exported.err;
    const auto golden = Files(
        SharedData(metric == "l2" ? "golden/small/similar_strings_euclidean" : "golden/small/similar_strings_cosine"));
    const auto ours = Files(out);
    ASSERT_EQ(ours.size(), 44U);
    for (const auto& [name, bytes] : golden) {
      ASSERT_TRUE(ours.contains(name)) << name;
      if (name == kBatchMapFile) {
        EXPECT_EQ(ours.at(name), bytes);
        continue;
      }
      EXPECT_EQ(Structure(ours.at(name)), Structure(bytes)) << name;
      ExpectSameNeighbors(ours.at(name), bytes, metric + " " + name);
    }
  }
}

// The parts of a text in which one of the strings stands, with the character that follows: JSON objects, one a line. Of
// these strings they have the counts that the text has.
std::string PartsWith(const std::set<std::string>& strings, const std::string& text) {
  std::map<std::size_t, std::size_t> parts;  // where one begins and ends
  for (const std::string& string : strings) {
    for (std::size_t at = text.find(string); at != std::string::npos; at = text.find(string, at + 1)) {
      parts[at] = std::min(at + string.size() + 1, text.size());
    }
  }
  std::string lines;
  for (auto part = parts.begin(); part != parts.end();) {
    auto [begin, end] = *part;
    for (++part; part != parts.end() && part->first < end; ++part) end = std::max(end, part->second);
    lines += json{{"text", text.substr(begin, end - begin)}}.dump() + "\n";
  }
  return lines;
}

// With the study's own, unpublished weights: its neighbors and the corpus's counts give the predictions that it prints.
TEST(SimilarStringsGoldenTest, ThePublishedNeighborsPredictWhatTheStudyPrints) {
  ACTKIN_NEEDS_SHARED_DATA("golden/published");
  const TemporaryFolder folder;
  const std::string index = folder / "published.actkin";
  // All strings of the corpus take half a minute, and the neighbors are some hundred of them.
  std::set<std::string> neighbors;
  for (const auto& [name, bytes] : Files(SharedData("golden/published"))) {
    if (name == kBatchMapFile) continue;
    const json parsed = json::parse(bytes);
    for (const json& of_prompt : parsed["sim_strings"]) neighbors.insert(of_prompt.begin(), of_prompt.end());
  }
  ASSERT_GT(neighbors.size(), 100U);
  const std::string corpus =
      folder.Write("parts.jsonl", PartsWith(neighbors, ReadFile(SharedData("tinyshakespeare.txt"))));
  ASSERT_EQ(RunCommand({"build", corpus, "--out", index}).status, 0);
  const json imported = RunForJson({"import", index, "--layout", "similar-strings", SharedData("golden/published"),
                                    "--name", "published", "--json"});
  EXPECT_EQ(imported, json({{"prompt_set", "published"},
                            {"prompts", 4},
                            {"k", 10},
                            {"metric", "l2"},
                            {"blocks", 6},
                            {"t_i", {9}},
                            {"files", 13}}));
  const json facts = SharedJson("golden/tinyshakespeare.json");
  for (const auto& [prompt, expected] : facts["published_predictions"].items()) {
    const json tokens = RunForJson({"predict", index, prompt, "--json"})["tokens"];
    ASSERT_EQ(tokens.size(), expected.size()) << prompt;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(tokens[i]["probability"], expected[i][1], 1e-6) << prompt << " " << i;
      const bool tie = i > 0 && expected[i][1] == expected[i - 1][1];
      const bool next_tie = i + 1 < expected.size() && expected[i][1] == expected[i + 1][1];
      if (!tie && !next_tie) {
        EXPECT_EQ(tokens[i]["token"], expected[i][0]) << prompt << " " << i;
      }
    }
  }
  const json evaluated = RunForJson({"evaluate", index, "--prompt-set", "published", "--json"});
  EXPECT_EQ(evaluated["samples"], 4);
  EXPECT_EQ(RunCommand({"verify", index}).status, 0);
}

class SimilarStringsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    corpus_ = folder_->Write("corpus.txt", MadeCorpus(600));
    const std::string model = folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    index_ = *folder_ / "made.actkin";
    const CommandResult built =
        RunCommand({"build", corpus_, "--model", model, "--out", index_, "--length", "5", "--t-i", "3,4"});
    ASSERT_EQ(built.status, 0) << built.err;
    bare_ = *folder_ / "bare.actkin";
    ASSERT_EQ(RunCommand({"build", corpus_, "--out", bare_, "--length", "5"}).status, 0);
    similar_ = *folder_ / "similar";
    const CommandResult exported = RunCommand(Export(similar_));
    ASSERT_EQ(exported.status, 0) << exported.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  // 1 + 2 streams x 2 blocks x 2 positions files for each of 3 batches, and the map.
  static constexpr int kFiles = 9 * 3 + 1;
  static std::vector<std::string> Export(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"export", index_, "--layout", "similar-strings", out,  "--sample", "25", "--t-i",
                                       "3,4",    "-k",   "6",        "--batch",         "10", "--seed",   "5"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static std::string Copy(const std::filesystem::path& of, const std::string& name) {
    const std::string copy = *folder_ / name;
    std::filesystem::remove_all(copy);
    std::filesystem::copy(of, copy, std::filesystem::copy_options::recursive);
    return copy;
  }
  static std::string Query(const std::string& index, const std::string& sql) {
    return SqliteConnection(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kRead)
        .Value(sql)
        .value_or("");
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string corpus_;
  static inline std::string index_;
  static inline std::string bare_;  // without a model
  static inline std::string similar_;
};

TEST_F(SimilarStringsTest, ANeighborIsThatOfQuery) {
  const auto files = Files(similar_);
  ASSERT_EQ(files.size(), kFiles);
  int compared = 0;
  for (const auto& [name, bytes] : files) {
    const auto parsed = ParseSimilarStringsFileName(name);
    if (!parsed) continue;
    const json file = json::parse(bytes);
    const std::string prompt = file["strings"].begin().key();
    const std::size_t number = file["strings"].begin().value();
    const json answer =
        RunForJson({"query", index_, "--json", "-k", "6", "--stream", std::string(Name(parsed->site.stream)), "--block",
                    std::to_string(parsed->site.block), "--t-i",
                    std::to_string(parsed->site.stream == Stream::kEmbedding ? 4 : parsed->site.t_i), "--", prompt});
    for (std::size_t rank = 0; rank < 6; ++rank) {
      const json& neighbor = answer["neighbors"][rank];
      EXPECT_EQ(file["sim_strings"][number][rank], neighbor["text"]) << name;
      EXPECT_EQ(file["distances"][rank][number], neighbor["distance"].get<float>()) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 6 * 27);
}

TEST_F(SimilarStringsTest, ImportedNeighborsPredictAsOurOwn) {
  const std::string index = Copy(bare_, "imported.actkin");
  const json imported =
      RunForJson({"import", index, "--layout", "similar-strings", similar_, "--name", "theirs", "--json"});
  EXPECT_EQ(imported["prompts"], 25);
  EXPECT_EQ(imported["blocks"], 2);
  EXPECT_EQ(imported["files"], 27);
  EXPECT_EQ(Query(index, "SELECT imported FROM prompt_set"), "1");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM saved_neighbors"), "9");
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(index) / "partial"));
  const json map = json::parse(ReadFile(std::filesystem::path(similar_) / kBatchMapFile));
  int compared = 0;
  for (const auto& [prompt, batch] : map.items()) {
    for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
             {"--t-i", "4", "-k", "6"},
             {"--t-i", "3,4", "-k", "3", "--merge", "farthest", "--scheme", "inverse_distance"}}) {
      std::vector<std::string> ours{"predict", index_, "--json"};
      std::vector<std::string> theirs{"predict", index, "--json"};
      for (auto* arguments : {&ours, &theirs}) {
        arguments->insert(arguments->end(), flags.begin(), flags.end());
        arguments->insert(arguments->end(), {"--", prompt});
      }
      EXPECT_EQ(RunForJson(ours)["tokens"], RunForJson(theirs)["tokens"]) << prompt;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 50);
  EXPECT_EQ(RunForJson({"evaluate", index, "--prompt-set", "theirs", "-k", "6", "--t-i", "3,4", "--json"})["samples"],
            25);
  const CommandResult verified = RunCommand({"verify", index});
  EXPECT_EQ(verified.status, 0) << verified.out;
  // And out again, as the same bytes.
  const std::string again = *folder_ / "again";
  ASSERT_EQ(RunCommand({"export", index, "--layout", "similar-strings", again, "--prompt-set", "theirs", "-k", "6",
                        "--t-i", "3,4", "--batch", "10"})
                .status,
            0);
  EXPECT_EQ(Files(again), Files(similar_));
}

TEST_F(SimilarStringsTest, KilledAnywhereAnExportEndsTheSame) {
  const auto whole = Files(similar_);
  int kills = 0;
  for (int number = 1; number < 400; number += 23) {
    const std::string index = Copy(index_, "killed.actkin");
    const std::string out = *folder_ / "killed";
    std::filesystem::remove_all(out);
    std::vector<std::string> arguments = Export(out);
    arguments[1] = index;
    const CommandResult stopped = RunCommand(arguments, {fmt::format("ACTKIN_STOP_BEFORE={}", number)});
    if (stopped.status == 0) break;
    ASSERT_EQ(stopped.status, 128 + 9) << stopped.err;
    ++kills;
    if (std::filesystem::exists(out)) {
      for (const auto& [name, bytes] : Files(out)) {
        if (name.ends_with(".next")) continue;
        EXPECT_EQ(bytes, whole.at(name)) << "a file that is there is whole";
      }
    }
    ASSERT_EQ(RunCommand(arguments).status, 0);
    auto files = Files(out);
    std::erase_if(files, [](const auto& file) { return file.first.ends_with(".next"); });
    EXPECT_EQ(files, whole) << "killed before " << number;
  }
  EXPECT_GT(kills, 4);
}

TEST_F(SimilarStringsTest, AFinishedExportIsLeftAndAnotherIsNotMixedWithIt) {
  const std::string out = Copy(similar_, "finished");
  std::vector<std::string> arguments = Export(out, {"--json"});
  EXPECT_EQ(RunForJson(arguments)["files_before"], kFiles);
  const CommandResult other = RunCommand(Export(out, {"--metric", "cosine"}));
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("holds an export of another request"));
  std::filesystem::remove(std::filesystem::path(out) / ".actkin-export.json");
  const CommandResult unknown = RunCommand(arguments);
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("is there already"));
  EXPECT_EQ(Files(out), Files(similar_));
}

TEST_F(SimilarStringsTest, WhatCannotBeExportedIsNamed) {
  const std::string out = *folder_ / "refused";
  const auto expect = [&](const std::vector<std::string>& more, const std::string& part) {
    std::vector<std::string> arguments{"export", index_, "--layout", "similar-strings", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult refused = RunCommand(arguments);
    EXPECT_NE(refused.status, 0);
    EXPECT_THAT(refused.err, HasSubstr(part));
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  };
  expect({"--prompts", folder_->Write("long.json", R"(["abbacab"])")},
         "the prompts have 7 tokens, the longest strings 5");
  expect({"--prompts", folder_->Write("two.json", R"(["abbac", "ab"])")}, "expected 5");
  expect({"--prompts", folder_->Write("unknown.json", R"(["abbaz"])")}, "unknown.json");
  expect({"--prompts", folder_->Write("twice.json", R"(["abbac", "abbac"])")}, "\"abbac\" stands there twice");
  expect({"--sample", "20", "--t-i", "2"}, "t_i 2");
  expect({"--sample", "20", "-k", "100000"}, "-k 100000");
  expect({"--sample", "20", "--stream", "ffwd"}, "--stream");
  expect({"--sample", "1000000"}, "1000000");
}

class SimilarStringsImportTest : public SimilarStringsTest {
 protected:
  void SetUp() override {
    bad_ = Copy(similar_, "bad");
    target_ = Copy(bare_, "target.actkin");
    catalog_ = ReadFile(std::filesystem::path(target_) / "catalog.db");
  }
  void Change(const std::string& name, const std::function<void(json&)>& change) {
    json file = json::parse(ReadFile(std::filesystem::path(bad_) / name));
    change(file);
    std::ofstream(std::filesystem::path(bad_) / name) << file.dump();
  }
  // The import fails with one line that has the parts, and leaves the directory as it was.
  void ExpectRefused(const std::vector<std::string>& parts, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"import", target_, "--layout", "similar-strings", bad_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult refused = RunCommand(arguments);
    EXPECT_NE(refused.status, 0);
    for (const std::string& part : parts) EXPECT_THAT(refused.err, HasSubstr(part));
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
    EXPECT_EQ(ReadFile(std::filesystem::path(target_) / "catalog.db"), catalog_);
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(target_) / "experiments"));
    const std::filesystem::path partial = std::filesystem::path(target_) / "partial";
    EXPECT_TRUE(!std::filesystem::exists(partial) || std::filesystem::is_empty(partial));
    std::filesystem::remove_all(bad_);
    bad_ = Copy(similar_, "bad");
  }

  std::string bad_;
  std::string target_;
  std::string catalog_;
};

TEST_F(SimilarStringsImportTest, NeighborsAreStringsOfTheCorpus) {
  const std::string name = "ffwd_out_sim_strings-001-01-003.json";
  Change(name, [](json& file) { file["sim_strings"][2][3] = "zzzz"; });
  ExpectRefused({name, "neighbor \"zzzz\"", "is no string of the corpus"});
  Change(name, [](json& file) { file["sim_strings"][2][3] = "abb"; });
  ExpectRefused({name, "neighbor \"abb\"", "has 3 characters, expected 4"});
  Change(name, [](json& file) { file["sim_strings"][2][3] = file["sim_strings"][2][0]; });
  ExpectRefused({name, "stands twice"});
}

TEST_F(SimilarStringsImportTest, FilesThatContradictEachOtherAreNamed) {
  const std::string name = "proj_out_sim_strings-002-00-004.json";
  std::filesystem::remove(std::filesystem::path(bad_) / name);
  ExpectRefused({name, "is missing"});
  Change(name, [](json& file) { file["distances"].erase(5); });
  ExpectRefused({name, "\"distances\" has 5 lists"});
  Change(name, [](json& file) { std::swap(file["distances"][0], file["distances"][5]); });
  ExpectRefused({name, "distances"});
  Change(name, [](json& file) {
    const std::string first = file["strings"].begin().key();
    file["strings"].erase(first);
    file["strings"]["other"] = 0;
  });
  ExpectRefused({name});
  Change(kBatchMapFile, [](json& file) { file["never"] = 0; });
  ExpectRefused({"embs_sim_strings-000.json", "prompts, expected the 11"});
  std::ofstream(std::filesystem::path(bad_) / name)
      << R"({"strings": {"a": 0}, "sim_strings": [["x"]], "distances": [[NaN]]})";
  ExpectRefused({name, "not JSON"});
  std::ofstream(std::filesystem::path(bad_) / name) << std::string(100'000, '[');
  ExpectRefused({name, "a list is not"});
}

TEST_F(SimilarStringsImportTest, WhatContradictsTheIndexIsNamed) {
  const std::string shorter = *folder_ / "shorter.actkin";
  ASSERT_EQ(RunCommand({"build", corpus_, "--out", shorter, "--length", "4"}).status, 0);
  const CommandResult refused = RunCommand({"import", shorter, "--layout", "similar-strings", similar_});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("t_i 4: the corpus's strings have 4 tokens"));
  ExpectRefused({"expected cosine, as asked for"}, {"--metric", "cosine"});
  EXPECT_THAT(RunCommand({"import", target_, "--layout", "npy", similar_}).err,
              HasSubstr("expected activations or similar-strings"));
  bad_ = *folder_ / "nowhere";
  ExpectRefused({"nowhere", "no such folder"});
}

TEST_F(SimilarStringsImportTest, ANameIsGivenOnceAndTheSameImportRepairs) {
  const auto import = [&](const std::string& folder, const std::string& name) {
    return RunCommand({"import", target_, "--layout", "similar-strings", folder, "--name", name});
  };
  ASSERT_EQ(import(similar_, "first").status, 0);
  ASSERT_EQ(import(similar_, "second").status, 0);
  const auto whole = Files(target_ + "/experiments");
  const std::string damaged = target_ + "/" + Query(target_, "SELECT min(file) FROM saved_neighbors");
  std::filesystem::resize_file(damaged, 100);
  EXPECT_EQ(RunCommand({"verify", target_}).status, 1);
  EXPECT_EQ(import(similar_ + "/", "first").status, 0);
  EXPECT_EQ(import(similar_ + "/", "second").status, 0);
  EXPECT_EQ(RunCommand({"verify", target_}).status, 0);
  EXPECT_EQ(Files(target_ + "/experiments"), whole);
  EXPECT_EQ(Query(target_, "SELECT count(*) FROM prompt_set"), "2");
  // Other neighbors of the same prompts are another set.
  std::filesystem::remove_all(bad_);
  ASSERT_EQ(RunCommand(Export(bad_, {"--metric", "cosine"})).status, 0);
  const CommandResult other = import(bad_, "first");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("give another --name"));
  EXPECT_EQ(Files(target_ + "/experiments"), whole);
}

TEST_F(SimilarStringsImportTest, KilledAnywhereAnImportIsThereOrNot) {
  const std::vector<std::string> arguments{"import", target_,  "--layout", "similar-strings",
                                           similar_, "--name", "theirs"};
  int kills = 0;
  for (int number = 1; number < 400; number += 7) {
    target_ = Copy(bare_, "target.actkin");
    const CommandResult stopped = RunCommand(arguments, {fmt::format("ACTKIN_STOP_BEFORE={}", number)});
    if (stopped.status == 0) break;
    ++kills;
    if (Query(target_, "SELECT count(*) FROM prompt_set") == "0") {
      EXPECT_EQ(RunCommand(arguments).status, 0) << "killed before " << number;
    }
    EXPECT_EQ(Query(target_, "SELECT count(*) FROM saved_neighbors"), "9");
    EXPECT_EQ(RunCommand({"verify", target_}).status, 0);
  }
  EXPECT_GT(kills, 5);
}

}  // namespace
}  // namespace actkin
