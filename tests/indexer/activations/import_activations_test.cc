// Activations that were recorded elsewhere: what becomes of them, and that they come out as they went in.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>

#include "indexer/build/build.h"
#include "storage/exchange/safetensors.h"
#include "tests/indexer/activations/import_activations_fixture.h"
#include "tests/schema/tokenizer/made_tokenizer.h"

namespace actkin {
namespace {

using testing::HasSubstr;

TEST_F(ImportActivationsTest, RowsStandAtThePositionsOfTheTokens) {
  made_.AddSite("resid_post", 3, "r.npy", values_, kDimension);
  made_.AddSite("blocks.7.hook_resid_mid", 7, "m.npy", values_, kDimension);
  const ActivationsImportSummary summary = Import();
  EXPECT_EQ(summary.tokens, 65U);
  EXPECT_EQ(summary.documents, 3U);
  EXPECT_EQ(summary.sites_added, 2U);
  ExpectSound(Index());
  const Site residual{Stream::kResidual, 3, kOverPositions};
  EXPECT_EQ(Stored(Index(), residual), values_);
  EXPECT_EQ(Stored(Index(), {StreamNamed("hook_resid_mid"), 7, kOverPositions}), values_);
  IndexReader reader{IndexDirectory(Index())};
  EXPECT_EQ(reader.OpenRowMap(residual)->Number(41), 41U);
  EXPECT_EQ(reader.Context(41, 1, 3), made_.text().substr(40, 5));  // the document begins at 40
  const std::vector<DocumentRow> documents = reader.catalog().Documents();
  ASSERT_EQ(documents.size(), 3U);
  EXPECT_EQ(documents[2].first_position, 40U);
  EXPECT_EQ(documents[1].token_count, 0U);
}

// What a build of the same text has, but for its name and the sum of its bytes.
TEST_F(ImportActivationsTest, StringsAndCountsAreThoseOfABuild) {
  made_.AddSite("x", 0, "x.npy", values_, kDimension);
  Import("made.actkin", 4);
  std::filesystem::create_directory(folder_ / "texts");
  folder_.Write("texts/0.txt", made_.text().substr(0, 40));
  folder_.Write("texts/1.txt", "");
  folder_.Write("texts/2.txt", made_.text().substr(40));
  BuildOptions options;
  options.corpus.inputs = {folder_ / "texts"};
  options.out = folder_ / "built.actkin";
  options.string_length = 4;
  Build(options, listener_);
  for (const auto& [table, columns] : std::map<std::string, std::string>{
           {"string", "string_id, length, text, occurrences, hex(tokens)"},
           {"next_token", "string_id, token_id, count"},
           {"string_length", "length, string_count, row_count, first_string_id"},
           {"token", "token_id, text, hex(bytes)"},
           {"tokenizer", "kind, file"},
           {"corpus", "characters, string_length, token_count"},
           {"document", "document_id, first_position, token_count"},
           {"corpus_file", "kind, file, bytes, checksum"},
       }) {
    EXPECT_EQ(Rows(Index(), table, columns), Rows(folder_ / "built.actkin", table, columns)) << table;
  }
}

TEST_F(ImportActivationsTest, LIsTheLongestDocumentsWhereThatIsShort) {
  MadeActivations few(folder_ / "few", {4, 7});
  few.AddSite("x", 0, "x.npy", MadeActivations::Random(11, 2, 1), 2);
  few.WriteDescription();
  ImportActivations({few.folder(), Index(), std::nullopt, false}, listener_);
  EXPECT_EQ(Rows(Index(), "corpus", "string_length"), "[7]\n");
  ExpectSound(Index());
  EXPECT_THAT(ErrorOf([&] {
                ImportActivations({few.folder(), folder_ / "8.actkin", 8}, listener_);
              }),
              OneLineWith("few", "7 tokens are fewer than the string length 8"));
  EXPECT_THAT(ErrorOf([&] {
                ImportActivations({few.folder(), Index(), 5}, listener_);
              }),
              OneLineWith("strings of 7 tokens, not of 5"));
}

TEST_F(ImportActivationsTest, ExportGivesTheSameBytes) {
  std::vector<std::uint16_t> halves(65 * kDimension);
  std::iota(halves.begin(), halves.end(), std::uint16_t{0x3b00});
  halves[3] = 0x8001;  // the smallest below zero
  std::vector<std::int64_t> positions;
  for (std::int64_t position = 1; position < 65; position += 3) positions.push_back(position);
  made_.AddSite("ffwd", 0, "f.npy", values_, kDimension);
  made_.WriteHalves("h.npy", halves, kDimension);
  made_.WriteNumbers("p.npy", positions);
  made_.WriteMatrix("s.npy", std::span(values_).first(positions.size() * kDimension), kDimension);
  made_.description["sites"].push_back({{"stream", "half of \"x\""}, {"files", {"h.npy"}}});
  made_.description["sites"].push_back(
      {{"stream", "some"}, {"block", 2}, {"files", {"s.npy"}}, {"positions", "p.npy"}, {"window", 9}, {"stride", 4}});
  made_.description["bos_token_id"] = 5;
  made_.description["document_names"] = {"first", "", "third"};
  Import();
  ExpectSound(Index());
  std::map<std::string, std::string> files = Export("made.actkin", "out");
  EXPECT_EQ(files.size(), 7U);
  EXPECT_EQ(files["ffwd-b0-positions.npy"], made_.Read("f.npy"));
  EXPECT_EQ(files["some-b2-positions.npy"], made_.Read("s.npy"));
  const auto json = nlohmann::json::parse(files["activations.json"]);
  EXPECT_EQ(json["bos_token_id"], 5);
  EXPECT_EQ(json["document_names"], made_.description["document_names"]);
  EXPECT_EQ(json["document_lengths"], made_.description["document_lengths"]);
  for (const auto& site : json["sites"]) {
    const std::string file = site["files"][0];
    if (site["stream"] == "half of \"x\"") {
      EXPECT_EQ(files[file], made_.Read("h.npy"));
    }
    if (site["stream"] == "some") {
      EXPECT_EQ(files[site["positions"].get<std::string>()], made_.Read("p.npy"));
      EXPECT_EQ(site["window"], 9);
      EXPECT_EQ(site["stride"], 4);
    } else {
      EXPECT_FALSE(site.contains("window") || site.contains("stride"));
    }
  }

  // What was exported is imported, into the same directory and another, and comes out the same.
  const ActivationsImportSummary again = ImportActivations({folder_ / "out", Index(), std::nullopt, false}, listener_);
  EXPECT_EQ(again.sites_added, 0U);
  EXPECT_EQ(again.sites_before, 3U);
  ImportActivations({folder_ / "out", folder_ / "other.actkin", std::nullopt}, listener_);
  EXPECT_EQ(Export("other.actkin", "out2"), files);

  // Positions are asked with the tokens that the window says: at 30 those from 24 on, as the window from 24 sees it.
  EXPECT_EQ(Rows(Index(), "site", "stream, window, stride"),
            "[\"ffwd\",null,null]\n[\"half of \\\"x\\\"\",null,null]\n[\"some\",9,4]\n");
  IndexReader reader{IndexDirectory(Index())};
  EXPECT_EQ(reader.PromptAt(30).tokens.size(), 7U);
  made_.description["sites"][2]["stride"] = 3;
  made_.WriteDescription();
  EXPECT_THAT(ErrorOf([&] {
                ImportActivations({made_.folder(), Index(), std::nullopt, false}, listener_);
              }),
              OneLineWith("has some block 2 over positions already, seen in windows of 9 that advance by 4",
                          "these in windows of 9 by 3"));
}

TEST_F(ImportActivationsTest, PartsOfEveryFormatFollowEachOther) {
  const std::span<const float> values(values_);
  made_.WriteMatrix("a.npy", values.first(10 * kDimension), kDimension);
  made_.WriteMatrix("none.npy", values.first(0), kDimension);
  made_.WriteMatrix("b.npy", values.subspan(10 * kDimension), kDimension);
  made_.description["sites"].push_back({{"stream", "parts"}, {"files", {"a.npy", "none.npy", "b.npy"}}});
  StateDict state;
  state.tensors["x"] = {{65, static_cast<std::int64_t>(kDimension)}, values_};
  made_.Write("t.safetensors", SerializeSafetensors(state));
  made_.description["sites"].push_back({{"stream", "tensor"}, {"files", {"t.safetensors"}}, {"tensor", "x"}});
  std::string brains;
  std::vector<float> rounded;
  for (const float value : values_) {
    const auto upper = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
    brains.append(reinterpret_cast<const char*>(&upper), sizeof(upper));
    rounded.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(upper) << 16));
  }
  const std::vector<SafetensorsHeaderEntry> entries{{"y", "BF16", {65, kDimension}, brains.size()}};
  made_.Write("b.safetensors", SafetensorsHeader(entries, {}) + brains);
  made_.description["sites"].push_back({{"stream", "brain"}, {"files", {"b.safetensors"}}, {"tensor", "y"}});
  Import();
  EXPECT_THAT(listener_.notes, HasSubstr("brain block 0 over positions: its bfloat16 become float32"));
  ExpectSound(Index());
  EXPECT_EQ(Stored(Index(), {StreamNamed("parts"), 0, kOverPositions}), values_);
  EXPECT_EQ(Stored(Index(), {StreamNamed("tensor"), 0, kOverPositions}), values_);
  EXPECT_EQ(Stored(Index(), {StreamNamed("brain"), 0, kOverPositions}), rounded);
}

TEST_F(ImportActivationsTest, DocumentsByNumbersOrNone) {
  std::vector<std::int64_t> numbers(65, 7);
  std::fill(numbers.begin() + 12, numbers.end(), 9);
  made_.WriteNumbers("d.npy", numbers);
  made_.description.erase("document_lengths");
  made_.description["documents"] = "d.npy";
  Import();
  EXPECT_EQ(Rows(Index(), "document", "document_id, name, first_position, token_count"),
            "[0,\"7\",0,12]\n[1,\"9\",12,53]\n");
  made_.description.erase("documents");
  Import("one.actkin");
  EXPECT_EQ(Rows(folder_ / "one.actkin", "document", "name, first_position, token_count"), "[\"recorded\",0,65]\n");
}

// Texts that are no single characters in order: tokens without a tokenizer.
TEST_F(ImportActivationsTest, ListedTextsAreTokensThatNoTextIsCutInto) {
  made_.Write("texts.json", R"([" the", "\u00e9", "", " the", "x\ny", "</s>"])");
  made_.AddSite("x", 0, "x.npy", values_, kDimension);
  Import();
  ExpectSound(Index());
  EXPECT_EQ(Rows(Index(), "tokenizer", "kind, file"), "[\"texts\",\"tokens.json\"]\n");
  IndexReader reader{IndexDirectory(Index())};
  EXPECT_EQ(reader.vocabulary().size(), 6U);
  EXPECT_THAT(ErrorOf([&] { reader.Encode(" the"); }), OneLineWith("list of texts"));
  const std::vector<TokenId> prefix{made_.tokens()[0]};
  EXPECT_EQ(reader.Occurrences(prefix), static_cast<std::uint64_t>(std::ranges::count(made_.tokens(), prefix[0])));
  const std::map<std::string, std::string> files = Export("made.actkin", "out");
  EXPECT_EQ(files.at("texts.json"), made_.Read("texts.json"));
  BuildOptions options;
  options.corpus.inputs = {folder_.Write("text.txt", made_.text())};
  options.out = Index();
  EXPECT_THAT(ErrorOf([&] { Build(options, listener_); }), OneLineWith("made.actkin", "list of texts"));
}

// A tokenizer.json is kept, and decides what is a token; windows need not be cut as it cuts the whole.
TEST_F(ImportActivationsTest, ATokenizerHasEveryId) {
  nlohmann::json tokenizer = MadeTokenizerJson({{"model", {{"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"c", 5}}}}}});
  made_.description.erase("token_texts");
  made_.description["tokenizer"] = "tokenizer.json";
  made_.Write("tokenizer.json", tokenizer.dump());
  made_.AddSite("x", 0, "x.npy", values_, kDimension);
  std::vector<std::int64_t> ids(65, 0);
  ids[1] = 1;  // "a", "b": as a whole it is "ab"
  made_.WriteNumbers("ids.npy", ids);
  Import();
  ExpectSound(Index());
  EXPECT_EQ(ReadFile(Index() / "tokenizer.json"), tokenizer.dump());
  IndexReader reader{IndexDirectory(Index())};
  EXPECT_EQ(reader.Encode("aab").tokens, (std::vector<TokenId>{0, 2}));
  EXPECT_EQ(reader.Context(0, 0, 2), "aba");
  const std::map<std::string, std::string> files = Export("made.actkin", "out");
  EXPECT_EQ(files.at("tokenizer.json"), tokenizer.dump());
  EXPECT_EQ(nlohmann::json::parse(files.at("activations.json"))["tokenizer"], "tokenizer.json");

  for (const auto& [id, part] :
       std::map<std::int64_t, std::string>{{4, "entry 7 is token 4, and tokenizer.json has no token of that id"},
                                           {6, "entry 7 is token 6, and tokenizer.json has tokens 0 to 5"}}) {
    ids[7] = id;
    made_.WriteNumbers("ids.npy", ids);
    EXPECT_THAT(ErrorOf([&] { Import("other.actkin"); }), OneLineWith("ids.npy", part));
  }
  // Of the same ids and texts, but another file.
  ids[7] = 0;
  made_.WriteNumbers("ids.npy", ids);
  made_.Write("tokenizer.json", tokenizer.dump(1));
  EXPECT_THAT(Refusal(), OneLineWith("made with another tokenizer.json"));
}

TEST_F(ImportActivationsTest, SitesAreAddedToADirectoryOfTheSameTokens) {
  made_.AddSite("x", 0, "x.npy", values_, kDimension);
  Import();
  const std::vector<float> others = MadeActivations::Random(65, 3, 9);
  made_.AddSite("y", 1, "y.npy", others, 3);
  const ActivationsImportSummary summary = Import();
  EXPECT_EQ(summary.sites_added, 1U);
  EXPECT_EQ(summary.sites_before, 1U);
  ExpectSound(Index());
  EXPECT_EQ(Stored(Index(), {StreamNamed("y"), 1, kOverPositions}), others);
  const ActivationsImportSummary again = Import();
  EXPECT_EQ(again.sites_added, 0U);
  EXPECT_EQ(again.sites_before, 2U);

  // One that says something else of the same place, or of other tokens, changes nothing.
  const std::string sites = Rows(Index(), "site", "*");
  std::vector<float> changed = values_;
  changed[17 * kDimension + 2] += 1;
  made_.WriteMatrix("x.npy", changed, kDimension);
  EXPECT_THAT(Refusal(), OneLineWith("made.actkin", "x block 0 over positions already", "row 17 differs"));
  made_.WriteMatrix("x.npy", std::span(values_).first(60), 60);
  EXPECT_THAT(Refusal(), OneLineWith("x.npy", "1 rows"));
  made_.WriteMatrix("x.npy", MadeActivations::Random(65, 2, 1), 2);
  EXPECT_THAT(Refusal(), OneLineWith("dimension 5 in float32", "2 in float32"));
  made_.WriteMatrix("x.npy", values_, kDimension);
  made_.description["document_lengths"] = {40, 25};
  EXPECT_THAT(Refusal(), OneLineWith("document 1 is not the one"));
  made_.description["document_lengths"] = {40, 0, 25};
  std::vector<std::int64_t> ids(made_.tokens().begin(), made_.tokens().end());
  ids[20] = (ids[20] + 1) % 6;
  made_.WriteNumbers("ids.npy", ids);
  EXPECT_THAT(Refusal(), OneLineWith("ids.npy", fmt::format("entry 20 is token {}", ids[20])));
  made_.Write("texts.json", R"(["a", "b", "c", "d", "e", "g"])");
  EXPECT_THAT(Refusal(), OneLineWith("its token 5 is another"));
  made_.Write("texts.json", R"(["a", "b", "c", "d", "e", "f", "g"])");
  EXPECT_THAT(Refusal(), OneLineWith("has 6 tokens", "has 7"));
  EXPECT_EQ(Rows(Index(), "site", "*"), sites);
  ExpectSound(Index());
}

// Every file, a bit changed, cut or missing.
TEST_F(ImportActivationsTest, DamagedFilesAreMadeAgain) {
  constexpr std::uint64_t kRows = 5000;  // which have sketches
  MadeActivations large(folder_ / "large", {kRows});
  large.Write("texts.json", R"(["a", "b", "c", "d", "e", "the"])");
  large.AddSite("x", 0, "x.npy", MadeActivations::Random(kRows, 4, 3), 4);
  large.AddSite("some", 0, "s.npy", MadeActivations::Random(3, 4, 4), 4);
  large.WriteNumbers("p.npy", std::vector<std::int64_t>{1, 5, 4000});
  large.description["sites"][1]["positions"] = "p.npy";
  large.WriteDescription();
  ActivationsImport import{large.folder(), Index(), 2, true};
  ImportActivations(import, listener_);
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(Index())) {
    const std::string name = std::filesystem::relative(entry.path(), folder_.path());
    if (entry.is_regular_file() && !name.ends_with("catalog.db") && !name.ends_with("build.lock")) {
      files[name] = ReadFile(entry.path());
    }
  }
  EXPECT_EQ(files.size(), 7U);  // tokens and their texts, suffixes, twice rows, positions, sketches
  for (const auto& [name, whole] : files) {
    std::string flipped = whole;
    flipped[whole.size() - 1] ^= 1;
    for (const std::string& bytes : {flipped, whole.substr(0, whole.size() - 1), std::string()}) {
      std::filesystem::remove(folder_ / name);
      if (!bytes.empty()) folder_.Write(name, bytes);
      import.repair = bytes == flipped;
      const ActivationsImportSummary summary = ImportActivations(import, listener_);
      EXPECT_EQ(summary.files_repaired, 1U) << name;
      EXPECT_EQ(summary.sites_added, 0U) << name;
      EXPECT_EQ(ReadFile(folder_ / name), whole) << name;
      ExpectSound(Index());
    }
  }
}

// Ended at any place and run again, it ends with the same bytes, and has not begun anew.
TEST_F(ImportActivationsTest, AnEndedImportGoesOn) {
  constexpr std::uint64_t kRows = 9000;
  constexpr std::uint64_t kWide = 700;  // several batches, and sketches
  MadeActivations large(folder_ / "large", {kRows});
  large.AddSite("x", 0, "x.npy", MadeActivations::Random(kRows, kWide, 3), kWide);
  large.AddSite("y", 0, "y.npy", MadeActivations::Random(kRows, 3, 4), 3);
  large.WriteDescription();
  const auto import = [&](const std::string& name) {
    ActivationsImport request{large.folder(), folder_ / name, 3, false, 1, 0};
    return ErrorOf([&] { ImportActivations(request, listener_); });
  };
  EXPECT_EQ(import("whole.actkin"), "no error");
  ExpectSound(folder_ / "whole.actkin");
  listener_.ends_at = kRows / 2;
  EXPECT_EQ(import("ended.actkin"), "ended");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "ended.actkin/catalog.db"));
  listener_.ends_at.reset();
  const std::vector<std::filesystem::path> kept(std::filesystem::directory_iterator(folder_ / "ended.actkin/partial"),
                                                {});
  EXPECT_FALSE(kept.empty());
  EXPECT_EQ(import("ended.actkin"), "no error");
  ExpectSound(folder_ / "ended.actkin");
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "whole.actkin/sites")) {
    EXPECT_EQ(ReadFile(entry.path()), ReadFile(folder_ / "ended.actkin/sites" / entry.path().filename()));
  }
  // Other files of the same names are not what was begun.
  listener_.ends_at = kRows / 2;
  EXPECT_EQ(import("other.actkin"), "ended");
  listener_.ends_at.reset();
  const std::vector<float> others = MadeActivations::Random(kRows, kWide, 5);
  large.WriteMatrix("x.npy", others, kWide);
  EXPECT_EQ(import("other.actkin"), "no error");
  EXPECT_EQ(Stored(folder_ / "other.actkin", {StreamNamed("x"), 0, kOverPositions}), others);
}

// Nearest rows by the definition.
std::vector<std::uint64_t> NearestPositions(std::span<const float> rows, std::span<const std::uint64_t> positions,
                                            std::span<const float> vector, std::size_t k) {
  std::vector<std::pair<double, std::uint64_t>> distances;
  const std::size_t width = vector.size();
  for (std::size_t row = 0; row < positions.size(); ++row) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const double difference = static_cast<double>(rows[row * width + i]) - static_cast<double>(vector[i]);
      sum += difference * difference;
    }
    distances.emplace_back(sum, positions[row]);
  }
  std::ranges::sort(distances);
  std::vector<std::uint64_t> nearest;
  for (std::size_t i = 0; i < k; ++i) nearest.push_back(distances[i].second);
  return nearest;
}

TEST_F(ImportActivationsTest, NeighborsAreThoseOfTheDefinition) {
  constexpr std::uint64_t kTokens = 9001;
  constexpr std::uint64_t kWide = 24;
  MadeActivations large(folder_ / "large", {4000, 5001});
  std::vector<std::uint64_t> all(kTokens);
  std::iota(all.begin(), all.end(), 0U);
  std::vector<std::uint64_t> some;
  for (std::uint64_t position = 3; position < kTokens; position += 2) some.push_back(position);
  const std::vector<float> values = MadeActivations::Random(kTokens, kWide, 6);
  large.AddSite("all", 0, "all.npy", values, kWide);
  const std::span<const float> some_values = std::span(values).first(some.size() * kWide);
  large.AddSite("some", 0, "some.npy", some_values, kWide);
  large.WriteNumbers("p.npy", std::vector<std::int64_t>(some.begin(), some.end()));
  large.description["sites"][1]["positions"] = "p.npy";
  large.WriteDescription();
  ImportActivations({large.folder(), Index(), 3, false, 2}, listener_);
  IndexReader reader{IndexDirectory(Index())};
  for (const auto& [name, rows, positions] :
       {std::tuple("all", std::span<const float>(values), std::span<const std::uint64_t>(all)),
        std::tuple("some", some_values, std::span<const std::uint64_t>(some))}) {
    const auto index = reader.OpenIndex({StreamNamed(name), 0, kOverPositions});
    SearchRequest request;
    request.k = 20;
    for (unsigned seed = 0; seed < 10; ++seed) {
      const std::vector<float> vector = MadeActivations::Random(1, kWide, 100 + seed);
      std::vector<std::uint64_t> found;
      const std::vector<std::vector<Match>> answers = index->Search(vector, request);
      for (const Match& match : answers.front()) found.push_back(match.number);
      EXPECT_EQ(found, NearestPositions(rows, positions, vector, 20)) << name;
    }
  }
}

}  // namespace
}  // namespace actkin
