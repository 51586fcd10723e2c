// The benchmark as tools/bench runs it, on an index made here: what it writes, not how fast anything is.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "storage/exchange/safetensors.h"
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

class BenchTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    const std::string corpus = folder_->Write("corpus.txt", MadeCorpus(900));
    const std::string model = folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    index_ = *folder_ / "made.actkin";
    const CommandResult built =
        RunCommand({"build", corpus, "--model", model, "--out", index_, "--length", "6", "--t-i", "5"});
    ASSERT_EQ(built.status, 0) << built.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static CommandResult Bench(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), index_);
    arguments.insert(arguments.end(), {"--seconds", "0.01", "--scratch", folder_->path().string(), "--threads", "2"});
    return RunProgram(ACTKIN_BENCH, arguments);
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string index_;
};

TEST_F(BenchTest, WritesTheMachineAndOneRowForEachTask) {
  const std::string file = *folder_ / "results.json";
  const CommandResult result = Bench({"--full", "--peers", "memory-scan,library,faiss-flat", "--json", file});
  ASSERT_EQ(result.status, 0) << result.err;
  const json report = json::parse(ReadFile(file));
  EXPECT_TRUE(report["machine"]["processor"].is_string());
  EXPECT_GE(report["machine"]["cores"].get<int>(), 1);
  std::map<std::string, json> rows;
  for (const json& row : report["rows"]) {
    rows[row["name"].get<std::string>() + " " + row["peer"].get<std::string>()] = row;
    EXPECT_GT(row["ours_ms"].get<double>(), 0) << row;
    EXPECT_GT(row["peer_ms"].get<double>(), 0) << row;
    EXPECT_DOUBLE_EQ(row["ratio"].get<double>(), row["peer_ms"].get<double>() / row["ours_ms"].get<double>());
  }
  for (const char* name :
       {"exact/proj/0/k10/q1 memory-scan", "exact/proj/0/k10/q1 faiss-flat", "outside/ffwd/1/k10/q1 faiss-flat",
        "batch/ffwd/0/k10/q4 faiss-flat", "batch/proj/0/k10/q20000 faiss-flat", "sql/proj/1/k10/q1 library",
        "exact/embedding/0/k10/q1 memory-scan", "process/ffwd/1/k10/q1 memory-scan",
        "process-outside/proj/1/k10/q1 memory-scan"}) {
    EXPECT_TRUE(rows.contains(name)) << name;
  }
  EXPECT_EQ(rows["batch/proj/0/k10/q20000 faiss-flat"]["peer_scaled_from"], 500);
  EXPECT_TRUE(rows["exact/proj/0/k10/q1 faiss-flat"].contains("percent_of_scan"));
  // The index has fewer than 1,000 rows.
  EXPECT_FALSE(rows.contains("exact/proj/0/k1000/q1 memory-scan"));
  EXPECT_THAT(report["skipped"].dump(), HasSubstr("k 1000 exceeds"));
  EXPECT_THAT(result.out, AllOf(HasSubstr("exact/proj/0/k10/q1"), HasSubstr("to reach")));
  EXPECT_THAT(result.err, HasSubstr("left]"));
}

TEST_F(BenchTest, ContinuesWhereItStopped) {
  const std::string kept = *folder_ / "kept";
  std::filesystem::create_directory(kept);
  const std::vector<std::string> few = {"--full", "--kinds", "exact", "--sites", "proj/0", "--kept", kept};
  std::vector<std::string> arguments = few;
  arguments.insert(arguments.end(), {"--peers", "memory-scan"});
  ASSERT_EQ(Bench(arguments).status, 0);
  arguments.back() = "memory-scan,faiss-flat";
  const CommandResult second = Bench(arguments);
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(second.err, AllOf(HasSubstr("1 of 4 rows are kept in"), Not(HasSubstr("q1 memory-scan: 0"))));
  EXPECT_THAT(second.out, AllOf(HasSubstr("memory-scan"), HasSubstr("faiss-flat")));
  arguments.push_back("--again");
  EXPECT_THAT(Bench(arguments).err, HasSubstr("exact/proj/0/k10/q1 memory-scan: "));
}

TEST_F(BenchTest, SkipsByNameWhatIsNotThere) {
  const CommandResult result = Bench({"--full", "--sites", "proj/0", "--kinds", "exact", "--peers",
                                      "sqlite-vec,memory-scan", "--extensions", folder_->path() / "nothing"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex("skipped sqlite-vec .*vec0.so is missing"));
}

TEST_F(BenchTest, SearchesTheFirstRowsWhereThatIsAsked) {
  const std::string file = *folder_ / "limited.json";
  const CommandResult result =
      Bench({"--rows", "100", "--sites", "ffwd/1", "--kinds", "exact,batch", "--peers", "faiss-flat", "--json", file});
  ASSERT_EQ(result.status, 0) << result.err;
  const json report = json::parse(ReadFile(file));
  ASSERT_FALSE(report["rows"].empty());
  for (const json& row : report["rows"]) {
    EXPECT_EQ(row["rows"], 100);
    EXPECT_GT(row["site_rows"], 100);
  }
}

TEST_F(BenchTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(Bench({"--sites", "proj/7"}).status, 2);
  EXPECT_THAT(Bench({"--sites", "proj/7"}).err, HasSubstr("no site proj block 7"));
  EXPECT_EQ(Bench({"--peers", "nobody"}).status, 2);
  EXPECT_EQ(Bench({"--kinds", "sql", "--peers", "faiss-flat"}).status, 2);
}

}  // namespace
}  // namespace actkin
