// `actkin tokens`: how a text is cut, by the tokenizer of a file and of an index directory.
#include <gmock/gmock.h>

#include "storage/machine/file.h"
#include "tests/schema/tokenizer/made_tokenizer.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class TokensTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    MakeIndex(500, "4");
    WriteGivenFile(File(), MadeByteTokenizerJson("the cat that sat on the mat", 8).dump());
  }
  static std::string File() { return *folder_ / "tokenizer.json"; }
};

TEST_F(TokensTest, ATableShowsEachTokenOfAText) {
  const CommandResult result = RunCommand({"tokens", "the\u4e2d \u0301\n\\", "--tokenizer", File()});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("of 264 tokens"));
  EXPECT_THAT(result.out, HasSubstr("the   74 68 65\n"));
  EXPECT_THAT(result.out, HasSubstr("\\xe4  e4\n"));
  EXPECT_THAT(result.out, HasSubstr("\u2423     20\n"));
  EXPECT_THAT(result.out, HasSubstr("\\n    0a\n"));
  EXPECT_THAT(result.out, HasSubstr("\\\\    5c\n"));
}

TEST_F(TokensTest, JsonHasIdsAndBytes) {
  const json answer = RunForJson({"tokens", "the\u00e9", "--tokenizer", File(), "--json"});
  EXPECT_EQ(answer["text"], "the\u00e9");
  EXPECT_EQ(answer["keeps_text"], true);
  ASSERT_EQ(answer["ids"].size(), 3U);
  EXPECT_EQ(answer["tokens"][0], (json{{"id", answer["ids"][0]}, {"text", "the"}, {"bytes", "74 68 65"}}));
  EXPECT_EQ(answer["tokens"][1], (json{{"id", 0xC3}, {"text", "\\xc3"}, {"bytes", "c3"}}));
}

TEST_F(TokensTest, LinesOfStandardInputBecomeLinesOfIds) {
  const std::string expected = RunForJson({"tokens", "the \"cat\"\n", "--tokenizer", File(), "--json"})["ids"].dump();
  const CommandResult result =
      RunCommandOn("\"the \\\"cat\\\"\\n\"\n\"\"\n\"a\"", {"tokens", "--tokenizer", File(), "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, expected + "\n[]\n[97]\n");
  const CommandResult refused = RunCommandOn("\"a\"\n[1]\n", {"tokens", "--tokenizer", File(), "--json"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("standard input, line 2"));
}

TEST_F(TokensTest, AnIndexDirectoryHasATokenizer) {
  const json answer = RunForJson({"tokens", "abba", Index(), "--json"});
  EXPECT_EQ(answer["ids"].size(), 4U);
  EXPECT_EQ(answer["ids"][0], answer["ids"][3]);
  EXPECT_EQ(RunForJson({"tokens", Index(), "abba", "--json"}), answer);
  EXPECT_EQ(RunCommandOn("\"abba\"\n", {"tokens", Index(), "--json"}).out, answer["ids"].dump() + "\n");
  EXPECT_EQ(RunForJson({"tokens", "a\\nb", "--tokenizer", File(), "--escapes", "--json"})["text"], "a\nb");
}

TEST_F(TokensTest, WhatCannotBeIsOneLine) {
  ExpectFailure({"tokens", "--tokenizer", File()}, 2, "no text given");
  ExpectFailure({"tokens"}, 2, "no tokenizer given");
  ExpectFailure({"tokens", "abba", *folder_ / "none.actkin"}, 1, "none.actkin");
  ExpectFailure({"tokens", "a", "b", "--tokenizer", File()}, 2, "\"b\"");
  ExpectFailure({"tokens", "a", "--tokenizer", Corpus()}, 1, "is not JSON");
  ExpectFailure({"tokens", "a\xff", "--tokenizer", File()}, 2, "is not UTF-8");
  ExpectFailure({"tokens", "\u4e2d", Index()}, 2, "U+4E2D");
}

}  // namespace
}  // namespace actkin
