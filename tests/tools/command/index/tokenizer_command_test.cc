// The command over a directory whose tokens are those of a tokenizer.json: pieces of characters, and texts that are not
// unique.
#include <gmock/gmock.h>

#include <map>

#include "query/reader/index_reader.h"
#include "schema/tokenizer/tokenizer_json.h"
#include "storage/catalog/sqlite.h"
#include "storage/machine/file.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/made_pieces.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

// Ids of the made tokenizer: the byte E4, and the four characters `\xe4`. Both have the text `\xe4`.
constexpr TokenId kByte = 0xE4;
constexpr TokenId kCharacters = 256 + 9;

class TokenizerCommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    corpus_ = folder_->Write("pieces.txt", MadePiecesCorpus(300));
    tokenizer_ = folder_->Write("tokenizer.json", MadePiecesTokenizer());
    model_ = folder_->Write("model.safetensors", SerializeSafetensors(MadeModel(1, MadeShapeOf(kMadePieces + 3))));
    index_ = *folder_ / "pieces.actkin";
    const CommandResult built = RunCommand(Build({"--model", model_, "--tokenizer", tokenizer_}));
    ASSERT_EQ(built.status, 0) << built.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::vector<std::string> Build(const std::vector<std::string>& more, const std::string& out = "") {
    std::vector<std::string> arguments{"build", corpus_, "--length", "4", "--out", out.empty() ? index_ : out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  static std::string Copy(const std::string& name) {
    const std::string copy = *folder_ / name;
    std::filesystem::remove_all(copy);
    std::filesystem::copy(index_, copy, std::filesystem::copy_options::recursive);
    return copy;
  }

  template <typename... Parts>
  static void ExpectFailure(const std::vector<std::string>& arguments, int status, const Parts&... parts) {
    const CommandResult result = RunCommand(arguments);
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_THAT(result.err, testing::AllOf(HasSubstr(parts)...));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string corpus_;
  static inline std::string tokenizer_;
  static inline std::string model_;
  static inline std::string index_;
};

// By the definition: every sequence of up to L tokens, what follows it, and the text of its bytes together.
TEST_F(TokenizerCommandTest, StringsAreSequencesOfTokens) {
  const std::unique_ptr<const Tokenizer> tokenizer = ReadTokenizerJson(MadePiecesTokenizer(), "made");
  ASSERT_EQ(tokenizer->size(), kMadePieces);
  const std::vector<TokenId> corpus = tokenizer->Encode(ReadFile(corpus_), "corpus");
  const IndexDirectory directory(index_);
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  EXPECT_EQ(catalog.Corpus().token_count, corpus.size());
  EXPECT_EQ(catalog.Documents().at(0).token_count, corpus.size());
  EXPECT_EQ(catalog.TokenCount(), kMadePieces);
  StringId id = 1;
  for (std::size_t length = 1; length <= 4; ++length) {
    std::vector<std::vector<TokenId>> strings;
    std::map<std::vector<TokenId>, std::uint64_t> occurrences;
    std::map<std::vector<TokenId>, std::map<TokenId, std::uint64_t>> next;
    for (std::size_t position = 0; position + length <= corpus.size(); ++position) {
      const auto begin = corpus.begin() + static_cast<std::ptrdiff_t>(position);
      const std::vector<TokenId> string(begin, begin + static_cast<std::ptrdiff_t>(length));
      if (occurrences[string]++ == 0) strings.push_back(string);
      if (position + length < corpus.size()) ++next[string][corpus[position + length]];
    }
    for (const std::vector<TokenId>& string : strings) {
      const StringRow row = catalog.String(id);
      ASSERT_EQ(row.tokens, string);
      ASSERT_EQ(row.text, TokenText(*tokenizer, string));
      ASSERT_EQ(row.occurrences, occurrences[string]);
      ASSERT_EQ(catalog.FindString(string)->string_id, id);
      std::map<TokenId, std::uint64_t> counts;
      for (const NextTokenCount& count : catalog.NextTokens(id)) counts[count.token_id] = count.count;
      ASSERT_EQ(counts, next[string]);
      ++id;
    }
  }
}

TEST_F(TokenizerCommandTest, TwoStringsMayHaveOneText) {
  const json characters = RunForJson({"query", index_, "\\xe4", "--stream", "embedding", "-k", "1", "--json"});
  const json byte =
      RunForJson({"query", index_, "--ids", std::to_string(kByte), "--stream", "embedding", "-k", "1", "--json"});
  EXPECT_EQ(characters["prompt"], "\\xe4");
  EXPECT_EQ(byte["prompt"], "\\xe4");
  EXPECT_EQ(byte["ids"], json({kByte}));
  EXPECT_FALSE(characters.contains("ids"));
  EXPECT_EQ(characters["neighbors"][0]["text"], byte["neighbors"][0]["text"]);
  EXPECT_NE(characters["neighbors"][0]["string_id"], byte["neighbors"][0]["string_id"]);
  json same =
      RunForJson({"query", index_, "--ids", std::to_string(kCharacters), "--stream", "embedding", "-k", "1", "--json"});
  same.erase("ids");
  EXPECT_EQ(same, characters);
}

// Half a character, and the four characters that stand for it elsewhere.
TEST_F(TokenizerCommandTest, TablesTellTokensApart) {
  const auto table = [](const std::string& ids) {
    return RunCommand({"query", index_, "--ids", ids, "--stream", "embedding", "-k", "1"}).out;
  };
  EXPECT_THAT(table(std::to_string(kByte)), StartsWith("\"\\xe4\"  embedding"));
  EXPECT_THAT(table(std::to_string(kByte)), HasSubstr("0.000  \"\\xe4\""));
  EXPECT_THAT(table(std::to_string(kCharacters)), StartsWith("\"\\\\xe4\"  embedding"));
  EXPECT_THAT(table(std::to_string(kCharacters)), HasSubstr("0.000  \"\\\\xe4\""));
}

// A text, its ids, and both in a file: one answer each, the same.
TEST_F(TokenizerCommandTest, IdsAreAPromptWhereverATextIs) {
  const std::vector<TokenId> tokens = ReadTokenizerJson(MadePiecesTokenizer(), "made")->Encode("the abba c", "prompt");
  std::string ids;
  for (const TokenId token : tokens) ids += (ids.empty() ? "" : ",") + std::to_string(token);
  const json text = RunForJson({"query", index_, "the abba c", "--json"});
  const json twice = RunForJson({"query", index_, "the abba c", "--ids", ids, "--json"});
  ASSERT_EQ(twice.size(), 2U);
  EXPECT_EQ(twice[0], text);
  EXPECT_EQ(twice[1]["neighbors"], text["neighbors"]);
  EXPECT_EQ(twice[1]["ids"], json(tokens));
  const std::string file = folder_->Write("prompts.json", "[\"the abba c\", [" + ids + "]]");
  const json listed = RunForJson({"query", index_, "--prompts", file, "--json"});
  EXPECT_EQ(listed, twice);
  for (const char* command : {"predict", "similar"}) {
    EXPECT_EQ(RunForJson({command, index_, "the abba c", "--json"}),
              RunForJson({command, index_, "--ids", ids, "--json"}))
        << command;
  }
}

TEST_F(TokenizerCommandTest, IdsThatAreNoPromptAreRefused) {
  ExpectFailure({"query", index_, "--ids", "1,x"}, 2, "--ids \"1,x\"", "expected token ids, such as 12,7,9");
  ExpectFailure({"query", index_, "--ids", "1,300"}, 2, "prompt [1,300]: there is no token 300: ids go from 0 to 266");
  ExpectFailure({"query", index_, "--ids", "-1"}, 2, "--ids");
  ExpectFailure({"predict", index_, "abba", "--ids", "1"}, 2, "PROMPT and --ids: give one of them");
  ExpectFailure({"predict", index_}, 2, "PROMPT is required", "--ids");
  ExpectFailure({"query", index_, "--prompts", folder_->Write("numbers.json", "[1, 2]")}, 2, "arrays of token ids");
  ExpectFailure({"query", index_, "--prompts", folder_->Write("nested.json", "[[1, \"a\"]]")}, 2, "expected token ids");
}

// What is sampled and saved is told apart by ids.
TEST_F(TokenizerCommandTest, ExperimentsKeepIds) {
  const std::string copy = Copy("evaluated.actkin");
  const json found = RunForJson({"evaluate", copy, "--sample", "30", "-k", "3", "--json"});
  EXPECT_EQ(found["samples"], 30);
  EXPECT_EQ(RunCommand({"verify", copy}).status, 0);
  SqliteConnection catalog(copy + "/catalog.db", SqliteConnection::Mode::kRead);
  EXPECT_EQ(catalog.Value("SELECT count(*) FROM prompt JOIN string USING (string_id) "
                          "WHERE prompt.tokens = string.tokens AND prompt.text = string.text"),
            "30");
  // From what was saved: the same again.
  EXPECT_EQ(RunForJson({"evaluate", copy, "--sample", "30", "-k", "3", "--json"})["runs"], found["runs"]);
  const std::string file =
      folder_->Write("two.json", "[[" + std::to_string(kByte) + "], [" + std::to_string(kCharacters) + "]]");
  EXPECT_EQ(RunForJson({"evaluate", copy, "--prompts", file, "--scheme", "prompt_only", "--json"})["samples"], 2);
  EXPECT_EQ(RunCommand({"verify", copy}).status, 0);
}

TEST_F(TokenizerCommandTest, WithoutAModelThereAreStringsAndCounts) {
  const std::string out = *folder_ / "counts.actkin";
  ASSERT_EQ(RunCommand(Build({"--tokenizer", tokenizer_}, out)).status, 0);
  EXPECT_EQ(RunCommand({"verify", out}).status, 0);
  const json info = RunForJson({"info", out, "--json"});
  EXPECT_EQ(info["tokenizer"], json({{"kind", "bpe"}, {"file", "tokenizer.json"}, {"tokens", kMadePieces}}));
  // The model may come later; the tokenizer is the directory's.
  ASSERT_EQ(RunCommand(Build({"--model", model_}, out)).status, 0);
  EXPECT_EQ(RunForJson({"query", out, "the abba c", "--json"}), RunForJson({"query", index_, "the abba c", "--json"}));
}

TEST_F(TokenizerCommandTest, TheCopyIsVerifiedAndRepaired) {
  const std::string copy = Copy("repaired.actkin");
  const std::string file = copy + "/tokenizer.json";
  EXPECT_EQ(ReadFile(file), MadePiecesTokenizer()) << "as it was given";
  const auto repair = [&] {
    EXPECT_THAT(RunCommand({"verify", copy}).out, HasSubstr("tokenizer.json"));
    EXPECT_EQ(RunCommand({"verify", copy}).status, 1);
    ExpectFailure({"query", copy, "the"}, 1, "tokenizer.json");
    EXPECT_EQ(RunCommand({"query", copy, "--ids", "1,2"}).status, 0) << "ids need none";
    ExpectFailure(Build({}, copy), 1, "tokenizer.json",
                  "name the file that the directory was made with by --tokenizer");
    const CommandResult again = RunCommand(Build({"--tokenizer", tokenizer_}, copy));
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(ReadFile(file), MadePiecesTokenizer());
    EXPECT_EQ(RunCommand({"verify", copy}).status, 0);
  };
  std::filesystem::remove(file);
  repair();
  std::string bytes = MadePiecesTokenizer();
  bytes[bytes.find("abba") + 1] = 'c';
  ReplaceFile(file, bytes);
  repair();
}

TEST_F(TokenizerCommandTest, WhatDoesNotGoTogetherIsRefused) {
  const std::string never = *folder_ / "never.actkin";
  const std::string small =
      folder_->Write("small.safetensors", SerializeSafetensors(MadeModel(1, MadeShapeOf(kMadePieces - 2))));
  ExpectFailure(Build({"--model", small, "--tokenizer", tokenizer_}, never), 1,
                "small.safetensors: token id 265 without an embedding row", "tokenizer.json has 267 tokens");
  ExpectFailure(Build({"--tokenizer", tokenizer_, "--vocabulary-from", corpus_}, never), 2, "--vocabulary-from");
  ExpectFailure(Build({"--tokenizer", folder_->Write("no.json", "{}")}, never), 1, "no.json");
  EXPECT_FALSE(std::filesystem::exists(never)) << "nothing was written";
  std::string other = MadePiecesTokenizer() + "\n";
  ExpectFailure(Build({"--tokenizer", folder_->Write("other.json", other)}), 1, "made with another tokenizer.json");
  const std::string characters = *folder_ / "characters.actkin";
  ASSERT_EQ(RunCommand(Build({}, characters)).status, 0);
  ExpectFailure(Build({"--tokenizer", tokenizer_}, characters), 1, "its tokens are those of characters");
}

}  // namespace
}  // namespace actkin
