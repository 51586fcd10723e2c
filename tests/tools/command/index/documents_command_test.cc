// A corpus of several documents, through the command: where it is read from, and that nothing crosses an end.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "actkin/index.h"
#include "storage/catalog/catalog.h"
#include "storage/machine/file.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Documents = std::vector<std::pair<std::string, std::string>>;  // name and text

class DocumentsCommandTest : public testing::Test {
 protected:
  std::string Index() const { return folder_ / "made.actkin"; }

  CommandResult Build(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "build");
    arguments.insert(arguments.end(), {"--out", Index(), "--length", "4"});
    return RunCommand(arguments);
  }

  void ExpectSound() const {
    const CommandResult verified = RunCommand({"verify", Index()});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
  }

  // As the catalog and the files have them, a token a character.
  Documents Built() const {
    const auto connection = OpenCatalog(IndexDirectory(Index()));
    Catalog catalog(connection->handle());
    Documents documents;
    for (const DocumentRow& row : catalog.Documents()) {
      EXPECT_EQ(row.document_id, static_cast<std::int64_t>(documents.size()));
      documents.emplace_back(row.name, std::to_string(row.token_count));
    }
    return documents;
  }

  // By the definition, what the strings of each length and their next tokens are.
  void ExpectCounts(const Documents& documents) const {
    std::map<std::string, std::uint64_t> occurrences;
    std::map<std::string, std::uint64_t> next;
    for (const auto& [name, text] : documents) {
      for (std::size_t length = 1; length <= 4; ++length) {
        for (std::size_t at = 0; at + length <= text.size(); ++at) {
          ++occurrences[text.substr(at, length)];
          if (at + length < text.size()) ++next[text.substr(at, length + 1) + "/"];
        }
      }
    }
    const auto connection = OpenCatalog(IndexDirectory(Index()));
    std::map<std::string, std::uint64_t> found;
    SqliteStatement strings(connection->handle(), "SELECT text, occurrences FROM string");
    while (strings.Step()) found[strings.Text(0)] = static_cast<std::uint64_t>(strings.Integer(1));
    EXPECT_EQ(found, occurrences);
    std::map<std::string, std::uint64_t> found_next;
    SqliteStatement counts(connection->handle(), "SELECT prefix || token || '/', count FROM next_token_map");
    while (counts.Step()) found_next[counts.Text(0)] = static_cast<std::uint64_t>(counts.Integer(1));
    EXPECT_EQ(found_next, next);
    actkin::Index index(Index());
    for (const auto& [string, count] : occurrences) EXPECT_EQ(index.Occurrences(string), count) << string;
    for (const auto& [name, text] : documents) {
      if (text.empty()) continue;
      EXPECT_EQ(index.Occurrences(text + text), 0U);
    }
  }

  TemporaryFolder folder_;
};

TEST_F(DocumentsCommandTest, AreReadFromTextsFoldersAndJsonLines) {
  std::filesystem::create_directory(folder_ / "texts");
  folder_.Write("texts/b.txt", "abcab");
  folder_.Write("texts/a.txt", "");
  folder_.Write("texts/c.md", "zzzz");
  folder_.Write("lines.jsonl",
                "{\"body\": \"bcbc\", \"id\": \"first\"}\n\n{\"body\": \"a\\n\"}\r\n{\"id\": 7, \"body\": \"\"}");
  const auto one = folder_.Write("one.txt", "cabca");
  const CommandResult built = Build({one, folder_ / "texts", folder_ / "lines.jsonl", "--field", "body"});
  ASSERT_EQ(built.status, 0) << built.err;
  EXPECT_THAT(Built(), ElementsAre(std::pair("one.txt", "5"), std::pair("a.txt", "0"), std::pair("b.txt", "5"),
                                   std::pair("first", "4"), std::pair("lines.jsonl:3", "2"), std::pair("7", "0")));
  EXPECT_EQ(RunForJson({"info", Index(), "--json"})["corpus"]["documents"], 6);
  EXPECT_THAT(RunCommand({"info", Index()}).out, HasSubstr("one.txt and 2 more, 6 documents, 16 characters"));
  ExpectCounts({{"", "cabca"}, {"", ""}, {"", "abcab"}, {"", "bcbc"}, {"", "a\n"}, {"", ""}});
  ExpectSound();
}

TEST_F(DocumentsCommandTest, AreSplitAtAText) {
  const auto text = folder_.Write("stories.txt", "abcab<end><end>cabc<end>a<end>");
  const CommandResult built = Build({text, "--split-documents", "<end>"});
  ASSERT_EQ(built.status, 0) << built.err;
  EXPECT_THAT(Built(), ElementsAre(std::pair("stories.txt:1", "5"), std::pair("stories.txt:2", "0"),
                                   std::pair("stories.txt:3", "4"), std::pair("stories.txt:4", "1")));
  ExpectCounts({{"", "abcab"}, {"", ""}, {"", "cabc"}, {"", "a"}});
  ExpectSound();
  // Other ends are another corpus; the same ones, however they are written, are not.
  const CommandResult other =
      Build({folder_.Write("other.txt", "abcab<end><end>cab<end>ca<end>"), "--split-documents", "<end>"});
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("made from another corpus"));
  folder_.Write("same.jsonl", "{\"text\":\"abcab\"}\n{\"text\":\"\"}\n{\"text\":\"cabc\"}\n{\"text\":\"a\"}\n");
  EXPECT_EQ(Build({folder_ / "same.jsonl"}).status, 0);
}

// Rows are the strings that some longest string begins with, wherever in the corpus that is.
TEST_F(DocumentsCommandTest, HaveSitesAndRepairsLikeOneText) {
  const std::string corpus = MadeCorpus(300);
  std::string lines;
  const auto add = [&](const std::string& text) { lines += json({{"text", text}}).dump() + "\n"; };
  for (std::size_t at = 0; at < corpus.size();) {
    // Not inside a character.
    std::size_t end = std::min(corpus.size(), at + 1 + (at * 7) % 41);
    while (end < corpus.size() && (corpus[end] & 0xC0) == 0x80) ++end;
    add(corpus.substr(at, end - at));
    at = end;
  }
  add("");
  folder_.Write("lines.jsonl", lines);
  folder_.Write("model.safetensors", SerializeSafetensors(MadeModel()));
  const std::vector<std::string> arguments{folder_ / "lines.jsonl", "--model", folder_ / "model.safetensors", "--t-i",
                                           "0-3"};
  ASSERT_EQ(Build(arguments).status, 0);
  ExpectSound();
  const auto connection = OpenCatalog(IndexDirectory(Index()));
  EXPECT_EQ(connection->Value("SELECT count(*) FROM string_length AS l WHERE row_count <> (SELECT count(DISTINCT "
                              "substr(tokens, 1, l.length)) FROM string WHERE length = 4)"),
            "0");
  EXPECT_EQ(connection->Value("SELECT count(*) FROM string AS s JOIN string_length AS l USING (length) WHERE "
                              "(string_id < first_string_id + row_count) <> EXISTS (SELECT 1 FROM string AS longest "
                              "WHERE longest.length = 4 AND substr(longest.tokens, 1, l.length) = s.tokens)"),
            "0");
  actkin::Index index(Index());
  SqliteStatement rows(connection->handle(),
                       "SELECT string_id, length FROM string JOIN string_length USING (length) "
                       "WHERE string_id < first_string_id + row_count");
  while (rows.Step()) {
    const auto string_id = static_cast<std::uint64_t>(rows.Integer(0));
    const NeighborList nearest =
        index.NeighborsOfString(string_id, {.t_i = static_cast<int>(rows.Integer(1)) - 1, .k = 1});
    ASSERT_EQ(nearest.rows.size(), 1U);
    EXPECT_EQ(nearest.rows[0].distance, 0);
    EXPECT_EQ(nearest.rows[0].string_id, string_id);
  }
  std::map<std::string, std::string> whole;
  for (const char* name : {"corpus.tokens", "corpus.suffixes"}) {
    const std::filesystem::path path = std::filesystem::path(Index()) / name;
    whole[name] = ReadFile(path);
    std::filesystem::resize_file(path, 5000);
    EXPECT_THAT(RunCommand({"verify", Index()}).out, HasSubstr(name));
  }
  ASSERT_EQ(Build(arguments).status, 0);
  for (const auto& [name, bytes] : whole) {
    EXPECT_TRUE(ReadFile(std::filesystem::path(Index()) / name) == bytes) << name;
  }
  ExpectSound();
}

TEST_F(DocumentsCommandTest, WhatIsNoCorpusIsRefusedByName) {
  const auto expect = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const CommandResult built = Build(arguments);
    EXPECT_EQ(built.status, 1);
    EXPECT_THAT(built.err, AllOf(HasSubstr(part), testing::Not(HasSubstr("terminate"))));
    EXPECT_FALSE(std::filesystem::exists(Index() + "/catalog.db"));
  };
  std::filesystem::create_directory(folder_ / "empty");
  expect({folder_ / "empty"}, "a folder without texts");
  expect({folder_.Write("a.jsonl", "{\"text\": \"abcabc\"}\n[1]\n")}, "a.jsonl: line 2: expected a JSON object");
  expect({folder_.Write("b.jsonl", "{\"text\": \"abcabc\"}\n{\"text\": 1}\n")},
         "b.jsonl: line 2: expected an object with a text");
  expect({folder_.Write("b.jsonl", "{\"text\": \"abcabc\"}"), "--field", "body"}, "\"body\"");
  expect({folder_.Write("c.jsonl", "{\"text\": \"abc\\u0000abc\"}")}, "c.jsonl: line 1: byte 3 is NUL");
  expect({folder_.Write("d.jsonl", "\n\n")}, "the corpus is empty");
  expect({folder_.Write("e.txt", ""), folder_.Write("f.txt", "")}, "e.txt and 1 more: the corpus is empty");
  expect({folder_.Write("e.txt", "abc"), folder_.Write("f.txt", "xyz")},
         "the longest document's 3 characters are fewer");
  expect({folder_.Write("e.txt", "abcabc"), folder_.Write("f.txt", "ab\xff")}, "f.txt");
  expect({folder_.Write("e.txt", "abcabc"), folder_ / "absent.txt"}, "absent.txt");
}

// Next-token counts of prefixes, as the families' own tokenizers cut these documents.
TEST_F(DocumentsCommandTest, CountAsTheGoldenDocumentsDo) {
  for (const std::string family : {"gpt2", "llama"}) {
    const std::string golden = "golden/positions/" + family;
    ACTKIN_NEEDS_SHARED_DATA(golden);
    std::filesystem::remove_all(Index());
    const std::string tokenizer = SharedData("golden/families/" + family + "/tokenizer.json");
    const CommandResult built = Build({SharedData(golden + "/documents.jsonl"), "--tokenizer", tokenizer});
    ASSERT_EQ(built.status, 0) << built.err;
    ExpectSound();
    const json answers = SharedJson(golden + "/answers.json");
    std::vector<std::string> lengths;
    for (const auto& [name, count] : Built()) lengths.push_back(count);
    json expected = json::array();
    for (const std::string& length : lengths) expected.push_back(std::stoi(length));
    EXPECT_EQ(expected, answers["document_lengths"]);
    EXPECT_EQ(Built().front().first, "piece-0");
    actkin::Index index(Index());
    EXPECT_EQ(index.Info().tokens, answers["token_count"]);
    EXPECT_FALSE(answers["next_tokens"].empty());
    for (const json& answer : answers["next_tokens"]) {
      const auto prefix = answer["prefix_ids"].get<std::vector<std::uint32_t>>();
      EXPECT_EQ(index.Occurrences(prefix), answer["occurrences"]) << answer;
      std::vector<std::pair<std::uint32_t, std::uint64_t>> next;
      for (const NextToken& token : index.NextTokens(prefix)) next.emplace_back(token.token_id, token.count);
      std::ranges::sort(next);
      EXPECT_EQ(json(next), answer["next"]) << answer;
    }
  }
}

}  // namespace
}  // namespace actkin
