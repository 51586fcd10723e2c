// index and recall from end to end, on a corpus and a model made here.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "storage/catalog/build_lock.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ApproximateCommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TemporaryFolder>();
    const std::string corpus = shared_->Write("corpus.txt", MadeCorpus(900));
    const std::string model = shared_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    const CommandResult built = RunCommand(
        {"build", corpus, "--model", model, "--out", *shared_ / "made.actkin", "--length", "6", "--t-i", "2,5"});
    ASSERT_EQ(built.status, 0) << built.err;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  ApproximateCommandTest() : index_(folder_ / "copy.actkin") {
    std::filesystem::copy(*shared_ / "made.actkin", index_, std::filesystem::copy_options::recursive);
  }

  CommandResult Index(std::vector<std::string> arguments, const std::vector<std::string>& environment = {}) const {
    arguments.insert(arguments.begin(), {"index", index_});
    return RunCommand(arguments, environment);
  }
  CommandResult Query(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"query", index_, "abba c"});
    return RunCommand(arguments);
  }
  std::string Value(const std::string& sql) const {
    SqliteConnection connection(index_ + "/catalog.db", SqliteConnection::Mode::kRead);
    return connection.Value(sql).value_or("none");
  }
  std::string CountIndices() const { return Value("SELECT count(*) FROM site_index WHERE name <> 'exact'"); }
  std::size_t CountFiles() const {
    const std::filesystem::directory_iterator files(index_ + "/sites");
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

  static inline std::unique_ptr<TemporaryFolder> shared_;
  const TemporaryFolder folder_;
  const std::string index_;
};

// On one thread a graph is the same each time: with several, what it finds is theirs to decide.
TEST_F(ApproximateCommandTest, AnIndexIsAddedAskedAndDropped) {
  const std::size_t files = CountFiles();
  const CommandResult added = Index({"--add", "HNSW8", "--threads", "1"});
  EXPECT_EQ(added.status, 0) << added.err;
  EXPECT_THAT(added.out, HasSubstr("added HNSW8 (l2): ffwd block 1 t_i 5 (mlp_out), "));
  EXPECT_EQ(CountIndices(), "8");
  EXPECT_EQ(CountFiles(), files + 8);
  EXPECT_EQ(
      Index({"--add", "IVF2,Flat", "--stream", "ffwd", "--block", "1", "--t-i", "-1", "--metric", "cosine"}).status, 0);
  EXPECT_EQ(CountIndices(), "9");
  EXPECT_EQ(RunCommand({"verify", index_}).status, 0);

  const CommandResult exact = Query({"--json"});
  json expected = json::parse(exact.out);
  json found = json::parse(Query({"--index", "HNSW8", "--param", "efSearch=400", "--json"}).out);
  EXPECT_EQ(found["index"], "HNSW8");
  EXPECT_EQ(found["neighbors"], expected["neighbors"]);
  expected = json::parse(Query({"--metric", "cosine", "--json"}).out);
  found = json::parse(Query({"--metric", "cosine", "--index", "IVF2,Flat", "--param", "nprobe=2", "--json"}).out);
  EXPECT_EQ(found["neighbors"], expected["neighbors"]);

  const CommandResult info = RunCommand({"info", index_});
  EXPECT_THAT(info.out,
              AllOf(HasSubstr("HNSW8 (l2)"), HasSubstr("IVF2,Flat (cosine)"), HasSubstr("a second copy of the rows")));
  const json sites = RunForJson({"info", index_, "--json"})["sites"];
  for (const json& site : sites) {
    if (site["stream"] == "embedding") continue;
    for (const json& index : site["indices"]) {
      EXPECT_EQ(index["holds_rows"], index["name"] == "IVF2,Flat") << index;
      EXPECT_GT(index["bytes"], 0);
    }
  }

  const CommandResult dropped = Index({"--drop", "HNSW8", "--json"});
  EXPECT_EQ(json::parse(dropped.out)["dropped"].size(), 8U);
  EXPECT_EQ(Index({"--drop", "IVF2,Flat"}).status, 0);
  EXPECT_EQ(CountIndices(), "0");
  EXPECT_EQ(CountFiles(), files);
  EXPECT_EQ(Value("PRAGMA journal_mode"), "delete");
  const CommandResult refused = Query({"--index", "HNSW8"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("no index \"HNSW8\" of ffwd block 1 t_i 5 (mlp_out): it has exact\n"));
}

TEST_F(ApproximateCommandTest, WhatAnIndexDoesNotFindIsFilledUp) {
  ASSERT_EQ(Index({"--add", "IVF16,Flat", "--stream", "ffwd", "--block", "1", "--t-i", "5"}).status, 0);
  const CommandResult exact = Query({"-k", "200", "--json"});
  const CommandResult filled = Query({"-k", "200", "--index", "IVF16,Flat", "--json"});
  EXPECT_EQ(exact.err, "");
  EXPECT_THAT(filled.err,
              testing::MatchesRegex("IVF16,Flat found [0-9]+ of 200 rows: exact search filled up [0-9]+\n"));
  const json neighbors = json::parse(filled.out)["neighbors"];
  ASSERT_EQ(neighbors.size(), 200U);
  double before = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(neighbors[i]["rank"], i + 1);
    EXPECT_GE(neighbors[i]["distance"], before);
    before = neighbors[i]["distance"];
  }
  EXPECT_EQ(neighbors[0], json::parse(exact.out)["neighbors"][0]);
  EXPECT_EQ(Query({"-k", "200", "--index", "IVF16,Flat", "--param", "nprobe=16"}).err, "");
  // What is measured is the index, not what exact search makes of it.
  const json recall = json::parse(RunCommand({"recall", index_, "--index", "IVF16,Flat", "--stream", "ffwd", "--block",
                                              "1", "--t-i", "5", "--sample", "20", "-k", "100", "--json"})
                                      .out);
  const std::string dumped = recall.dump();
  const json& runs = recall.at("sites").at(0).at("runs");
  ASSERT_EQ(runs.size(), 2U) << dumped;
  for (const json& run : runs) {
    const double found = run.at("k").back().at("recall");
    ASSERT_EQ(run.at("k").back().at("k"), 100) << dumped;
    if (run.at("index") == "exact") {
      EXPECT_EQ(found, 1) << dumped;
    } else {
      EXPECT_LT(found, 0.95) << dumped;
    }
  }
}

TEST_F(ApproximateCommandTest, WhatCannotBeAddedOrDroppedIsSaidInOneLine) {
  ASSERT_EQ(Index({"--add", "HNSW8", "--t-i", "5", "--stream", "ffwd"}).status, 0);
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const CommandResult result = Index(arguments);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_THAT(refused({}), HasSubstr("--add"));
  EXPECT_THAT(refused({"--add", "HNSW8", "--drop", "HNSW8"}), HasSubstr("one of --add and --drop"));
  EXPECT_THAT(refused({"--add", "HNSX8"}), AllOf(HasSubstr("\"HNSX8\""), HasSubstr("FAISS")));
  EXPECT_THAT(refused({"--add", "PQ5"}), HasSubstr("\"PQ5\""));  // 12 numbers in 5 parts
  EXPECT_THAT(refused({"--add", "HNSW1"}), HasSubstr("HNSW1"));
  EXPECT_THAT(refused({"--add", "exact"}), HasSubstr("exact"));
  EXPECT_THAT(refused({"--add", "HNSW8", "--block", "7"}), AllOf(HasSubstr("block 7: "), HasSubstr("block 0-1")));
  EXPECT_THAT(refused({"--add", "HNSW8", "--t-i", "4"}), AllOf(HasSubstr("t_i 4: "), HasSubstr("t_i 2,5")));
  EXPECT_THAT(refused({"--add", "HNSW8", "--stream", "embedding"}), HasSubstr("stream embedding"));
  EXPECT_THAT(refused({"--add", "HNSW8", "--metric", "l1"}), HasSubstr("l1"));
  EXPECT_THAT(refused({"--add", "HNSW9", "--param", "efConstruction=0"}), HasSubstr("efConstruction=0"));
  EXPECT_THAT(refused({"--add", "HNSW9", "--param", "efBuild=10"}), AllOf(HasSubstr("efBuild"), HasSubstr("HNSW9")));
  EXPECT_THAT(refused({"--drop", "HNSW8", "--param", "efConstruction=9"}), HasSubstr("--param"));
  EXPECT_THAT(refused({"--drop", "HNSW9"}), HasSubstr("HNSW8 (l2)"));
  EXPECT_THAT(refused({"--drop", "HNSW8", "--metric", "cosine"}), HasSubstr("for cosine"));
  EXPECT_THAT(refused({"--drop", "exact"}), HasSubstr("exact"));
  EXPECT_EQ(Index({"--add", "IVF3000,Flat"}).status, 1);  // more lists than rows
  EXPECT_EQ(RunCommand({"verify", index_}).status, 0);
  EXPECT_TRUE(RunForJson({"info", index_, "--json"})["unfinished"].empty());
  // Sites that have it are passed over.
  const CommandResult again = Index({"--add", "HNSW8", "--t-i", "5", "--stream", "ffwd"});
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err, HasSubstr("the 2 sites that match have HNSW8 for l2 already"));
  const CommandResult rest = Index({"--add", "HNSW8"});
  EXPECT_EQ(rest.status, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("2 of 8 sites have it already"));
  EXPECT_EQ(CountIndices(), "8");
}

TEST_F(ApproximateCommandTest, KilledAtAnyStepItIsContinued) {
  const CommandResult undisturbed = Index({"--add", "HNSW8", "--threads", "1"});
  ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
  const std::string rows =
      "SELECT group_concat(site_id || file || bytes || checksum) FROM "
      "(SELECT * FROM site_index WHERE name = 'HNSW8' ORDER BY site_id)";
  const std::string expected = Value(rows);
  ASSERT_EQ(Index({"--drop", "HNSW8"}).status, 0);
  int kills = 0;
  for (const char* step :
       {"write:1", "write:9", "flush:1", "flush:4", "rename:1", "rename:5", "commit:1", "commit:6"}) {
    const CommandResult stopped =
        Index({"--add", "HNSW8", "--threads", "1"}, {fmt::format("ACTKIN_STOP_BEFORE={}", step)});
    EXPECT_EQ(stopped.status, 137) << step << stopped.err;
    kills += stopped.status == 137 ? 1 : 0;
    // What is in the catalog is whole.
    EXPECT_EQ(RunCommand({"verify", index_}).status, 0) << step;
    EXPECT_EQ(Query({}).status, 0) << step;
    EXPECT_EQ(Index({"--add", "HNSW8", "--threads", "1"}).status, 0) << step;
    EXPECT_EQ(Value(rows), expected) << step;
    EXPECT_THAT(RunCommand({"verify", index_}).out, Not(HasSubstr("leftover"))) << step;
    EXPECT_EQ(Value("PRAGMA journal_mode"), "delete");
    ASSERT_EQ(Index({"--drop", "HNSW8"}).status, 0);
  }
  EXPECT_EQ(kills, 8);
  // A killed drop leaves no row without its file.
  ASSERT_EQ(Index({"--add", "HNSW8"}).status, 0);
  EXPECT_EQ(Index({"--drop", "HNSW8"}, {"ACTKIN_STOP_BEFORE=commit:3"}).status, 137);
  EXPECT_EQ(CountIndices(), "6");
  EXPECT_EQ(RunCommand({"verify", index_}).status, 0);
  EXPECT_EQ(Index({"--drop", "HNSW8"}).status, 0);
  EXPECT_EQ(CountIndices(), "0");
}

TEST_F(ApproximateCommandTest, AnIndexIsBuiltWithItsParameters) {
  const std::vector<std::string> one_thread = {"--add", "HNSW4", "--stream", "ffwd", "--block", "1", "--threads", "1"};
  std::set<std::string> checksums;
  for (const char* parameters : {"", "efConstruction=40", "efConstruction=2"}) {
    std::vector<std::string> arguments = one_thread;
    if (*parameters != '\0') arguments.insert(arguments.end(), {"--param", parameters});
    ASSERT_EQ(Index(arguments).status, 0);
    checksums.insert(Value("SELECT group_concat(checksum) FROM site_index WHERE name = 'HNSW4'"));
    ASSERT_EQ(Index({"--drop", "HNSW4"}).status, 0);
  }
  EXPECT_EQ(checksums.size(), 2U);  // 40 is FAISS's own
}

TEST_F(ApproximateCommandTest, OneWriterAtATime) {
  const BuildLock lock{IndexDirectory(index_)};
  for (const char* flag : {"--add", "--drop"}) {
    const CommandResult refused = Index({flag, "HNSW8"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("another build is at work"));
  }
}

TEST_F(ApproximateCommandTest, RecallIsMeasuredSavedAndDrawn) {
  ASSERT_EQ(Index({"--add", "HNSW8", "--stream", "ffwd", "--threads", "1"}).status, 0);
  const std::string plot = folder_ / "recall.svg";
  const std::vector<std::string> arguments = {"recall",   index_, "--index",  "HNSW8", "--param", "efSearch=1,16,400",
                                              "--block",  "0-1",  "--stream", "ffwd",  "--t-i",   "5",
                                              "--sample", "60",   "--plot",   plot,    "--json"};
  const CommandResult result = RunCommand(arguments);
  ASSERT_EQ(result.status, 0) << result.err;
  const json printed = json::parse(result.out);
  EXPECT_EQ(printed["saved"], true);
  ASSERT_EQ(printed["sites"].size(), 2U);
  for (const json& site : printed["sites"]) {
    EXPECT_EQ(site["prompts"], 60);
    ASSERT_EQ(site["runs"].size(), 4U);  // exact, and three of efSearch
    EXPECT_EQ(site["runs"][0]["index"], "exact");
    for (const json& at_k : site["runs"][0]["k"]) EXPECT_EQ(at_k["recall"], 1);
    EXPECT_EQ(site["runs"][3]["parameters"], "efSearch=400");
    for (std::size_t i = 0; i < 3; ++i) {
      const json& at_k = site["runs"][3]["k"][i];
      EXPECT_EQ(at_k["k"], std::vector<int>({1, 10, 100})[i]);
      EXPECT_GE(at_k["recall"], 0.99);
      EXPECT_LE(at_k["median_ms"], at_k["p99_ms"]);
      EXPECT_GT(at_k["median_ms"], 0);
      EXPECT_GE(at_k["recall"], site["runs"][1]["k"][i]["recall"]);
    }
  }
  EXPECT_EQ(Value("SELECT count(*) FROM recall"), "24");
  EXPECT_EQ(Value("SELECT count(*) FROM recall WHERE name = 'HNSW8' AND k = 10 AND parameters = 'efSearch=16'"), "2");
  const std::string svg = ReadFile(plot);
  for (const char* text :
       {"recall@10", "median ms", "efSearch=16", "HNSW8, ffwd block 0 t_i 5", "exact, ffwd block 1"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  // Measured again, the rows are replaced.
  EXPECT_EQ(RunCommand(arguments).status, 0);
  EXPECT_EQ(Value("SELECT count(*) FROM recall"), "24");
  EXPECT_EQ(Value("PRAGMA journal_mode"), "delete");
}

TEST_F(ApproximateCommandTest, RecallForPeople) {
  ASSERT_EQ(Index({"--add", "HNSW8", "--stream", "ffwd"}).status, 0);
  const CommandResult result =
      RunCommand({"recall", index_, "--index", "HNSW8", "--param", "efSearch=32", "--sample", "20", "-k", "3"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("ffwd block 1 t_i 5 (mlp_out)  HNSW8 (l2)"), HasSubstr("20 prompts (seed 1337)"),
                    HasSubstr("recall@1  recall@3  recall@10  recall@100"), HasSubstr("median ms, k 3"),
                    HasSubstr("efSearch=32"), HasSubstr("built in 0:0")));
  EXPECT_THAT(result.err, HasSubstr("8 rows saved in the catalog's table recall"));
  EXPECT_EQ(Value("SELECT count(*) FROM recall"), "8");
  // Who may not write measures all the same.
  const BuildLock lock{IndexDirectory(index_)};
  const CommandResult unsaved = RunCommand({"recall", index_, "--index", "HNSW8", "--sample", "5"});
  EXPECT_EQ(unsaved.status, 0) << unsaved.err;
  EXPECT_THAT(unsaved.out, HasSubstr("(no parameters)"));
  EXPECT_THAT(unsaved.err, HasSubstr("not saved: "));
}

// Searches that stop early stand beside approximate indices.
TEST_F(ApproximateCommandTest, RecallOfExactThatStopsEarly) {
  const CommandResult result =
      RunCommand({"recall", index_, "--index", "exact", "--param", "rows=64,100000", "--stream", "ffwd", "--block",
                  "-1", "--t-i", "5", "--sample", "20", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const json runs = json::parse(result.out)["sites"][0]["runs"];
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0]["parameters"], "");
  EXPECT_EQ(runs[1]["parameters"], "rows=64");
  EXPECT_EQ(runs[2]["parameters"], "rows=100000");
  for (const json& at_k : runs[2]["k"]) EXPECT_EQ(at_k["recall"], 1);
  EXPECT_EQ(Value("SELECT count(DISTINCT parameters) FROM recall WHERE name = 'exact'"), "3");
  const CommandResult people = RunCommand({"recall", index_, "--index", "exact", "--param", "recall=.9", "--stream",
                                           "ffwd", "--block", "-1", "--t-i", "5", "--sample", "5"});
  EXPECT_THAT(people.out, AllOf(HasSubstr("exact"), HasSubstr("recall=0.9"))) << people.err;
}

TEST_F(ApproximateCommandTest, RecallAmongSomeRowsIsMeasuredAndNotSaved) {
  ASSERT_EQ(Index({"--add", "HNSW8", "--stream", "ffwd"}).status, 0);
  const std::vector<std::string> asked = {
      "recall", index_,  "--index", "HNSW8",    "--stream", "ffwd",    "--block",
      "-1",     "--t-i", "5",       "--sample", "10",       "--where", "string_id % 2 = 0"};
  std::vector<std::string> arguments = asked;
  arguments.insert(arguments.end(), {"--max-length", "1e6", "--json"});
  const CommandResult result = RunCommand(arguments);
  ASSERT_EQ(result.status, 0) << result.err;
  const json printed = json::parse(result.out);
  EXPECT_EQ(printed["saved"], false);
  EXPECT_EQ(Value("SELECT count(*) FROM recall"), "0");
  const json& site = printed["sites"][0];
  EXPECT_EQ(site["where"], "string_id % 2 = 0");
  EXPECT_EQ(site["max_length"], 1e6);
  const int rows = site["rows"];
  const int half = site["rows_that_pass"];
  EXPECT_TRUE(half == rows / 2 || half == (rows + 1) / 2) << half << " of " << rows;
  for (const json& at_k : site["runs"][0]["k"]) EXPECT_EQ(at_k["recall"], 1);
  EXPECT_THAT(RunCommand(asked).out, HasSubstr(" rows, where string_id % 2 = 0; 10 prompts"));
  arguments.back() = "--where";
  arguments.push_back("string_id < 0");
  arguments.erase(arguments.begin() + 12, arguments.begin() + 14);
  const CommandResult none = RunCommand(arguments);
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("0 of its rows pass"));
}

TEST_F(ApproximateCommandTest, RecallOfWhatIsNotThere) {
  const auto refused = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"recall", index_});
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    return result.err;
  };
  EXPECT_THAT(refused({"--index", "HNSW8"}), HasSubstr("it has exact"));
  EXPECT_THAT(refused({"--index", "exact"}), HasSubstr("rows=1000"));
  EXPECT_THAT(refused({"--index", "exact", "--param", "efSearch=16"}), HasSubstr("rows=N"));
  EXPECT_THAT(refused({"--index", "HNSW8", "--block", "9"}), HasSubstr("no site ffwd block 9"));
  EXPECT_THAT(refused({"--index", "HNSW8", "--sample", "0"}), HasSubstr("--sample 0"));
  EXPECT_THAT(refused({"--index", "HNSW8", "-k", "0"}), HasSubstr("-k 0"));
  ASSERT_EQ(Index({"--add", "HNSW8"}).status, 0);
  EXPECT_THAT(refused({"--index", "HNSW8", "--param", "16,32"}), HasSubstr("NAME=NUMBER"));
  EXPECT_THAT(refused({"--index", "HNSW8", "--param", "nprobe=1"}), HasSubstr("efSearch"));
}

}  // namespace
}  // namespace actkin
