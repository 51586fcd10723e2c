// A model of every family, with a byte-level tokenizer, through the command: build, ask, predict, evaluate, verify.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/reader/index_reader.h"
#include "storage/formats/model_file.h"
#include "tests/models/made_checkpoint.h"
#include "tests/schema/tokenizer/made_tokenizer.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string& Text() {
  static const std::string text = [] {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      lines += fmt::format("the cat {} sat on the mat\u00e9, and the dog {} on the log \u4e16\u754c\n", i % 7, i % 5);
    }
    return lines;
  }();
  return text;
}

class FamiliesCommandTest : public testing::Test {
 protected:
  FamiliesCommandTest() { folder_.Write("corpus.txt", Text()); }

  // A Hugging Face folder. The decoder has rows for tokens that the tokenizer does not have.
  std::string MakeModel(const std::string& family, const json& tokenizer_parts = {}) {
    const json tokenizer = MadeByteTokenizerJson(Text(), 60, tokenizer_parts);
    ModelDescription description = MakeDecoderOf(family, 5).description;
    description.shape.vocabulary_size = 330;
    description.shape.blocks = 2;
    const MadeBiases biases{.norms = description.norm == Norm::kLayer,
                            .qkv = family != "mistral",
                            .proj = family != "mistral" && family != "qwen2",
                            .ffwd = !description.gated};
    MadeDecoder decoder = MakeDecoder(description, biases, false, 6);
    const std::filesystem::path folder = folder_ / ("model-" + family);
    WriteCheckpoint(folder, decoder, {.type = "BF16"});
    folder_.Write("model-" + family + "/tokenizer.json", tokenizer.dump());
    decoder_ = std::move(decoder);
    return folder.string();
  }

  std::string Build(const std::string& model, const std::string& name, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{
        "build",     folder_ / "corpus.txt",         "--model", model,         "--length", "4",
        "--streams", "embedding,proj,ffwd,residual", "--out",   folder_ / name};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult built = RunCommand(arguments);
    EXPECT_EQ(built.status, 0) << built.err;
    return folder_ / name;
  }

  // One row of a site, from its file.
  static std::vector<float> Row(const std::string& index, const Site& site, StringId string_id) {
    IndexReader reader(IndexDirectory{index});
    std::vector<float> row(site.stream == Stream::kEmbedding ? 0 : reader.OpenIndex(site)->dimension());
    reader.CopyRows(site, std::vector<StringId>{string_id}, row);
    return row;
  }

  const TemporaryFolder folder_;
  MadeDecoder decoder_;
};

TEST_F(FamiliesCommandTest, EveryFamilyIsBuiltAskedEvaluatedAndSound) {
  for (const char* family : {"gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"}) {
    SCOPED_TRACE(family);
    const std::string index = Build(MakeModel(family), std::string(family) + ".actkin");
    const json answer =
        RunForJson({"query", index, " the dog", "--stream", "blocks.1.hook_resid_post", "-k", "5", "--json"});
    EXPECT_EQ(answer["neighbors"].size(), 5);
    EXPECT_EQ(answer["stream"], "residual");
    const json predicted = RunForJson({"predict", index, " the dog", "--json"});
    EXPECT_FALSE(predicted.empty());
    const CommandResult evaluated = RunCommand({"evaluate", index, "--sample", "20", "--scheme", "all"});
    EXPECT_EQ(evaluated.status, 0) << evaluated.err;
    const CommandResult verified = RunCommand({"verify", index});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
  }
}

TEST_F(FamiliesCommandTest, RowsWithABeginningAreThoseOfSequencesWithThatTokenInFront) {
  const std::string model = MakeModel("llama");
  const std::string index = Build(model, "begins.actkin", {"--bos", "always", "--bos-token", "the"});
  IndexReader reader(IndexDirectory{index});
  const std::optional<ModelRow> row = reader.catalog().Model();
  ASSERT_TRUE(row && row->bos_token_id);
  const LengthRow length = reader.catalog().Lengths().back();
  for (const std::uint64_t ordinal : {0, 5, 40}) {
    const StringRow string = reader.catalog().String(length.first_string_id + ordinal);
    std::vector<TokenId> sequence{*row->bos_token_id};
    sequence.insert(sequence.end(), string.tokens.begin(), string.tokens.end());
    const MadeOutputs expected = RunDecoder(decoder_, sequence);
    for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
      const std::vector<float> found = Row(index, {stream, 1, 3}, string.string_id);
      const std::vector<double>& whole = expected.Of(stream, 1);
      for (std::size_t i = 0; i < found.size(); ++i) {
        ASSERT_NEAR(found[i], whole[whole.size() - found.size() + i], 3e-5) << Name(stream) << " " << ordinal;
      }
    }
  }
  EXPECT_THAT(RunCommand({"info", index}).out, HasSubstr("stands before every string and prompt"));
  // A prompt of the corpus finds its own row.
  const json answer = RunForJson(
      {"query", index, "--ids",
       fmt::format("{}", fmt::join(reader.catalog().String(length.first_string_id).tokens, ",")), "-k", "1", "--json"});
  EXPECT_NEAR(answer["neighbors"][0]["distance"].get<double>(), 0, 1e-4);
  // The same folder without the flags goes on as it was made; another choice is refused.
  EXPECT_EQ(RunCommand({"build", folder_ / "corpus.txt", "--model", model, "--length", "4", "--out", index}).status, 0);
  const CommandResult other = RunCommand(
      {"build", folder_ / "corpus.txt", "--model", model, "--length", "4", "--out", index, "--bos", "never"});
  EXPECT_NE(other.status, 0);
  EXPECT_THAT(other.err, HasSubstr("before every string"));
}

TEST_F(FamiliesCommandTest, TheDirectoryKeepsTheModelOnceInItsOwnPrecision) {
  const std::string index = Build(MakeModel("qwen3"), "kept.actkin");
  const ModelFile kept(std::filesystem::path(index) / "model.safetensors");
  EXPECT_EQ(kept.description(), decoder_.description);
  for (const auto& [name, type] : kept.types()) EXPECT_EQ(type.precision, Precision::kBfloat16) << name;
  // A build of more sites needs nothing but the directory.
  const CommandResult more =
      RunCommand({"build", folder_ / "corpus.txt", "--out", index, "--t-i", "1", "--streams", "ffwd"});
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_THAT(more.out, HasSubstr("2 sites added"));
}

TEST_F(FamiliesCommandTest, WhatDoesNotGoTogetherIsOneLine) {
  const std::string model = MakeModel("gpt2");
  const auto error = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"build", folder_ / "corpus.txt", "--out", folder_ / "no.actkin"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = RunCommand(arguments);
    EXPECT_NE(result.status, 0);
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    return result.err;
  };
  EXPECT_THAT(error({"--model", model, "--length", "500"}), HasSubstr("the model takes"));
  EXPECT_THAT(error({"--model", model, "--bos", "always"}), HasSubstr("bos_token"));
  EXPECT_THAT(error({"--model", model, "--streams", "attn_in"}),
              HasSubstr("expected embedding, proj, ffwd or residual"));
  EXPECT_THAT(error({"--model", model, "--streams", "blocks.1.hook_mlp_out"}), HasSubstr("its block by --blocks"));
  EXPECT_THAT(error({"--model", folder_ / "nowhere"}), HasSubstr("no such checkpoint"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "no.actkin/catalog.db"));
}

}  // namespace
}  // namespace actkin
