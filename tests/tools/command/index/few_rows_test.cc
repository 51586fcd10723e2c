// Sites of fewer rows than the default k: all of them, unless a k was asked for.
#include <gmock/gmock.h>

#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Seven characters: so many rows at t_i 0.
class FewRowsTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(500, "0-4"); }
};

TEST_F(FewRowsTest, AllRowsAreGivenWhereNobodyAskedForK) {
  const std::string index = Copy("few.actkin");
  EXPECT_EQ(Run("query", index, {"a", "--t-i", "0"})["neighbors"].size(), 7U);
  EXPECT_EQ(Run("query", index, {"a", "--stream", "embedding"})["neighbors"].size(), 7U);
  const json similar = Run("similar", index, {"abba ", "--lengths", "1,5"});
  EXPECT_EQ(similar["lengths"][0]["blocks"][0]["ffwd"].size(), 7U);
  EXPECT_EQ(similar["lengths"][1]["blocks"][0]["ffwd"].size(), 10U);
  EXPECT_FALSE(Run("predict", index, {"abba ", "--t-i", "0-4"})["tokens"].empty());
  EXPECT_EQ(Run("evaluate", index, {"--sample", "10", "--t-i", "0", "--t-i", "0-4"})["runs"].size(), 2U);
  EXPECT_TRUE(Run("learn", index, {"--sample", "10", "--t-i", "0", "--steps", "2"})["finished"]);
  Run("tune", index, {"--sample", "10", "--t-i", "0"});
  const std::string folder = *folder_ / "similar";
  Run("export", index, {"--layout", "similar-strings", folder, "--sample", "10", "--t-i", "0,4"});
  // What was written is read again.
  Run("import", index, {"--layout", "similar-strings", folder, "--name", "again"});
  ExpectSound(index);
}

TEST_F(FewRowsTest, AKThatCannotBeHadIsAnErrorThatCountsTheRows) {
  const std::string index = Copy("asked.actkin");
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"query", index, "a", "--t-i", "0"},
           {"similar", index, "abba ", "--t-i", "0"},
           {"predict", index, "abba ", "--t-i", "0"},
           {"evaluate", index, "--sample", "10", "--t-i", "0"},
           {"learn", index, "--sample", "10", "--t-i", "0", "--steps", "2"},
           {"export", index, "--layout", "similar-strings", *folder_ / "never", "--sample", "10", "--t-i", "0"}}) {
    std::vector<std::string> asked = command;
    asked.insert(asked.end(), {"-k", "10"});
    const CommandResult refused = RunCommand(asked);
    EXPECT_EQ(refused.status, 2) << command[0];
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr("has 7 rows"));
  }
}

}  // namespace
}  // namespace actkin
