// Names of rows, their JSON, the file that they are kept in, the plan, and the check of a peer's answers.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"
#include "tools/benchmarks/answers.h"
#include "tools/benchmarks/interleave.h"
#include "tools/benchmarks/kept_rows.h"
#include "tools/benchmarks/plan.h"
#include "tools/benchmarks/report.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

BenchRow MakeRow(const std::string& name, const std::string& peer, double ours_ms, double peer_ms) {
  BenchRow row;
  row.name = ParseRowName(name);
  row.peer = peer;
  row.ours_ms = ours_ms;
  row.peer_ms = peer_ms;
  row.rows = row.site_rows = 858923;
  row.program = "0123";
  return row;
}

TEST(RowNameTest, IsKindStreamBlockNeighborsQueries) {
  const RowName name{"exact", Stream::kProj, 0, 10, 1};
  EXPECT_EQ(Text(name), "exact/proj/0/k10/q1");
  EXPECT_EQ(ParseRowName("exact/proj/0/k10/q1"), name);
  EXPECT_EQ(ParseRowName("batch/ffwd/5/k10/q20000"), (RowName{"batch", Stream::kFfwd, 5, 10, 20000}));
  for (const char* wrong :
       {"", "exact", "exact/proj/0/k10", "exact/proj/0/10/q1", "exact/proj/x/k10/q1", "exact/proj/0/k10/q1/",
        "exact/proj/0/k10/q1x", "exact/proj/-1/k10/q1", "/proj/0/k10/q1", "exact/other/0/k10/q1"}) {
    EXPECT_THROW(ParseRowName(wrong), Error) << wrong;
  }
}

TEST(BenchRowTest, ComesBackFromJson) {
  BenchRow row = MakeRow("batch/ffwd/5/k10/q20000", "faiss-flat", 2, 30);
  row.peer_scaled_from = 500;
  row.percent_of_scan = 6.5;
  row.peer_build_seconds = 1.5;
  row.ours_setting = "exact";
  const json written = ToJson(row);
  EXPECT_EQ(written["name"], "batch/ffwd/5/k10/q20000");
  EXPECT_EQ(written["peer"], "faiss-flat");
  EXPECT_EQ(written["ours_ms"], 2);
  EXPECT_EQ(written["peer_ms"], 30);
  EXPECT_EQ(written["ratio"], 15);
  EXPECT_FALSE(written.contains("ours_scaled_from"));
  EXPECT_EQ(json(ToJson(BenchRowFromJson(written))), written);
}

TEST(BenchRowTest, AnErrorHasNoTimes) {
  BenchRow row = MakeRow("exact/proj/0/k10/q1", "faiss-flat", 2, 30);
  row.error = "the answers differ";
  const json written = ToJson(row);
  EXPECT_EQ(written["error"], "the answers differ");
  EXPECT_FALSE(written.contains("ratio"));
  EXPECT_EQ(BenchRowFromJson(written).error, "the answers differ");
}

TEST(BenchRowTest, RefusesJsonThatIsNoRow) {
  EXPECT_THROW(BenchRowFromJson(json::parse(R"({"name": "exact/proj/0/k10/q1"})")), Error);
  EXPECT_THROW(BenchRowFromJson(json::parse(R"({"name": 3, "peer": "x"})")), Error);
}

TEST(KeptRowsTest, ContinuesWithTheSameSubjectOnly) {
  const TemporaryFolder folder;
  {
    KeptRows kept(folder.path(), {{"rows", 100}});
    kept.Put(MakeRow("exact/proj/0/k10/q1", "faiss-flat", 1, 2));
    kept.Put(MakeRow("exact/proj/0/k10/q1", "sqlite-vec", 1, 3));
    kept.Put(MakeRow("exact/proj/0/k10/q1", "faiss-flat", 1, 4));
  }
  const KeptRows same(folder.path(), {{"rows", 100}});
  ASSERT_EQ(same.rows().size(), 2U);
  EXPECT_EQ(same.rows()[0].peer_ms, 4);
  EXPECT_TRUE(same.Has(ParseRowName("exact/proj/0/k10/q1"), "sqlite-vec"));
  EXPECT_FALSE(same.Has(ParseRowName("exact/proj/0/k10/q1"), "hnswlib"));
  EXPECT_FALSE(same.Has(ParseRowName("exact/proj/1/k10/q1"), "sqlite-vec"));
  EXPECT_TRUE(KeptRows(folder.path(), {{"rows", 200}}).rows().empty());
  EXPECT_EQ(KeptRows(folder.path(), {{"rows", 100}}).rows().size(), 2U) << "the other subject's file took its place";
}

TEST(KeptRowsTest, RowsWithErrorsAreMeasuredAgain) {
  const TemporaryFolder folder;
  KeptRows kept(folder.path(), {});
  BenchRow row = MakeRow("exact/proj/0/k10/q1", "faiss-flat", 1, 2);
  row.error = "the answers differ";
  kept.Put(row);
  EXPECT_FALSE(kept.Has(row.name, row.peer));
}

TEST(KeptRowsTest, NamesTheFileThatIsNoneOfItsOwn) {
  const TemporaryFolder folder;
  KeptRows kept(folder.path(), {{"rows", 100}});
  kept.Put(MakeRow("exact/proj/0/k10/q1", "faiss-flat", 1, 2));
  for (const char* damaged : {"", "[]", R"({"rows": [{}]})", R"({"rows": 3})"}) {
    ReplaceFile(kept.path(), damaged);
    EXPECT_THAT(ErrorOf([&] {
                  KeptRows(folder.path(), {{"rows", 100}});
                }),
                OneLineWith(kept.path().string(), "remove"))
        << damaged;
  }
}

PlanOptions TwoBlocks() {
  PlanOptions options;
  options.sites = {{Stream::kEmbedding, 0, 9}, {Stream::kProj, 0, 9}, {Stream::kFfwd, 1, 9}};
  options.long_sites = {{Stream::kProj, 0, 9}};
  return options;
}

TEST(PlanTest, MeasuresWhatTakesLongAtTheLongSitesOnly) {
  std::set<std::string> approximate;
  std::set<std::string> batches;
  for (const Task& task : MakePlan(TwoBlocks())) {
    if (task.name.kind.starts_with("approximate")) approximate.insert(std::string(Name(task.name.stream)));
    if (task.name.queries == 20000) batches.insert(std::string(Name(task.name.stream)));
  }
  EXPECT_THAT(approximate, ElementsAre("proj"));
  EXPECT_THAT(batches, ElementsAre("proj"));
}

TEST(PlanTest, EverySiteHasItsSingleQueries) {
  const std::vector<Task> plan = MakePlan(TwoBlocks());
  for (const char* name : {"exact/proj/0/k10/q1", "outside/proj/0/k10/q1", "exact/proj/0/k1000/q1",
                           "exact/ffwd/1/k10/q1", "sql/ffwd/1/k10/q1", "process-outside/ffwd/1/k10/q1"}) {
    EXPECT_TRUE(std::ranges::any_of(plan, [&](const Task& task) { return Text(task.name) == name; })) << name;
  }
  const auto has = [&](const char* name, const char* peer) {
    return std::ranges::count(plan, Task{ParseRowName(name), peer}) == 1;
  };
  EXPECT_TRUE(has("exact/ffwd/1/k10/q1", "sqlite-vec"));
  EXPECT_TRUE(has("exact/embedding/0/k10/q1", "faiss-pq"));
  EXPECT_FALSE(has("exact/embedding/0/k10/q1", "faiss-flat"));
  EXPECT_TRUE(has("build/ffwd/1/k0/q0", kMatrixProduct));
}

TEST(PlanTest, GoesSiteBySiteAndPeerByPeer) {
  const std::vector<Task> plan = MakePlan(TwoBlocks());
  std::vector<std::string> groups;
  for (const Task& task : plan) {
    groups.push_back(fmt::format("{} {} {}", Name(task.name.stream), task.name.block, task.peer));
  }
  groups.erase(std::ranges::unique(groups).begin(), groups.end());
  EXPECT_EQ(std::set<std::string>(groups.begin(), groups.end()).size(), groups.size());
}

TEST(PlanTest, KindsAndPeersChoose) {
  PlanOptions options = TwoBlocks();
  options.kinds = {"exact"};
  options.peers = {"faiss-flat"};
  const std::vector<Task> plan = MakePlan(options);
  ASSERT_FALSE(plan.empty());
  for (const Task& task : plan) {
    EXPECT_EQ(task.name.kind, "exact");
    EXPECT_EQ(task.peer, "faiss-flat");
  }
}

// One query, whose norm is 10.
std::string Difference(std::vector<double> ours, const std::vector<float>& theirs, double squared_error) {
  Answers answers(1);
  for (const double distance : ours) answers[0].push_back({0, 0, distance});
  const std::vector<double> norms = {10};
  return FindDifference(answers, theirs, theirs.size(), norms, squared_error);
}

TEST(AnswersTest, FloatPrecisionIsNoDifferenceAndMoreIs) {
  EXPECT_EQ(Difference({0, 1, 2}, {0, 1.000001F, 1.999999F}, 1e-8), "");
  EXPECT_THAT(Difference({0, 1, 2}, {0, 1.001F, 2}, 1e-8), AllOf(HasSubstr("rank 2"), HasSubstr("ours 1")));
  EXPECT_NE(Difference({0, 1, 2}, {0, 2, 3}, 1e-8), "") << "a row is missing";
  EXPECT_NE(Difference({1}, {std::nanf("")}, 1e-8), "");
}

TEST(AnswersTest, AnExpandedSquareMayLoseWhatTheNormsRoundTo) {
  EXPECT_NE(Difference({0}, {0.01F}, 1e-8), "");
  EXPECT_EQ(Difference({0}, {0.01F}, 4e-6), "");
  EXPECT_NE(Difference({0}, {0.1F}, 4e-6), "");
}

TEST(AnswersTest, RecallIsTheShareOfTheTrueRows) {
  const Answers truth = {{{5, 0, 0}, {6, 0, 1}}, {{7, 0, 0}, {8, 0, 1}}};
  EXPECT_EQ(RecallOf(truth, std::vector<std::int64_t>{6, 5, 7, 9}, 2), 0.75);
  EXPECT_EQ(RecallOf(truth, std::vector<std::int64_t>{-1, -1, -1, -1}, 2), 0);
}

TEST(InterleaveTest, CallsBothInTurnsAndTellsFirstCallsFromWarmOnes) {
  std::string calls;
  std::vector<std::size_t> numbers;
  const InterleavedTimes times = Interleave(
      0.01,
      [&](std::size_t number) {
        calls += 'o';
        numbers.push_back(number);
      },
      [&](std::size_t) { calls += 'p'; });
  EXPECT_THAT(calls, testing::StartsWith("oo"));
  EXPECT_THAT(calls, AllOf(HasSubstr("op"), HasSubstr("po"), testing::EndsWith("p")));
  EXPECT_EQ(std::set<std::size_t>(numbers.begin(), numbers.end()).size(), numbers.size());
  EXPECT_EQ(times.ours.first.size(), times.peer.first.size());
  EXPECT_EQ(times.ours.first.size() + times.ours.warm.size(), numbers.size());
  EXPECT_GT(times.ours.warm.size(), times.ours.first.size());
}

TEST(ReportTest, ShowsEveryRowAndCallsErrorsSo) {
  BenchRow scaled = MakeRow("batch/proj/0/k10/q20000", "faiss-flat", 2, 30);
  scaled.peer_scaled_from = 500;
  BenchRow wrong = MakeRow("exact/proj/0/k10/q1", "sqlite-vec", 1, 1);
  wrong.error = "the answers differ";
  BenchRow limited = MakeRow("exact/proj/0/k10/q1", "sqlite-vss", 1, 250);
  limited.rows = 400000;
  const std::string table = RowTable({scaled, wrong, limited}, false);
  EXPECT_THAT(table, AllOf(HasSubstr("30.0 (of 500)"), HasSubstr("15x"), HasSubstr("ERROR: the answers differ"),
                           HasSubstr("250x"), HasSubstr("first 400,000 rows")));
}

TEST(ReportTest, ReachIsJudgedByTheWorstSite) {
  const std::string table = ReachTable(
      {MakeRow("exact/proj/0/k10/q1", "faiss-flat", 1, 200), MakeRow("exact/ffwd/5/k10/q1", "faiss-flat", 1, 120),
       MakeRow("sql/ffwd/5/k10/q1", kLibrary, 1.05, 1)},
      false);
  EXPECT_THAT(table, testing::ContainsRegex("at least 150x faiss-flat +200x +120x +exact/ffwd/5/k10/q1 +no"));
  EXPECT_THAT(table, testing::ContainsRegex("within 10 % of the library .*5.0 % +sql/ffwd/5/k10/q1 +yes"));
  EXPECT_THAT(table, Not(HasSubstr("under 5 ms")));
  EXPECT_EQ(ReachTable({}, false), "");
}

}  // namespace
}  // namespace actkin
