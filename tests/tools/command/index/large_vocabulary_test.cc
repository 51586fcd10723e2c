// A vocabulary so large that nothing may be prompts x vocabulary, neither in memory nor on disk.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>

#include "storage/machine/file.h"
#include "tests/tools/command/made_index.h"
#include "tests/tools/command/made_model.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

constexpr std::size_t kVocabulary = 70'000;
constexpr std::size_t kPrompts = 1'000;
// One float for each prompt and token would be 280 MB.
constexpr std::size_t kMostMemory = std::size_t{256} << 20;
constexpr std::size_t kMostDisk = std::size_t{12} << 20;

void AppendCodePoint(std::uint32_t point, std::string& text) {
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    text += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  }
}

// Every token once, between them frequent ones.
std::string LargeCorpus() {
  std::mt19937 generator(7);
  std::string text;
  for (std::uint32_t token = 0; token < kVocabulary; ++token) {
    // Beyond the surrogates, all of four bytes.
    AppendCodePoint(0x10000 + token, text);
    if (token % 2 == 0) AppendCodePoint(0x10000 + generator() % 40, text);
  }
  return text;
}

class LargeVocabularyTest : public MadeIndexTest {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    folder_->Write("corpus.txt", LargeCorpus());
    folder_->Write("model.safetensors", SerializeSafetensors(MadeModel(1, {.vocabulary_size = kVocabulary,
                                                                           .context = 8,
                                                                           .embed = 8,
                                                                           .blocks = 1,
                                                                           .heads = 1,
                                                                           .head_size = 8,
                                                                           .hidden = 16})));
    const CommandResult built = RunCommand({"build", Corpus(), "--model", Model(), "--out", Index(), "--length", "3"});
    ASSERT_EQ(built.status, 0) << built.err;
  }

  // With so much memory of its own, mapped files aside; the address sanitizer maps more than any limit.
  static nlohmann::json RunInLittleMemory(const std::string& command, const std::string& index,
                                          const std::vector<std::string>& more,
                                          [[maybe_unused]] std::size_t memory = kMostMemory) {
#ifdef __SANITIZE_ADDRESS__
    const std::string limit = "unlimited";
#else
    const std::string limit = fmt::to_string(memory / 1024);
#endif
    std::vector<std::string> arguments{"-c", fmt::format("ulimit -d {} && exec \"$0\" \"$@\"", limit), ACTKIN_COMMAND};
    for (const std::string& argument : Arguments(command, index, more)) arguments.push_back(argument);
    const CommandResult result = RunProgram("/bin/sh", arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  }

  static std::uint64_t ExperimentBytes(const std::string& index) {
    std::uint64_t bytes = 0;
    for (const auto& [name, content] : Experiments(index)) bytes += content.size();
    return bytes;
  }
};

TEST_F(LargeVocabularyTest, EmbeddingsOfMoreThan65536TokensAreSearched) {
  const nlohmann::json found =
      Run("query", Index(), {"--stream", "embedding", "-k", "2", "--", "\U00010005\U00010006\U00010007"});
  EXPECT_EQ(found["neighbors"].size(), 2U) << found;
  EXPECT_EQ(found["stream"], "embedding");
}

TEST_F(LargeVocabularyTest, EvaluatesWithoutPromptsTimesVocabulary) {
  const std::string index = Copy("evaluated.actkin");
  const std::string sample = std::to_string(kPrompts);
  const nlohmann::json evaluated =
      RunInLittleMemory("evaluate", index, {"--sample", sample, "--scheme", "all", "--threads", "2"});
  EXPECT_EQ(evaluated["samples"], kPrompts);
  ASSERT_EQ(evaluated["runs"].size(), 5U);
  for (const nlohmann::json& run : evaluated["runs"]) {
    EXPECT_GT(run["hellinger_mean"], 0.5);  // the model knows nothing of the text
    EXPECT_LT(run["hellinger_mean"], 1);
  }
  RunInLittleMemory("evaluate", index,
                    {"--sample", sample, "--scheme", "last_ffwd_only", "--metric", "cosine", "--within", "0.9999:"});
  EXPECT_LT(ExperimentBytes(index), kMostDisk);
  ExpectSound(index);
  ExpectTidy(index);
}

TEST_F(LargeVocabularyTest, LearnsWithoutPromptsTimesVocabulary) {
  const std::string index = Copy("learned.actkin");
  const nlohmann::json learned =
      RunInLittleMemory("learn", index, {"--sample", std::to_string(kPrompts), "--steps", "50", "--seed", "5"});
  EXPECT_EQ(learned["finished"], true);
  EXPECT_LT(ExperimentBytes(index), kMostDisk);
}

TEST_F(LargeVocabularyTest, TunesWithWhatFollowsAlone) {
  const std::string index = Copy("tuned.actkin");
  // A number for every token, threshold and source of half of them would be 750 MB.
  const nlohmann::json tuned = RunInLittleMemory("tune", index, {"--sample", "40"}, std::size_t{384} << 20);
  EXPECT_EQ(tuned["held_out"]["samples"], 20);
  EXPECT_LE(tuned["held_out"]["hellinger_mean"], 1);
}

}  // namespace
}  // namespace actkin
