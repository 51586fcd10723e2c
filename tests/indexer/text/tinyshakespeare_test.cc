// The facts of golden/tinyshakespeare.json, on the real corpus, through the catalog that a build writes.
#include <gmock/gmock.h>

#include "indexer/text/catalog_build.h"
#include "query/reader/prompt_sample.h"
#include "schema/text.h"
#include "schema/tokenizer/character_tokenizer.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/index_directory.h"
#include "storage/machine/sha256.h"
#include "tests/shared_data.h"
#include "tests/silent_progress.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

class TinyshakespeareTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!std::filesystem::exists(SharedData("tinyshakespeare.txt"))) return;
    facts_ = SharedJson("golden/tinyshakespeare.json");
    corpus_ = ReadCorpus(SharedData("tinyshakespeare.txt"));
    const CharacterTokenizer tokenizer(Vocabulary::OfText(corpus_.alphabet));
    tokens_ = Tokenize(corpus_, tokenizer, 10, "corpus");
    strings_ = std::make_unique<StringLevels>(tokens_.tokens, tokenizer.size(), 10);
    folder_ = std::make_unique<TemporaryFolder>();
    directory_ = std::make_unique<IndexDirectory>(*folder_ / "x.actkin");
    directory_->Create();
    SilentProgress silent;
    WriteCatalog(directory_->Catalog(), corpus_, tokens_, {}, tokenizer, {}, *strings_, silent);
    connection_ = OpenCatalog(*directory_);
    catalog_ = std::make_unique<Catalog>(connection_->handle());
  }
  static void TearDownTestSuite() {
    catalog_.reset();
    connection_.reset();
    folder_.reset();
    strings_.reset();
  }

  void SetUp() override { ACTKIN_NEEDS_SHARED_DATA("tinyshakespeare.txt"); }

  static std::string Text(int length, std::size_t ordinal) {
    return catalog_->String(strings_->FirstStringId(length) + ordinal).text;
  }

  // Prefix -> token -> count, from the view.
  static nlohmann::json NextTokens(const std::string& prefix) {
    SqliteStatement statement(connection_->handle(), "SELECT token, count FROM next_token_map WHERE prefix = ?1");
    statement.Bind(prefix);
    nlohmann::json counts = nlohmann::json::object();
    while (statement.Step()) counts[statement.Text(0)] = statement.Integer(1);
    return counts;
  }

  static inline nlohmann::json facts_;
  static inline Corpus corpus_;
  static inline CorpusTokens tokens_;
  static inline std::unique_ptr<StringLevels> strings_;
  static inline std::unique_ptr<TemporaryFolder> folder_;
  static inline std::unique_ptr<IndexDirectory> directory_;
  static inline std::unique_ptr<SqliteConnection> connection_;
  static inline std::unique_ptr<Catalog> catalog_;
};

TEST_F(TinyshakespeareTest, CorpusAndVocabulary) {
  EXPECT_EQ(catalog_->Corpus().sha256, facts_["sha256"]);
  EXPECT_EQ(catalog_->Corpus().characters, facts_["characters"]);
  EXPECT_EQ(catalog_->TokenTexts().size(), facts_["vocabulary_size"]);
}

TEST_F(TinyshakespeareTest, UniqueStringsByLength) {
  for (const auto& [length, count] : facts_["unique_strings_by_length"].items()) {
    EXPECT_EQ(strings_->level(std::stoi(length)).size(), count) << length;
    if (std::stoi(length) > 10) continue;
    EXPECT_EQ(connection_->Value("SELECT count(*) FROM string WHERE length = " + length), count.dump());
  }
}

TEST_F(TinyshakespeareTest, RowsByPosition) {
  const std::vector<LengthRow> lengths = catalog_->Lengths();
  ASSERT_EQ(lengths.size(), 10U);
  for (std::size_t t_i = 0; t_i < 10; ++t_i) {
    EXPECT_EQ(lengths[t_i].row_count, facts_["rows_per_t_i_of_length_10"][t_i]) << t_i;
  }
}

TEST_F(TinyshakespeareTest, TheTenStrings) {
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(Text(10, 14423 + i), facts_["strings_of_length_10_at_14423_to_14432"][i]);
  }
}

TEST_F(TinyshakespeareTest, NextTokenCounts) {
  for (const auto& [prefix, counts] : facts_["next_token_counts"].items())
    EXPECT_EQ(NextTokens(prefix), counts) << prefix;
}

TEST_F(TinyshakespeareTest, StringsWithoutANextTokenAreStrings) {
  for (const std::string prefix : facts_["strings_without_a_next_token"]) {
    EXPECT_TRUE(!catalog_->StringsOfText(prefix, static_cast<int>(prefix.size())).empty()) << prefix;
    EXPECT_EQ(NextTokens(prefix), nlohmann::json::object()) << prefix;
  }
}

TEST_F(TinyshakespeareTest, ThePromptSample) {
  IndexReader reader(*directory_);
  std::vector<std::string> sample;
  for (const Prompt& prompt : SamplePrompts(reader, 20000)) sample.push_back(prompt.text);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(sample[i], facts_["sample_20000_seed_1337_first_10"][i]);
  for (const auto& [prompt, place] : facts_["sample_20000_index_of"].items()) {
    EXPECT_EQ(sample[place.get<std::size_t>()], prompt);
  }
  // json.dumps of a list in Python puts a space after each comma.
  std::string dumped = "[";
  for (const std::string& prompt : sample) dumped += (dumped.size() > 1 ? ", " : "") + nlohmann::json(prompt).dump();
  EXPECT_EQ(Sha256(dumped + "]"), facts_["sample_20000_seed_1337_sha256_of_python_json_dumps_of_the_list"]);
}

TEST_F(TinyshakespeareTest, TheCatalogIsSmall) {
  const std::uint64_t bytes = std::filesystem::file_size(directory_->Catalog());
  EXPECT_LT(bytes, 500'000'000U);
  // What a build announces is what it takes, within a tenth.
  EXPECT_NEAR(static_cast<double>(EstimateCatalogBytes(corpus_.bytes, tokens_, 65, *strings_)),
              static_cast<double>(bytes), 0.1 * static_cast<double>(bytes));
}

}  // namespace
}  // namespace actkin
