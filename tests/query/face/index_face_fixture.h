#ifndef ACTKIN_TESTS_QUERY_FACE_INDEX_FACE_FIXTURE_H_
#define ACTKIN_TESTS_QUERY_FACE_INDEX_FACE_FIXTURE_H_

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actkin/index.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {

// The code of what is thrown, or none.
template <typename Action>
std::optional<ErrorCode> CodeOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_THAT(line, testing::Not(testing::HasSubstr("\n")));
    // Flags are the command's: none outside a command line to run.
    EXPECT_THAT(line.substr(0, line.find("actkin build")), testing::Not(testing::HasSubstr("--")));
    return error.code();
  }
  return std::nullopt;
}

// The public face, actkin/index.h, over an index that the command can be asked about too.
class IndexFaceTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() { MakeIndex(500, "2-4"); }

  static actkin::Index Open() { return actkin::Index(Index()); }

  // What the command prints with --json.
  static nlohmann::ordered_json Ask(const std::string& command, const std::vector<std::string>& more,
                                    const std::string& index = Index()) {
    const CommandResult answer = RunCommand(Arguments(command, index, more));
    EXPECT_EQ(answer.status, 0) << answer.err;
    return nlohmann::ordered_json::parse(answer.out);
  }
  // The face's answer, as the command prints it.
  static nlohmann::ordered_json Json(const NeighborList& list) {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const Neighbor& row : list.rows) {
      nlohmann::ordered_json next_tokens = nlohmann::ordered_json::object();
      for (const NextToken& next : row.next_tokens) next_tokens[next.token] = next.count;
      rows.push_back(
          {{"rank", row.rank},
           {"string_id", row.string_id},
           {"text", row.text},
           {"distance", row.distance},
           {"similarity", row.similarity ? nlohmann::ordered_json(*row.similarity) : nlohmann::ordered_json(nullptr)},
           {"next_tokens", std::move(next_tokens)}});
    }
    return rows;
  }
  static void ExpectSame(const NeighborList& list, const nlohmann::ordered_json& answer) {
    EXPECT_EQ(list.stream, answer["stream"]);
    EXPECT_EQ(list.block, answer["block"]);
    EXPECT_EQ(list.t_i, answer["t_i"]);
    EXPECT_EQ(Json(list), answer["neighbors"]);
    EXPECT_FALSE(list.rows.empty());
  }
  static nlohmann::ordered_json Json(const Distribution& distribution) {
    nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
    for (const TokenProbability& one : distribution.tokens) {
      tokens.push_back({{"token", one.token}, {"probability", one.probability}});
    }
    return tokens;
  }
  static std::uint64_t StringId(const std::string& text) {
    return std::stoull(Query(Index(), "SELECT string_id FROM string WHERE text = '" + text + "'"));
  }
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_QUERY_FACE_INDEX_FACE_FIXTURE_H_
