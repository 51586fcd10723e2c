// What evaluate saves: searched once, whole whenever it was killed, readable, and verified.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "storage/catalog/catalog.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/catalog/sqlite.h"
#include "storage/directory/publish.h"
#include "storage/formats/saved_neighbors_file.h"
#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class EvaluateTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(300, "2-4"); }

  static json Evaluate(const std::string& index, const std::vector<std::string>& more) {
    return Run("evaluate", index, more);
  }
};

const std::vector<std::string> kTables{"prompt_set",        "prompt",     "saved_neighbors", "saved_band_totals",
                                       "saved_predictions", "evaluation", "evaluation_top_n"};

TEST_F(EvaluateTest, KilledAtEveryStepAndContinuedItEndsTheSame) {
  const std::vector<std::string> flags{"--sample", "40", "--t-i", "3,4", "-k", "4"};
  const std::vector<std::string> band_flags{"--sample", "40", "--within", ":1.5", "--scheme", "last_ffwd_only"};
  const std::string undisturbed = Copy("undisturbed");
  const json expected = Evaluate(undisturbed, flags);
  const json expected_bands = Evaluate(undisturbed, band_flags);
  ExpectSound(undisturbed);
  const std::map<std::string, std::string> files = Experiments(undisturbed);
  // The embedding, proj and ffwd of two blocks at two positions, one band, the model's predictions.
  EXPECT_EQ(files.size(), 1U + 2 * 2 * 2 + 1 + 1);
  int kills = 0;
  for (const auto& [kind, step] :
       std::map<std::string, int>{{"write", 13}, {"flush", 11}, {"rename", 4}, {"commit", 5}}) {
    for (int number = 1;; number += step) {
      const std::string index = Copy("killed");
      const CommandResult stopped =
          RunCommand(Arguments("evaluate", index, flags), {fmt::format("ACTKIN_STOP_BEFORE={}:{}", kind, number)});
      if (stopped.status == 0) break;
      ASSERT_EQ(stopped.status, 128 + 9) << stopped.err;
      ++kills;
      ExpectSound(index);
      EXPECT_EQ(Evaluate(index, flags), expected) << "killed before " << kind << " " << number;
      RunCommand(Arguments("evaluate", index, band_flags),
                 {fmt::format("ACTKIN_STOP_BEFORE={}:{}", kind, 1 + number % 7)});
      EXPECT_EQ(Evaluate(index, band_flags), expected_bands);
      EXPECT_EQ(Experiments(index), files) << "killed before " << kind << " " << number;
      for (const std::string& table : kTables) EXPECT_EQ(Rows(index, table), Rows(undisturbed, table)) << table;
      EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(index) / "partial"));
    }
  }
  EXPECT_GT(kills, 8);
}

// What was saved answers as the search did, for any smaller k, without the sites' rows.
TEST_F(EvaluateTest, SearchesASiteOnce) {
  const std::string index = Copy("once");
  const std::string searched = Copy("searched");
  Evaluate(index, {"--sample", "50", "--t-i", "2-4", "-k", "12", "--scheme", "all"});
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(index) / "sites")) {
    if (entry.path().extension() != ".rows") std::filesystem::remove(entry.path());
  }
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"-k", "12", "--t-i", "2-4", "--merge", "nearest,farthest"},
                                             {"-k", "1,3,7", "--t-i", "4", "--t-i", "3,4"},
                                             // A band that is open towards the nearest cuts the same lists.
                                             {"-k", "5", "--within", ":0.8"},
                                             {"--half", "second"}}) {
    std::vector<std::string> all{"--sample", "50", "--scheme", "all"};
    all.insert(all.end(), flags.begin(), flags.end());
    EXPECT_EQ(Evaluate(index, all)["runs"], Evaluate(searched, all)["runs"]) << json(flags).dump();
  }
  EXPECT_NE(RunCommand(Arguments("evaluate", index, {"--sample", "50", "-k", "13"})).status, 0);
}

// Of several k the largest is searched, for all of them.
TEST_F(EvaluateTest, ASiteIsSearchedOnceForEveryK) {
  const std::string index = Copy("largest");
  Evaluate(index, {"--sample", "20", "-k", "1,7,3", "--t-i", "4", "--t-i", "3,4", "--scheme", "all"});
  EXPECT_EQ(Query(index, "SELECT group_concat(DISTINCT k) FROM saved_neighbors"), "7");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM saved_neighbors"), "9");
}

TEST_F(EvaluateTest, HalvesAreTheWholeTakenApart) {
  const std::string index = Copy("halves");
  const json whole = Evaluate(index, {"--sample", "51"});
  const json first = Evaluate(index, {"--sample", "51", "--half", "first"});
  const json second = Evaluate(index, {"--sample", "51", "--half", "second"});
  EXPECT_EQ(first["samples"], 25);
  EXPECT_EQ(second["samples"], 26);
  const auto mean = [](const json& result) { return result["runs"][0]["hellinger_mean"].get<double>(); };
  EXPECT_NEAR(25 * mean(first) + 26 * mean(second), 51 * mean(whole), 1e-9);
}

TEST_F(EvaluateTest, ResultsAreInTheCatalogOnceForEachRun) {
  const std::string index = Copy("results");
  const std::vector<std::string> flags{"--sample", "30", "--scheme", "all", "-k", "2,3", "--metric", "cosine"};
  const json found = Evaluate(index, flags);
  Evaluate(index, flags);
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation"), "10");
  EXPECT_EQ(Query(index, "SELECT count(*) FROM evaluation_top_n"), "100");
  for (const json& run : found["runs"]) {
    const std::string where = fmt::format(
        "FROM evaluation JOIN evaluation_top_n USING (evaluation_id) WHERE scheme = '{}' AND k = {} AND n = 2 AND "
        "metric = 'cosine' AND t_is = '4' AND compared_with = 'model'",
        run["scheme"].get<std::string>(), run["k"].get<int>());
    EXPECT_EQ(Query(index, "SELECT count(*) " + where), "1");
    EXPECT_NEAR(std::stod(Query(index, "SELECT hellinger_mean " + where)), run["hellinger_mean"].get<double>(), 1e-9);
    EXPECT_NEAR(std::stod(Query(index, "SELECT in_order " + where)), run["top_n"][1].get<double>(), 1e-9);
    EXPECT_NEAR(std::stod(Query(index, "SELECT any_order " + where)), run["top_n_any_order"][1].get<double>(), 1e-9);
  }
  const std::string plain = RunCommand({"evaluate", index, "--sample", "30", "--scheme", "all"}).out;
  EXPECT_THAT(plain, testing::AllOf(HasSubstr("30 prompts"), HasSubstr("nth token equal"),
                                    HasSubstr("first n as a set"), HasSubstr("Hellinger")));
}

TEST_F(EvaluateTest, ASchemeOfAUserIsSavedUnderItsName) {
  const std::string index = Copy("schemes");
  const std::string file = folder_->Write("mine.json", R"({"ffwd": {"1": 1}})");
  const json by_file = RunForJson({"predict", index, "abba ", "--scheme", file, "--json"});
  EXPECT_EQ(by_file["scheme"], "mine");
  const json by_name = RunForJson({"predict", index, "abba ", "--scheme", "mine", "--json"});
  EXPECT_EQ(by_name, by_file);
  EXPECT_EQ(by_name["tokens"],
            RunForJson({"predict", index, "abba ", "--scheme", "last_ffwd_only", "--json"})["tokens"]);
  EXPECT_EQ(Query(index, "SELECT weight FROM scheme_weight WHERE scheme = 'mine' AND stream = 'ffwd' AND block = 1"),
            "1.0");
  EXPECT_EQ(Evaluate(index, {"--sample", "20", "--scheme", "all"})["runs"].size(), 6U);
  // Another of the same name takes its place, and says so.
  folder_->Write("mine.json", R"({"ffwd": {"0": 1}, "metric": "cosine", "within": {"ffwd": ["0.1:", null]}})");
  const CommandResult again = RunCommand({"predict", index, "abba ", "--scheme", file, "--metric", "cosine"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("takes the place"));
  EXPECT_EQ(Query(index, "SELECT band FROM scheme_weight WHERE stream = 'ffwd' AND block = 0"), "0.1:");
  // "all" leaves it out where its bands mean nothing; who names it is told.
  const json both = Evaluate(index, {"--sample", "20", "--scheme", "all", "--metric", "l2,cosine"});
  EXPECT_EQ(std::ranges::count(both["runs"], "mine", [](const json& run) { return run["scheme"]; }), 1);
  const CommandResult all = RunCommand({"predict", index, "abba ", "--scheme", "all", "--metric", "l2"});
  EXPECT_EQ(all.status, 0);
  EXPECT_THAT(all.err, HasSubstr("left out for l2"));
  const CommandResult other_metric = RunCommand({"predict", index, "abba ", "--scheme", "mine", "--metric", "l2"});
  EXPECT_EQ(other_metric.status, 2);
  EXPECT_THAT(other_metric.err, HasSubstr("its bands are in cosine"));
  ExpectSound(index);
}

// The neighbors of a set that was imported serve predict and evaluate where no site is built, with or without a model.
TEST_F(EvaluateTest, ImportedNeighborsNeedNoSite) {
  const std::string corpus = Corpus();
  const std::string index = *folder_ / "counts.actkin";
  ASSERT_EQ(RunCommand({"build", corpus, "--out", index, "--length", "5"}).status, 0);
  const IndexDirectory directory(index);
  // Each prompt has itself as its only neighbor: predictions are what follows it.
  std::vector<PromptRow> prompts;
  std::vector<std::vector<SavedNeighbor>> neighbors;
  {
    const auto connection = OpenCatalog(directory);
    Catalog catalog(connection->handle());
    const LengthRow length = catalog.Lengths().back();
    for (StringOrdinal ordinal = 0; ordinal < 12; ++ordinal) {
      const StringRow row = catalog.String(length.first_string_id + ordinal);
      prompts.push_back({row.text, row.string_id, row.tokens, {}});
      neighbors.push_back({{ordinal, 0.0F}});
    }
  }
  std::vector<SavedNeighborsRow> saved;
  for (const Stream stream : {Stream::kEmbedding, Stream::kProj, Stream::kFfwd}) {
    const Site site{stream, 0, 4};
    const std::string name = IndexDirectory::SavedNeighbors("theirs", site, Metric::kL2, 1, std::nullopt);
    const std::filesystem::path partial = ExperimentPartial(directory, name);
    SavedNeighborsWriter writer(partial, prompts.size(), 1);
    writer.Write(neighbors);
    saved.push_back({site, Metric::kL2, 1, std::nullopt, PublishFile(directory, partial, name, writer.Finish())});
  }
  PromptSetRow set;
  set.name = "theirs";
  set.length = 5;
  set.sha256 = PromptsSha256(prompts, {});
  set.imported = true;
  ExperimentWriter(directory).AddPromptSet(set, prompts, saved);
  ExpectSound(index);

  const json own = RunForJson({"predict", index, prompts[3].text, "-k", "1", "--json"});
  EXPECT_EQ(own["tokens"],
            RunForJson({"predict", index, prompts[3].text, "--scheme", "prompt_only", "--json"})["tokens"]);
  EXPECT_TRUE(own["model"].empty());
  const json similar = RunForJson({"similar", index, prompts[3].text, "-k", "1", "--json"});
  EXPECT_EQ(similar["blocks"][0]["ffwd"][0]["text"], prompts[3].text);
  const json found = Evaluate(index, {"--prompt-set", "theirs", "-k", "1", "--scheme", "all"});
  EXPECT_EQ(found["compared_with"], "corpus");
  EXPECT_NEAR(found["runs"][0]["hellinger_mean"].get<double>(), 0, 1e-7);
  EXPECT_EQ(found["runs"][0]["top_n"][0], 1.0);

  const CommandResult absent = RunCommand({"predict", index, "ddddd", "-k", "1"});
  EXPECT_EQ(absent.status, 2);
  EXPECT_THAT(absent.err, HasSubstr("no site"));
  ExpectFailure({"evaluate", index, "--prompt-set", "theirs", "-k", "1", "--where", "occurrences > 1"}, 2,
                "prompt set \"theirs\": its neighbors were imported, of all rows: ask it without a filter");
  const CommandResult more = RunCommand({"evaluate", index, "--prompt-set", "theirs", "-k", "2"});
  EXPECT_EQ(more.status, 2);
  EXPECT_THAT(more.err, testing::AllOf(HasSubstr("theirs"), HasSubstr("k 2")));
}

TEST_F(EvaluateTest, DamageIsFoundAndNamed) {
  const std::string index = Copy("damage");
  Evaluate(index, {"--sample", "30", "--scheme", "all"});
  Evaluate(index, {"--sample", "30", "--within", ":1", "--scheme", "last_ffwd_only"});
  ExpectSound(index);
  for (const auto& [file, bytes] : Experiments(index)) {
    const std::filesystem::path path = std::filesystem::path(index) / "experiments" / file;
    std::string damaged = bytes;
    damaged[damaged.size() - 3] ^= 4;
    std::ofstream(path, std::ios::binary) << damaged;
    const CommandResult verified = RunCommand({"verify", index});
    EXPECT_EQ(verified.status, 1);
    EXPECT_THAT(verified.out, HasSubstr(file));
    // Of another size or header it is not opened.
    std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() - 8);
    const CommandResult evaluated =
        RunCommand(Arguments("evaluate", index,
                             file.ends_with(".totals") ? std::vector<std::string>{"--sample", "30", "--within", ":1",
                                                                                  "--scheme", "last_ffwd_only"}
                                                       : std::vector<std::string>{"--sample", "30"}));
    EXPECT_EQ(evaluated.status, 1) << file;
    EXPECT_THAT(evaluated.err, HasSubstr(file));
    std::ofstream(path, std::ios::binary) << bytes;
  }
  SqliteConnection(std::filesystem::path(index) / "catalog.db", SqliteConnection::Mode::kWrite)
      .Execute("UPDATE prompt SET text = 'ddddd' WHERE number = 3");
  const CommandResult verified = RunCommand({"verify", index});
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.out, HasSubstr("prompt set \"sample-30-seed-1337\""));
}

TEST_F(EvaluateTest, BadInputIsNamedAndNothingIsWritten) {
  const std::string index = Copy("bad");
  const std::string before = ReadFile(std::filesystem::path(index) / "catalog.db");
  const auto expect = [&](std::vector<std::string> arguments, const auto&... parts) {
    arguments.insert(arguments.begin() + 1, index);
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, 2) << json(arguments).dump() << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::AllOf(testing::StartsWith("actkin: "), HasSubstr(parts)...));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  };
  const auto file = [&](const std::string& name, const std::string& bytes) -> std::string {
    return folder_->Write(name, bytes);
  };
  for (const std::string command : {"predict", "evaluate"}) {
    const auto with = [&](const std::vector<std::string>& more) {
      std::vector<std::string> arguments{command};
      if (command == "predict") arguments.emplace_back("abba ");
      if (command == "evaluate") arguments.insert(arguments.end(), {"--sample", "10"});
      arguments.insert(arguments.end(), more.begin(), more.end());
      return arguments;
    };
    expect(with({"--scheme", file("a.json", R"({"fwd": [1, 1]})")}), "a.json", "unknown key \"fwd\"");
    expect(with({"--scheme", file("b.json", R"({"ffwd": [1, 1, 1]})")}), "b.json", "block 2", "blocks are 0-1");
    expect(with({"--scheme", file("c.json", R"({"ffwd": "1"})")}), "c.json", "ffwd");
    expect(with({"--scheme", "mine"}), "\"mine\"", "progressive_ffwd_weight");
    expect(with({"--t-i", "1"}), "no site proj block 0 t_i 1", "t_i 2-4");
    expect(with({"--t-i", "7"}), "t_i 7", "0 to 4");
    expect(with({"-k", "0"}), "-k 0", "at least 1");
    expect(with({"-k", "100000"}), "100000", "rows");
    expect(with({"--metric", "euclidean"}), "euclidean", "cosine");
    expect(with({"--merge", "largest"}), "largest", "farthest");
    expect(with({"--within", "1"}), "--within", "LOW:HIGH");
    expect(with({"--within", "0:1,0:1,0:1"}), "--within", "3 bands", "2 blocks");
  }
  expect({"similar", "abba ", "--lengths", "6"}, "--lengths 6", "1 to 5");
  expect({"similar", "abba ", "--lengths", "3", "--t-i", "4"}, "give one of them");
  expect({"evaluate", "--sample", "0"}, "0 prompts");
  expect({"evaluate", "--sample", "1000000"}, "1000000", "strings");
  expect({"evaluate", "--sample", "10", "--half", "third"}, "third", "first or second");
  expect({"evaluate", "--prompts", file("p.json", R"(["abba ", "abb"])")}, "p.json", "\"abb\"", "3 tokens",
         "expected 5");
  expect({"evaluate", "--prompts", file("p.json", R"(["abba ", "xyzzy"])")}, "p.json", "xyzzy");
  expect({"evaluate", "--prompts", file("p.json", R"(["abba ", ""])")}, "p.json", "empty");
  expect({"evaluate", "--prompts", file("p.json", R"(["abba ", 5])")}, "p.json", "strings");
  expect({"evaluate", "--prompts", file("p.json", "[]")}, "p.json", "no prompts");
  expect({"evaluate", "--prompts", file("p.json", R"(["abbacabba"])")}, "p.json", "9 tokens", "at most 8");
  expect({"evaluate", "--prompt-set", "theirs"}, "theirs", "this index has none");
  expect({"predict", "abba ", "--prompt-set", "theirs"}, "theirs", "this index has none");
  expect({"evaluate", "--prompt-set", "theirs", "--sample", "10"}, "--sample", "give one of them");
  EXPECT_EQ(ReadFile(std::filesystem::path(index) / "catalog.db"), before);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(index) / "experiments"));
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(index) / "partial"));
}

TEST_F(EvaluateTest, APromptLongerThanTheStringsLeavesOutTheEmbedding) {
  const json found = RunForJson({"predict", Index(), "abbacab", "--json"});
  EXPECT_FALSE(found["tokens"].empty());
  ASSERT_EQ(found["notes"].size(), 1U);
  EXPECT_THAT(found["notes"][0], HasSubstr("embedding is left out"));
}

TEST_F(EvaluateTest, NothingToSayIsANoteAndNeverNaN) {
  const std::string index = Index();
  const json absent = RunForJson({"predict", index, "ddddd", "--scheme", "prompt_only", "--json"});
  EXPECT_TRUE(absent["tokens"].empty());
  EXPECT_EQ(absent["hellinger"], 1.0);
  EXPECT_THAT(absent["notes"][0], HasSubstr("not in the corpus"));
  const json empty =
      RunForJson({"predict", index, "abba ", "--within", "1e9:", "--scheme", "last_ffwd_only", "--json"});
  EXPECT_TRUE(empty["tokens"].empty());
  EXPECT_THAT(empty["notes"][0], HasSubstr("no neighbors in its bands"));
}

}  // namespace
}  // namespace actkin
