// Sites over positions through the command: every row is that of its window alone, whatever the family, the documents,
// the window, what begins it, and the positions that were chosen.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "indexer/text/position_choice.h"
#include "storage/catalog/catalog.h"
#include "storage/exchange/safetensors.h"
#include "storage/formats/corpus_tokens_file.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"
#include "tests/models/made_checkpoint.h"
#include "tests/schema/tokenizer/made_tokenizer.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/command/run_command.h"

namespace actkin {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr Stream kAllStreams[] = {Stream::kEmbedding, Stream::kProj, Stream::kFfwd, Stream::kResidual};

// Documents of many lengths, two of them empty.
std::string MadeDocuments() {
  std::string lines;
  std::mt19937 generator(3);
  for (const int words : {30, 0, 1, 7, 60, 0, 2, 25}) {
    std::string text;
    for (int i = 0; i < words; ++i) text += fmt::format("{} the cat\u00e9 sat ", generator() % 50);
    lines += json{{"text", text}}.dump() + "\n";
  }
  return lines;
}

class PositionsCommandTest : public testing::Test {
 protected:
  PositionsCommandTest() { corpus_ = folder_.Write("documents.jsonl", MadeDocuments()); }

  // A Hugging Face folder; decoder_ is what is in it.
  std::string MakeModel(const std::string& family) {
    ModelDescription description = MakeDecoderOf(family, 5).description;
    description.shape.vocabulary_size = 330;
    description.shape.blocks = 2;
    description.shape.context = 24;
    description.sliding_window = 0;
    const MadeBiases biases{.norms = description.norm == Norm::kLayer,
                            .qkv = family != "mistral",
                            .proj = family != "mistral" && family != "qwen2",
                            .ffwd = !description.gated};
    decoder_ = MakeDecoder(description, biases, false, 6);
    WriteCheckpoint(folder_ / family, decoder_, {.type = "BF16"});
    folder_.Write(family + "/tokenizer.json", MadeByteTokenizerJson(MadeDocuments(), 60, {}).dump());
    return folder_ / family;
  }

  CommandResult TryBuild(const std::string& model, const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{
        "build",        corpus_,    "--model", model,       "--out",
        folder_ / name, "--length", "3",       "--streams", "embedding,proj,ffwd,residual"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunCommand(arguments);
  }
  std::string Build(const std::string& model, const std::string& name, const std::vector<std::string>& more) {
    const CommandResult built = TryBuild(model, name, more);
    EXPECT_EQ(built.status, 0) << built.err;
    return folder_ / name;
  }

  static VectorFile Rows(const std::string& index, Stream stream, int block) {
    return VectorFile(std::filesystem::path(index) / IndexDirectory::Vectors({stream, block, kOverPositions}));
  }

  // The window of a position, as DESIGN defines it: the first that sees it with at least window - stride tokens before
  // it, or all there are.
  static RowRange WindowOf(std::uint64_t position, const RowRange& document, std::uint64_t window,
                           std::uint64_t stride) {
    for (std::uint64_t begin = document.begin;; begin += stride) {
      if (position >= begin + window || (begin > document.begin && position - begin < window - stride)) continue;
      return {begin, std::min(begin + window, document.end)};
    }
  }

  // All rows of all sites, each against a forward of its window alone.
  void ExpectRows(const std::string& index, std::uint64_t window, std::uint64_t stride,
                  const std::vector<std::uint64_t>& positions, std::optional<TokenId> beginning, double tolerance) {
    const CorpusTokensFile tokens(std::filesystem::path(index) / IndexDirectory::CorpusTokens());
    const auto embed = static_cast<std::size_t>(decoder_.description.shape.embed);
    std::map<std::pair<Stream, int>, VectorFile> sites;
    for (const Stream stream : kAllStreams) {
      for (int block = 0; block < (stream == Stream::kEmbedding ? 1 : 2); ++block) {
        const auto site = sites.emplace(std::pair(stream, block), Rows(index, stream, block)).first;
        ASSERT_EQ(site->second.rows().size(), positions.size());
      }
    }
    std::uint64_t document = 0;
    for (std::size_t row = 0; row < positions.size(); ++row) {
      const std::uint64_t position = positions[row];
      while (position >= tokens.Positions(document).end) ++document;
      const RowRange seen = WindowOf(position, tokens.Positions(document), window, stride);
      std::vector<TokenId> sequence;
      if (beginning) sequence.push_back(*beginning);
      for (std::uint64_t i = seen.begin; i <= position; ++i) sequence.push_back(tokens.Token(i));
      const MadeOutputs expected = RunDecoder(decoder_, sequence);
      for (const auto& [of, file] : sites) {
        const std::vector<float> found = file.Row(static_cast<RowNumber>(row));
        const std::vector<double>& all = expected.Of(of.first, static_cast<std::size_t>(of.second));
        for (std::size_t i = 0; i < embed; ++i) {
          const double wanted = all[(sequence.size() - 1) * embed + i];
          ASSERT_NEAR(found[i], wanted, tolerance + tolerance * std::abs(wanted))
              << Name(of.first) << " " << of.second << " position " << position;
        }
      }
    }
  }

  static std::vector<std::uint64_t> AllPositions(const std::string& index) {
    const CorpusTokensFile tokens(std::filesystem::path(index) / IndexDirectory::CorpusTokens());
    return ChoosePositionsOrAll({}, tokens.token_count());
  }
  static std::vector<std::uint64_t> ChoosePositionsOrAll(const PositionChoice& choice, std::uint64_t count) {
    if (!choice.all()) return ChoosePositions(choice, count);
    std::vector<std::uint64_t> all(count);
    for (std::uint64_t i = 0; i < count; ++i) all[i] = i;
    return all;
  }

  static void ExpectSound(const std::string& index) {
    const CommandResult verified = RunCommand({"verify", index});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
  }

  const TemporaryFolder folder_;
  std::string corpus_;
  MadeDecoder decoder_;
};

TEST_F(PositionsCommandTest, EveryRowOfEveryFamilyIsThatOfItsWindowAlone) {
  for (const char* family : {"gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"}) {
    SCOPED_TRACE(family);
    const std::string model = MakeModel(family);
    for (const auto& [window, stride] : std::vector<std::pair<int, int>>{{24, 12}, {9, 9}, {10, 1}}) {
      const std::string index =
          Build(model, fmt::format("{}-{}-{}.actkin", family, window, stride),
                {"--positions", "--window", std::to_string(window), "--stride", std::to_string(stride)});
      ExpectRows(index, static_cast<std::uint64_t>(window), static_cast<std::uint64_t>(stride), AllPositions(index),
                 std::nullopt, 3e-5);
      ExpectSound(index);
    }
  }
}

TEST_F(PositionsCommandTest, WhatBeginsAWindowTakesAPlaceAndHasNoRow) {
  const std::string model = MakeModel("gpt2");
  const std::vector<std::string> flags{"--bos", "always", "--bos-token", "the", "--positions"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return more;
  };
  // The model takes 24 tokens, one of which begins: that is the default.
  const std::string index = Build(model, "begins.actkin", with({}));
  const auto connection = OpenCatalog(IndexDirectory{index});
  const TokenId beginning = Catalog(connection->handle()).Model()->bos_token_id.value();
  ExpectRows(index, 23, 11, AllPositions(index), beginning, 3e-5);
  const CommandResult refused = TryBuild(model, "other.actkin", with({"--window", "24"}));
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("--window 24: the model takes 23 tokens (its context has 24 positions, one of"));
}

TEST_F(PositionsCommandTest, ChosenPositionsHaveTheRowsThatTheyHaveAmongAll) {
  const std::string model = MakeModel("qwen3");
  const std::vector<std::string> windows{"--positions", "--window", "12", "--stride", "5"};
  const auto build = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(), windows.begin(), windows.end());
    return Build(model, name, more);
  };
  const std::string all = build("all.actkin", {});
  const std::vector<std::uint64_t> every = AllPositions(all);
  for (const auto& [choice, flags] : std::vector<std::pair<PositionChoice, std::vector<std::string>>>{
           {{.every = 10}, {"--every", "10"}},
           {{.every = 1}, {"--every", "1"}},
           {{.sample = 0.02, .seed = 9}, {"--sample", "0.02", "--seed", "9"}},
           {{.sample = 0.5}, {"--sample", "0.5"}}}) {
    SCOPED_TRACE(choice.Name());
    const std::string name = fmt::format("{}.actkin", choice.Name());
    const std::string index = build(name, flags);
    const std::vector<std::uint64_t> positions = ChoosePositionsOrAll(choice, every.size());
    ExpectRows(index, 12, 5, positions, std::nullopt, 3e-5);
    ExpectSound(index);
    const json sites = RunForJson({"info", index, "--json"})["sites"];
    for (const json& site : sites) {
      EXPECT_EQ(site["over"], "positions");
      EXPECT_TRUE(site["t_i"].is_null());
      EXPECT_EQ(site["positions"], choice.Name());
      EXPECT_EQ(site["window"], 12);
      EXPECT_EQ(site["stride"], 5);
      EXPECT_EQ(site["rows"], positions.size());
    }
    EXPECT_THAT(RunCommand({"info", index}).out, HasSubstr(choice.Name() + ", 12 by 5"));
    const std::filesystem::path file = std::filesystem::path(index) / IndexDirectory::Positions(choice.Name());
    ASSERT_EQ(std::filesystem::exists(file), !choice.all());
    if (choice.all()) continue;
    const PositionsFile rows(file);
    ASSERT_EQ(rows.row_count(), positions.size());
    for (RowNumber row = 0; row < rows.row_count(); ++row) EXPECT_EQ(rows.Number(row), positions[row]);
  }
}

TEST_F(PositionsCommandTest, HalvedRowsAreTheRowsRounded) {
  const std::string model = MakeModel("llama");
  const std::string index = Build(model, "half.actkin", {"--positions", "--window", "20", "--rows", "float16"});
  EXPECT_EQ(Rows(index, Stream::kFfwd, 1).element(), Element::kFloat16);
  ExpectRows(index, 20, 10, AllPositions(index), std::nullopt, 2e-3);
}

TEST_F(PositionsCommandTest, TheyLiveBesideSitesOverStringsWhicheverCameFirst) {
  const std::string model = MakeModel("gpt2");
  const std::vector<std::string> positions{"--positions", "--window", "16"};
  const std::vector<std::string> both{"--positions", "--window", "16", "--t-i", "1,2"};
  const auto files = [&](const std::string& index) {
    std::map<std::string, std::string> bytes;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(index) / "sites")) {
      bytes[entry.path().filename()] = ReadFile(entry.path());
    }
    return bytes;
  };
  const auto together = files(Build(model, "together.actkin", both));
  Build(model, "strings-first.actkin", {"--t-i", "1,2"});
  EXPECT_EQ(files(Build(model, "strings-first.actkin", positions)), together);
  const std::string alone = Build(model, "positions-first.actkin", positions);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(alone) / "sites/t2.rows")) << "positions alone";
  EXPECT_EQ(files(Build(model, "positions-first.actkin", {"--t-i", "1,2"})), together);
  // One thread or three, one site or all: the same bytes.
  EXPECT_EQ(files(Build(model, "three.actkin", {"--positions", "--window", "16", "--t-i", "1,2", "--threads", "3"})),
            together);
  const std::string one = Build(model, "one.actkin", {"--positions", "--window", "16", "--blocks", "1"});
  EXPECT_EQ(files(one).at("proj-b1-positions.vectors"), together.at("proj-b1-positions.vectors"));
  // The same command once more has nothing to do.
  EXPECT_THAT(TryBuild(model, "together.actkin", both).out, HasSubstr("0 sites added"));
}

TEST_F(PositionsCommandTest, RepairMakesTheSameBytesAndNothingElse) {
  const std::string model = MakeModel("llama");
  const std::string index =
      Build(model, "x.actkin", {"--positions", "--window", "16", "--stride", "3", "--sample", "0.3"});
  const std::filesystem::path sites = std::filesystem::path(index) / "sites";
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(sites)) {
    files[entry.path().filename()] = ReadFile(entry.path());
  }
  ASSERT_EQ(files.size(), 8U) << "seven sites, and which positions have rows";
  for (const auto& [name, bytes] : files) {
    std::string damaged = bytes;
    damaged[bytes.size() - 2] ^= 1;
    ReplaceFile(sites / name, damaged);
  }
  EXPECT_NE(RunCommand({"verify", index}).status, 0);
  const CommandResult repaired = RunCommand({"build", corpus_, "--length", "3", "--out", index, "--repair"});
  EXPECT_EQ(repaired.status, 0) << repaired.err;
  EXPECT_THAT(repaired.out, testing::AllOf(HasSubstr(" 0 sites added"), HasSubstr("8 were damaged")));
  for (const auto& [name, bytes] : files) EXPECT_TRUE(ReadFile(sites / name) == bytes) << name;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(sites), std::filesystem::directory_iterator()), 8);
  ExpectSound(index);
}

TEST_F(PositionsCommandTest, AForecastSaysWhatABuildTakes) {
  const std::string model = MakeModel("gpt2");
  const std::vector<std::string> flags{"--positions", "--window", "16", "--every", "2"};
  std::vector<std::string> plan{"build",     corpus_,
                                "--model",   model,
                                "--out",     folder_ / "x.actkin",
                                "--length",  "3",
                                "--streams", "embedding,proj,ffwd,residual",
                                "--plan"};
  plan.insert(plan.end(), flags.begin(), flags.end());
  EXPECT_THAT(RunCommand(plan).out, testing::AllOf(HasSubstr("positions get rows"), HasSubstr("which positions")));
  plan.emplace_back("--json");
  const json forecast = RunForJson(plan);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x.actkin"));
  const std::string index = Build(model, "x.actkin", flags);
  const json sites = RunForJson({"info", index, "--json"})["sites"];
  EXPECT_EQ(forecast["sites"].size(), 4);
  double bytes = 0;
  for (const json& site : forecast["sites"]) {
    EXPECT_EQ(site["over"], "positions");
    EXPECT_EQ(site["rows"], sites[0]["rows"]);
    bytes += site["bytes"].get<double>();
  }
  double taken = 0;
  for (const json& site : sites) taken += site["bytes"].get<double>();
  EXPECT_NEAR(bytes, taken, 0.25 * taken);
  EXPECT_GT(forecast["capture_seconds"].get<double>(), 0);
  EXPECT_GT(forecast["window_tokens"], forecast["positions"]);
  EXPECT_EQ(RunForJson(plan)["sites"].size(), 0) << "all is there";
  // Strings so short that few are distinct.
  EXPECT_GT(RunForJson({"build", corpus_, "--model", model, "--out", folder_ / "y.actkin", "--length", "1",
                        "--positions", "--plan", "--json"})["bytes"],
            0);
}

TEST_F(PositionsCommandTest, WhatDoesNotFitIsOneLine) {
  const std::string model = MakeModel("gpt2");
  const auto expect = [&](const std::vector<std::string>& flags, int status, const std::string& part) {
    const CommandResult refused = TryBuild(model, "x.actkin", flags);
    EXPECT_EQ(refused.status, status) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(part));
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "x.actkin")) << part;
  };
  expect({"--positions", "--window", "25"}, 2, "--window 25: the model takes 24 tokens (its context has 24 positions)");
  expect({"--positions", "--window", "0"}, 2, "--window 0: expected a number of tokens from 1 to 24");
  expect({"--positions", "--window", "-4"}, 2, "--window -4: expected");
  expect({"--positions", "--window", "8", "--stride", "9"}, 2, "--stride 9: expected a number of tokens from 1 to the");
  expect({"--positions", "--stride", "0"}, 2, "--stride 0: expected");
  expect({"--positions", "--every", "0"}, 2, "--every 0: expected a number from 1");
  expect({"--positions", "--every", "2", "--sample", "0.5"}, 2, "--every and --sample: expected one of them");
  expect({"--positions", "--sample", "0"}, 2, "--sample 0: expected a share above 0");
  expect({"--positions", "--sample", "1.5"}, 2, "--sample 1.5: expected a share above 0 and at most 1");
  expect({"--positions", "--sample", "nan"}, 2, "--sample nan: expected a share");
  expect({"--positions", "--seed", "3"}, 2, "--seed: goes with --sample");
  for (const char* flag : {"--window", "--stride", "--every", "--sample", "--seed"}) {
    expect({flag, "1"}, 2, fmt::format("{}: goes with --positions", flag));
  }
  const CommandResult without = RunCommand({"build", corpus_, "--out", folder_ / "x.actkin", "--positions"});
  EXPECT_EQ(without.status, 2);
  EXPECT_THAT(without.err, HasSubstr("--positions: needs a model"));

  const std::string index = Build(model, "there.actkin", {"--positions", "--window", "16", "--every", "3"});
  const CommandResult other = TryBuild(model, "there.actkin", {"--positions", "--window", "8"});
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, testing::AllOf(HasSubstr("windows of 16 by 8, every 3 positions"),
                                        HasSubstr("windows of 8 by 4, all positions")));
}

class GoldenPositionsTest : public testing::TestWithParam<const char*> {};

// Rows that transformers made, window by window.
TEST_P(GoldenPositionsTest, EveryRowIsTheGoldenOne) {
  const std::string name = GetParam();
  ACTKIN_NEEDS_SHARED_DATA("golden/positions/" + name);
  const std::string folder = "golden/positions/" + name + "/";
  const json answers = SharedJson(folder + "answers.json");
  const TemporaryFolder out;
  const std::string index = out / "x.actkin";
  const CommandResult built = RunCommand({"build", SharedData(folder + "documents.jsonl"), "--model",
                                          SharedData("golden/families/" + answers["model"].get<std::string>()), "--out",
                                          index, "--streams", "proj,ffwd,residual", "--positions", "--window",
                                          answers["window"].dump(), "--stride", answers["stride"].dump()});
  ASSERT_EQ(built.status, 0) << built.err;
  const auto connection = OpenCatalog(IndexDirectory{index});
  Catalog catalog(connection->handle());
  std::vector<std::uint64_t> lengths;
  for (const DocumentRow& document : catalog.Documents()) lengths.push_back(document.token_count);
  EXPECT_EQ(json(lengths), answers["document_lengths"]);
  const SafetensorsFile golden(SharedData(folder + "rows.safetensors"));
  for (int block = 0; block < 3; ++block) {
    for (const Stream stream : {Stream::kProj, Stream::kFfwd, Stream::kResidual}) {
      const VectorFile file(std::filesystem::path(index) / IndexDirectory::Vectors({stream, block, kOverPositions}));
      const std::span<const float> expected = golden.Values(fmt::format("block.{}.{}", block, Name(stream)));
      std::vector<float> rows(file.rows().size() * file.dimension());
      ASSERT_EQ(rows.size(), expected.size());
      file.ReadRows(file.rows(), rows);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        ASSERT_NEAR(rows[i], expected[i], 1e-4 + 1e-4 * std::abs(expected[i]))
            << Name(stream) << " " << block << " row " << i / file.dimension();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenPositionsTest, testing::Values("gpt2", "llama"));

}  // namespace
}  // namespace actkin
