// The same corpus and checkpoint give the same strings, counts and neighbors, whatever they were computed with.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "storage/catalog/content_checksum.h"
#include "storage/catalog/sqlite.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;

class PortabilityTest : public testing::Test {
 protected:
  PortabilityTest() {
    std::mt19937 generator(4);
    const std::vector<std::string> characters{"a", "b", "c", "d", " ", "\n", "\u00e4"};
    std::string text;
    for (int i = 0; i < 5200; ++i) text += characters[generator() % characters.size()];
    corpus_ = folder_.Write("corpus.txt", text);
    model_ = folder_.Write("model.safetensors", SerializeSafetensors(MadeModel()));
    prompts_ = folder_.Write("prompts.txt", "abba cab\ncabcabca\nd d d d \nbbbbbbbb\naaab\u00e4bcd\n");
  }

  CommandResult Build(const std::string& name, const std::string& threads,
                      const std::vector<std::string>& environment) {
    return RunCommand({"build", corpus_, "--model", model_, "--out", folder_ / name, "--length", "8", "--t-i", "4,7",
                       "--threads", threads},
                      environment);
  }

  // Of every table that the corpus alone decides.
  std::string Strings(const std::string& name) {
    const SqliteConnection connection(folder_ / name / "catalog.db", SqliteConnection::Mode::kRead);
    std::string checksums;
    for (const std::string& table : CheckedTables()) {
      if (IsFixedTable(table)) checksums += fmt::format("{:x} ", ContentChecksum(connection.handle(), table));
    }
    return checksums;
  }

  // Ids of neighbors; distances apart.
  std::pair<json, std::vector<double>> Neighbors(const std::string& name, const std::string& threads,
                                                 const std::vector<std::string>& environment) {
    json ids;
    std::vector<double> distances;
    for (const char* stream : {"proj", "ffwd"}) {
      for (const char* t_i : {"4", "7"}) {
        for (const char* metric : {"l2", "cosine"}) {
          for (const char* order : {"nearest", "farthest"}) {
            const CommandResult result =
                RunCommand({"query", folder_ / name, "--prompts", prompts_, "--stream", stream, "--t-i", t_i,
                            "--metric", metric, "--order", order, "-k", "20", "--threads", threads, "--json"},
                           environment);
            EXPECT_EQ(result.status, 0) << result.err;
            for (const json& prompt : json::parse(result.out)) {
              for (const json& neighbor : prompt["neighbors"]) {
                ids.push_back(neighbor["string_id"]);
                distances.push_back(neighbor["distance"].get<double>());
              }
            }
          }
        }
      }
    }
    return {ids, distances};
  }

  const TemporaryFolder folder_;
  std::string corpus_;
  std::string model_;
  std::string prompts_;
};

TEST_F(PortabilityTest, ThreadsInstructionsAndAResumeChangeNoAnswer) {
  struct Machine {
    std::string threads;
    std::vector<std::string> environment;
  };
  const std::vector<std::string> newest;
  const std::vector<std::string> avx2{"ACTKIN_INSTRUCTIONS=avx2", "OPENBLAS_CORETYPE=Haswell"};
  const std::vector<std::string> sse4{"ACTKIN_INSTRUCTIONS=sse4", "OPENBLAS_CORETYPE=Nehalem"};
  ASSERT_EQ(Build("expected", "2", newest).status, 0);
  const std::string strings = Strings("expected");
  const auto expected = Neighbors("expected", "2", newest);
  ASSERT_EQ(expected.first.size(), 5U * 16 * 20);
  const auto expect_same = [&](const std::string& name, const Machine& machine) {
    EXPECT_EQ(Strings(name), strings) << name;
    const auto found = Neighbors(name, machine.threads, machine.environment);
    EXPECT_TRUE(found.first == expected.first) << name;
    EXPECT_THAT(found.second, testing::Pointwise(testing::DoubleNear(1e-4), expected.second)) << name;
  };
  int number = 0;
  for (const Machine& machine : {Machine{"1", newest}, {"1", avx2}, {"2", avx2}, {"2", sse4}}) {
    const std::string name = fmt::format("machine-{}", number++);
    const CommandResult built = Build(name, machine.threads, machine.environment);
    ASSERT_EQ(built.status, 0) << built.err;
    expect_same(name, machine);
  }
  // Begun with the newest instructions, continued without them.
  ASSERT_EQ(Build("resumed", "2", {"ACTKIN_STOP_BEFORE=flush:9"}).status, 137);
  ASSERT_EQ(Build("resumed", "1", sse4).status, 0);
  expect_same("resumed", {"1", sse4});
  // What was built with one is asked with another: the rows are the same, so the distances from a prompt of the corpus
  // are, to the last digit.
  expect_same("expected", {"1", sse4});
  SqliteConnection catalog(folder_ / "expected" / "catalog.db", SqliteConnection::Mode::kRead);
  folder_.Write("prompts.txt", *catalog.Value("SELECT group_concat(text, char(10)) FROM (SELECT text FROM string WHERE "
                                              "length = 8 AND instr(text, char(10)) = 0 LIMIT 5)"));
  EXPECT_TRUE(Neighbors("expected", "1", sse4) == Neighbors("expected", "2", newest));
}

TEST_F(PortabilityTest, AnUnknownInstructionSetIsRefused) {
  const CommandResult refused = RunCommand({"info", "x"}, {"ACTKIN_INSTRUCTIONS=avx9"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, testing::HasSubstr("ACTKIN_INSTRUCTIONS=avx9"));
}

}  // namespace
}  // namespace actkin
