// The capture over a model that is a plain function of the prefix, so that every row is known.
#include "indexer/build/capture.h"

#include <gtest/gtest.h>

#include <random>

#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"
#include "tests/durability/killed_child.h"
#include "tests/error_matchers.h"
#include "tests/silent_progress.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::uint64_t kEmbed = 4;

// The output for a prefix at a site: a function of all its tokens.
std::vector<float> Output(std::span<const TokenId> prefix, const Site& site) {
  float mix = static_cast<float>(site.block) + (site.stream == Stream::kProj ? 0.5F : 0.25F);
  for (const TokenId token : prefix) mix = 0.7F * mix + static_cast<float>(token);
  return {mix, -mix, 1, static_cast<float>(prefix.size())};
}

class FunctionForward : public PrefixForward {
 public:
  explicit FunctionForward(int fails_at) : fails_at_(fails_at) {}

  void Run(const PrefixForest& forest, std::span<const Site> sites, const SiteOutput& output) override {
    if (fails_at_ >= 0 && static_cast<int>(forest.levels[0].tokens[0]) >= fails_at_) Fail("the model broke");
    std::vector<std::vector<TokenId>> prefixes{{}};
    for (std::size_t t = 0; t < forest.levels.size(); ++t) {
      std::vector<std::vector<TokenId>> next;
      for (std::size_t node = 0; node < forest.levels[t].tokens.size(); ++node) {
        std::vector<TokenId> prefix = prefixes[t == 0 ? 0 : forest.levels[t].parents[node]];
        prefix.push_back(forest.levels[t].tokens[node]);
        next.push_back(std::move(prefix));
      }
      prefixes = std::move(next);
      for (const Site& site : sites) {
        if (site.t_i != static_cast<int>(t)) continue;
        std::vector<float> values;
        for (const auto& prefix : prefixes) {
          const std::vector<float> row = Output(prefix, site);
          values.insert(values.end(), row.begin(), row.end());
        }
        output(site, values);
      }
    }
  }

 private:
  int fails_at_;
};

class FunctionModel : public Transformer {
 public:
  explicit FunctionModel(int fails_at = -1) : fails_at_(fails_at) {}
  const ModelDescription& description() const override { return description_; }
  std::unique_ptr<PrefixForward> NewPrefixForward() const override {
    return std::make_unique<FunctionForward>(fails_at_);
  }
  std::unique_ptr<WindowForward> NewWindowForward() const override { return nullptr; }

 private:
  ModelDescription description_{
      .shape = {.vocabulary_size = 5, .context = 8, .embed = 4, .blocks = 2, .heads = 1, .head_size = 4, .hidden = 4},
      .key_value_heads = 1};
  int fails_at_;
};

class CaptureTest : public testing::Test {
 protected:
  CaptureTest() : text_(600) {
    std::mt19937 generator(5);
    for (TokenId& token : text_) token = static_cast<TokenId>(generator() % 5);
    strings_ = std::make_unique<StringLevels>(text_, 5, 4);
    tree_ = std::make_unique<PrefixTree>(*strings_, 4);
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      for (int block = 0; block < 2; ++block) {
        for (const int t_i : {1, 3}) plan_.sites.push_back({stream, block, t_i});
      }
    }
    plan_.embed = kEmbed;
    plan_.fingerprint = "0123456789ab";
  }

  std::vector<CapturedFile> Run(const std::string& name, int threads = 1, int fails_at = -1) {
    const IndexDirectory directory(folder_ / name);
    directory.Create();
    SilentProgress silent;
    return Capture(plan_, *tree_, FunctionModel(fails_at), directory, {threads, 0, 16}, silent);
  }

  std::vector<std::string> FileBytes(const std::vector<CapturedFile>& files) {
    std::vector<std::string> bytes;
    for (const CapturedFile& file : files) bytes.push_back(ReadFile(file.path));
    return bytes;
  }

  TemporaryFolder folder_;
  std::vector<TokenId> text_;
  std::unique_ptr<StringLevels> strings_;
  std::unique_ptr<PrefixTree> tree_;
  CapturePlan plan_;
};

TEST_F(CaptureTest, EveryRowIsTheOutputOfItsPrefix) {
  const std::vector<CapturedFile> files = Run("x");
  ASSERT_EQ(files.size(), plan_.sites.size());
  for (const CapturedFile& captured : files) {
    const VectorFile file(captured.path);
    file.Verify();
    EXPECT_EQ(captured.bytes, std::filesystem::file_size(captured.path));
    const auto length = static_cast<std::size_t>(captured.site.t_i) + 1;
    const std::vector<TokenId> tokens = tree_->RowTokens(captured.site.t_i);
    ASSERT_EQ(file.rows().size(), tree_->row_count(captured.site.t_i));
    for (RowNumber row = 0; row < file.rows().size(); ++row) {
      EXPECT_EQ(file.Row(row), Output(std::span(tokens).subspan(row * length, length), captured.site));
    }
  }
}

TEST_F(CaptureTest, BytesDoNotDependOnTheNumberOfThreads) {
  EXPECT_EQ(FileBytes(Run("one", 1)), FileBytes(Run("three", 3)));
}

// Killed before every write, flush and rename in turn, and continued: the same bytes as without a kill.
TEST_F(CaptureTest, KilledAnywhereAndContinuedItEndsWithTheSameBytes) {
  const std::vector<std::string> undisturbed = FileBytes(Run("undisturbed"));
  int stop = 1;
  for (bool killed = true; killed; stop += 7) {
    const std::string name = "killed-" + std::to_string(stop);
    killed = KilledBefore(stop, [&] { Run(name, 2); });
    EXPECT_EQ(FileBytes(Run(name, 2)), undisturbed) << "killed before event " << stop;
  }
  EXPECT_GT(stop, 100) << "the capture passes many stop points";
}

TEST_F(CaptureTest, AFailureKeepsWhatIsDone) {
  EXPECT_THAT(ErrorOf([&] { Run("x", 2, 3); }), OneLineWith("the model broke"));
  const std::string progress = ReadFile(IndexDirectory(folder_ / "x").Capture(plan_.fingerprint) / "progress.json");
  EXPECT_THAT(progress, testing::HasSubstr("1111"));
  EXPECT_EQ(FileBytes(Run("x", 2)), FileBytes(Run("undisturbed")));
}

// What an earlier run left is believed only once its rows agree with their checksum.
TEST_F(CaptureTest, RowsThatChangedBetweenTwoRunsAreNotContinued) {
  EXPECT_THAT(ErrorOf([&] { Run("x", 2, 3); }), OneLineWith("the model broke"));
  const std::filesystem::path folder = IndexDirectory(folder_ / "x").Capture(plan_.fingerprint);
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".vectors") continue;
    std::string bytes = ReadFile(entry.path());
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    ReplaceFile(entry.path(), bytes);
  }
  EXPECT_THAT(ErrorOf([&] { Run("x", 2); }), OneLineWith(".vectors: damaged", "run the same command again"));
  EXPECT_EQ(FileBytes(Run("x", 2)), FileBytes(Run("undisturbed")));
}

TEST_F(CaptureTest, ProgressThatMakesNoSenseIsStartedAnew) {
  const std::vector<std::string> undisturbed = FileBytes(Run("undisturbed"));
  for (const char* progress : {"", "{}", "[]", R"({"fingerprint":"0123456789ab","done":"11","checksums":[]})",
                               R"({"fingerprint":"0123456789ab","done":7,"checksums":"x"})"}) {
    const std::filesystem::path folder = IndexDirectory(folder_ / "x").Capture(plan_.fingerprint);
    std::filesystem::create_directories(folder);
    ReplaceFile(folder / "progress.json", progress);
    EXPECT_EQ(FileBytes(Run("x")), undisturbed) << progress;
  }
}

}  // namespace
}  // namespace actkin
