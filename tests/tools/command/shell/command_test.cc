// build, query, info, verify and export from end to end, on a corpus and a model made here.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "query/reader/prompt_forward.h"
#include "schema/text.h"
#include "schema/vocabulary.h"
#include "storage/machine/file.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class CommandTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    corpus_ = folder_->Write("corpus.txt", MadeCorpus(900));
    model_ = folder_->Write("model.safetensors", SerializeSafetensors(MadeModel()));
    index_ = *folder_ / "made.actkin";
    const CommandResult built =
        RunCommand({"build", corpus_, "--model", model_, "--out", index_, "--length", "6", "--t-i", "2,5"});
    ASSERT_EQ(built.status, 0) << built.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::vector<std::string> Query(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"query", index_});
    arguments.push_back("--json");
    return arguments;
  }

  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::string corpus_;
  static inline std::string model_;
  static inline std::string index_;
};

struct Array {
  std::uint64_t rows = 0;
  std::uint64_t dimension = 0;
  std::vector<float> values;
};

Array ReadNpy(const std::filesystem::path& path) {
  const std::string bytes = ReadFile(path);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t header = static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ((10 + header) % 64, 0U);
  const std::string dictionary = bytes.substr(10, header);
  EXPECT_THAT(dictionary, testing::AllOf(HasSubstr("'descr': '<f4'"), HasSubstr("'fortran_order': False")));
  Array array;
  EXPECT_EQ(std::sscanf(dictionary.c_str() + dictionary.find("'shape'"), "'shape': (%lu, %lu)", &array.rows,
                        &array.dimension),
            2);
  array.values.resize((bytes.size() - 10 - header) / 4);
  std::memcpy(array.values.data(), bytes.data() + 10 + header, array.values.size() * 4);
  EXPECT_EQ(array.values.size(), array.rows * array.dimension);
  return array;
}

double Distance(const float* a, const float* b, std::size_t n, bool cosine) {
  double difference = 0;
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < n; ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    dot += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return cosine ? dot / std::sqrt(aa * bb) : std::sqrt(difference);
}

// What query answers is what a scan of the exported vectors answers: every stream, metric and order, for prompts in the
// corpus and outside it, of the sites' length and of others.
TEST_F(CommandTest, AnswersAreThoseOfAScanOfTheExportedVectors) {
  const std::string out = *folder_ / "vectors";
  const json written = RunForJson({"export", index_, "--layout", "npy", out, "--json"});
  ASSERT_EQ(written.size(), 6U + 2 * 2 * 2);  // embedding at every t_i
  const Vocabulary vocabulary = Vocabulary::OfText(CodePoints(MadeCorpus(900), "corpus"));
  const PromptForward forward{std::filesystem::path(index_) / "model.safetensors"};
  std::size_t compared = 0;
  for (const json& site : written) {
    const Array vectors = ReadNpy(site["file"].get<std::string>());
    ASSERT_EQ(vectors.rows, site["rows"]);
    const bool embedding = site["stream"] == "embedding";
    for (const std::string prompt : {"abba c", "cab", "\u00e4\u00e4\u00e4ddd", "ddd"}) {
      const std::vector<TokenId> tokens = vocabulary.Encode(prompt, "prompt");
      if (embedding && site["t_i"] != tokens.size() - 1) continue;
      const PromptForward::Activations activations = forward.Run(tokens);
      std::vector<float> query = forward.Embedding(tokens);
      if (!embedding) {
        const auto& outputs = site["stream"] == "proj" ? activations.proj : activations.ffwd;
        query = outputs.at(site["block"].get<std::size_t>());
        query.erase(query.begin(), query.end() - static_cast<std::ptrdiff_t>(vectors.dimension));
      }
      for (const std::string metric : {"l2", "cosine"}) {
        for (const std::string order : {"nearest", "farthest"}) {
          const json answer =
              RunForJson(Query({prompt, "--stream", site["stream"], "--block", site["block"].dump(), "--t-i",
                                site["t_i"].dump(), "--metric", metric, "--order", order, "-k", "12"}));
          std::vector<double> expected;
          for (std::uint64_t row = 0; row < vectors.rows; ++row) {
            expected.push_back(Distance(&vectors.values[row * vectors.dimension], query.data(), vectors.dimension,
                                        metric == "cosine"));
          }
          const std::vector<double> by_row = expected;
          const bool descending = (metric == "cosine") == (order == "nearest");
          std::ranges::sort(expected);
          if (descending) std::ranges::reverse(expected);
          ASSERT_EQ(answer["neighbors"].size(), 12U);
          for (std::size_t i = 0; i < 12; ++i) {
            const json& neighbor = answer["neighbors"][i];
            EXPECT_EQ(neighbor["rank"], i + 1);
            // Smaller where closer, whatever the metric.
            if (metric == "cosine") {
              EXPECT_EQ(neighbor["distance"], 1 - neighbor["similarity"].get<double>());
            } else {
              EXPECT_EQ(neighbor["similarity"], nullptr);
            }
            const double distance = neighbor[metric == "cosine" ? "similarity" : "distance"];
            EXPECT_NEAR(distance, expected[i], 2e-5) << site << prompt << metric << order;
            const std::uint64_t row =
                neighbor["string_id"].get<std::uint64_t>() - site["first_string_id"].get<std::uint64_t>();
            EXPECT_NEAR(distance, by_row.at(row), 2e-5);
            ++compared;
          }
        }
      }
    }
  }
  EXPECT_GT(compared, 1000U);
}

TEST_F(CommandTest, APromptOfTheCorpusFindsItselfAtZero) {
  for (const char* stream : {"embedding", "proj", "ffwd"}) {
    const json answer = RunForJson(Query({"abba c", "--stream", stream}));
    EXPECT_EQ(answer["neighbors"][0]["text"], "abba c");
    EXPECT_EQ(answer["neighbors"][0]["distance"], 0.0);
    EXPECT_EQ(answer["neighbors"].size(), 10U);
    EXPECT_EQ(answer["t_i"], 5);
  }
}

TEST_F(CommandTest, TheJsonHasTheKeysOfTheContract) {
  const CommandResult result = RunCommand(Query({"abba c", "--stream", "proj", "--block", "1", "--t-i", "5"}));
  const auto answer = nlohmann::ordered_json::parse(result.out);
  std::vector<std::string> keys;
  for (const auto& [key, value] : answer.items()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("prompt", "stream", "block", "t_i", "metric", "index", "neighbors"));
  keys.clear();
  for (const auto& [key, value] : answer["neighbors"][0].items()) keys.push_back(key);
  EXPECT_THAT(keys, testing::ElementsAre("rank", "string_id", "text", "distance", "similarity", "next_tokens"));
}

TEST_F(CommandTest, NextTokensAreCountedInTheCorpus) {
  const std::u32string corpus = CodePoints(MadeCorpus(900), "corpus");
  const json answer = RunForJson(Query({"cab", "--stream", "embedding", "-k", "5"}));
  for (const json& neighbor : answer["neighbors"]) {
    const std::u32string text = CodePoints(neighbor["text"].get<std::string>(), "text");
    std::map<std::string, int> counts;
    for (std::size_t p = corpus.find(text); p != std::u32string::npos; p = corpus.find(text, p + 1)) {
      if (p + text.size() < corpus.size()) ++counts[Utf8(corpus.substr(p + text.size(), 1))];
    }
    EXPECT_EQ(neighbor["next_tokens"], json(counts));
  }
}

TEST_F(CommandTest, ABandHoldsAllRowsBetweenItsEnds) {
  const json all = RunForJson(Query({"abba c", "-k", "50"}))["neighbors"];
  const double low = all[10]["distance"];
  const double high = all[20]["distance"];
  const std::string band = fmt::format("{}:{}", low, high);
  const json within = RunForJson(Query({"abba c", "--within", band}))["neighbors"];
  ASSERT_EQ(within.size(), 11U);
  EXPECT_EQ(within[0]["text"], all[10]["text"]);
  EXPECT_EQ(within[10]["text"], all[20]["text"]);
  EXPECT_EQ(RunForJson(Query({"abba c", "--within", band, "-k", "3"}))["neighbors"].size(), 3U);
  EXPECT_EQ(RunForJson(Query({"abba c", "--within", fmt::format(":{}", high)}))["neighbors"].size(), 21U);
  EXPECT_EQ(RunForJson(Query({"abba c", "--within", "1e9:"}))["neighbors"].size(), 0U);
}

TEST_F(CommandTest, SeveralPromptsGiveAnArrayInTheirOrder) {
  const json one_by_one = {RunForJson(Query({"abba c"})), RunForJson(Query({"ddd"}))};
  EXPECT_EQ(RunForJson(Query({"abba c", "ddd"})), one_by_one);
  const std::string as_json = folder_->Write("prompts.json", R"(["abba c", "ddd"])");
  const std::string as_lines = folder_->Write("prompts.txt", "abba c\nddd\n");
  EXPECT_EQ(RunForJson(Query({"--prompts", as_json})), one_by_one);
  EXPECT_EQ(RunForJson(Query({"--prompts", as_lines})), one_by_one);
}

TEST_F(CommandTest, OptionsMayStandBeforeThePositionals) {
  EXPECT_EQ(RunForJson({"query", "--json", "-k", "3", index_, "ddd"}), RunForJson(Query({"ddd", "-k", "3"})));
}

TEST_F(CommandTest, PromptsAreLiteralAndEscapesAreReadOnRequest) {
  EXPECT_EQ(RunForJson(Query({"--escapes", "bad\\n"}))["prompt"], "bad\n");
  EXPECT_EQ(RunForJson(Query({"bad\n"}))["prompt"], "bad\n");
  EXPECT_EQ(RunCommand(Query({"bad\\n"})).status, 2);  // no backslash in the vocabulary
}

TEST_F(CommandTest, ThreadsDoNotChangeTheAnswer) {
  for (const char* stream : {"embedding", "ffwd"}) {
    EXPECT_EQ(RunForJson(Query({"abba c", "--stream", stream, "--threads", "1"})),
              RunForJson(Query({"abba c", "--stream", stream, "--threads", "3"})));
  }
}

TEST_F(CommandTest, ANegativePositionCountsFromTheEnd) {
  EXPECT_EQ(RunForJson(Query({"cab", "--t-i", "-1"})), RunForJson(Query({"cab", "--t-i", "5"})));
}

TEST_F(CommandTest, PeopleReadAnAlignedTable) {
  const CommandResult result = RunCommand({"query", index_, "bad\nca", "--stream", "proj", "--block", "0", "-k", "3"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, HasSubstr("\"bad\\nca\"  proj block 0 t_i 5 (attn_out)  l2\n"));
  EXPECT_THAT(result.out, HasSubstr("rank  distance  string     next tokens\n"));
  EXPECT_THAT(result.out, HasSubstr("   1     0.000  \"bad\\nca\"  \"b\""));
}

TEST_F(CommandTest, ALaterBuildAddsSitesAndLeavesTheOthersAlone) {
  const std::string index = *folder_ / "grows.actkin";
  const auto build = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"build", corpus_, "--out", index, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunForJson(arguments);
  };
  EXPECT_EQ(build({"--length", "6"})["sites_added"], 0);  // strings and counts alone
  EXPECT_EQ(build({"--model", model_, "--streams", "ffwd", "--blocks", "1"})["sites_added"], 1);
  const std::string before = ReadFile(index + "/sites/ffwd-b1-t5.vectors");
  const json added = build({"--model", model_, "--t-i", "2,5"});
  EXPECT_EQ(added["sites_before"], 1);
  EXPECT_EQ(added["sites_added"], 6 + 7);
  EXPECT_EQ(ReadFile(index + "/sites/ffwd-b1-t5.vectors"), before);
  EXPECT_EQ(build({"--model", model_, "--t-i", "2,5"})["sites_added"], 0);
  EXPECT_EQ(build({"--t-i", "3"})["sites_added"], 4) << "the directory's own model serves";
  // A site captured beside others went through matrix products of other sizes, which may round differently.
  const json grown = RunForJson({"query", index, "abba c", "--json"});
  const json at_once = RunForJson(Query({"abba c"}));
  ASSERT_EQ(grown["neighbors"].size(), at_once["neighbors"].size());
  for (std::size_t i = 0; i < grown["neighbors"].size(); ++i) {
    EXPECT_EQ(grown["neighbors"][i]["text"], at_once["neighbors"][i]["text"]);
    EXPECT_NEAR(grown["neighbors"][i]["distance"].get<double>(), at_once["neighbors"][i]["distance"].get<double>(),
                1e-5);
  }
  EXPECT_EQ(RunCommand({"verify", index}).status, 0);
}

TEST_F(CommandTest, AShorterLengthAnswersAlikeAtTheSamePosition) {
  const std::string index = *folder_ / "short.actkin";
  RunForJson({"build", corpus_, "--model", model_, "--out", index, "--length", "3", "--json"});
  const json shorter = RunForJson({"query", index, "abba c", "--json", "--t-i", "2"});
  const json longer = RunForJson(Query({"abba c", "--t-i", "2"}));
  ASSERT_EQ(shorter["neighbors"].size(), longer["neighbors"].size());
  for (std::size_t i = 0; i < shorter["neighbors"].size(); ++i) {
    EXPECT_EQ(shorter["neighbors"][i]["text"], longer["neighbors"][i]["text"]);
    EXPECT_NEAR(shorter["neighbors"][i]["distance"].get<double>(), longer["neighbors"][i]["distance"], 1e-5);
  }
}

TEST_F(CommandTest, HalfPrecisionRowsAnswerNearly) {
  const std::string index = *folder_ / "half.actkin";
  RunForJson({"build", corpus_, "--model", model_, "--out", index, "--length", "6", "--rows", "float16", "--json"});
  const json half = RunForJson({"query", index, "abba c", "--json", "--block", "1"});
  const json whole = RunForJson(Query({"abba c", "--block", "1"}));
  for (std::size_t i = 0; i < half["neighbors"].size(); ++i) {
    EXPECT_NEAR(half["neighbors"][i]["distance"].get<double>(), whole["neighbors"][i]["distance"], 2e-3);
  }
  EXPECT_EQ(RunCommand({"verify", index}).status, 0);
}

TEST_F(CommandTest, VerifyPassesAndInfoNamesWhatIsThere) {
  const CommandResult verified = RunCommand({"verify", index_});
  EXPECT_EQ(verified.status, 0) << verified.out;
  EXPECT_THAT(verified.out, HasSubstr(" 0 failed"));
  const json info = RunForJson({"info", index_, "--json"});
  EXPECT_EQ(info["corpus"]["string_length"], 6);
  EXPECT_EQ(info["model"]["blocks"], 2);
  EXPECT_EQ(info["sites"].size(), 14U);
  EXPECT_THAT(RunCommand({"info", index_}).out, HasSubstr("model    2 blocks, 2 heads, 12 dimensions"));
}

TEST_F(CommandTest, VerifyNamesTheDamagedFileAndTheRestStaysUsable) {
  const std::string copy = *folder_ / "damaged.actkin";
  std::filesystem::copy(index_, copy, std::filesystem::copy_options::recursive);
  const std::string file = copy + "/sites/ffwd-b1-t5.vectors";
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  ReplaceFile(file, bytes);
  const CommandResult verified = RunCommand({"verify", copy});
  EXPECT_EQ(verified.status, 1);
  EXPECT_THAT(verified.out, testing::AllOf(HasSubstr("damaged  sites/ffwd-b1-t5.vectors"), HasSubstr(" 1 failed")));
  ReplaceFile(file, bytes.substr(0, bytes.size() - 1));
  const CommandResult refused = RunCommand({"query", copy, "abba c", "--stream", "ffwd"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("ffwd-b1-t5.vectors: damaged"));
  EXPECT_EQ(RunCommand({"query", copy, "abba c", "--stream", "proj"}).status, 0);
  std::filesystem::remove(file);
  EXPECT_EQ(RunCommand({"verify", copy}).status, 1);
}

TEST_F(CommandTest, AFinishedIndexIsAskedFromAReadOnlyFolder) {
  const std::string copy = *folder_ / "readonly.actkin";
  std::filesystem::copy(index_, copy, std::filesystem::copy_options::recursive);
  namespace fs = std::filesystem;
  for (const auto& entry : fs::recursive_directory_iterator(copy)) {
    if (entry.is_regular_file()) fs::permissions(entry, fs::perms::owner_read);
  }
  fs::permissions(copy, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(RunCommand({"query", copy, "abba c"}).status, 0);
  EXPECT_EQ(RunCommand({"verify", copy}).status, 0);
  fs::permissions(copy, fs::perms::owner_all);
}

TEST_F(CommandTest, EverySubcommandHasHelpWithAnExample) {
  for (const char* command : {"build", "index", "query", "info", "verify", "export", "recall"}) {
    const CommandResult help = RunCommand({command, "--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  actkin ") + command)) << command;
    EXPECT_THAT(help.out, HasSubstr("--threads"));
  }
  EXPECT_EQ(RunCommand({"--help"}).status, 0);
  EXPECT_THAT(RunCommand({"--version"}).out, HasSubstr("actkin 0."));
}

}  // namespace
}  // namespace actkin
