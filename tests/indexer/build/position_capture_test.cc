// The capture over positions, with a model that is a plain function of the tokens it saw, so that every row is known.
#include "indexer/build/position_capture.h"

#include <gtest/gtest.h>

#include <random>

#include "indexer/text/position_choice.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"
#include "tests/durability/killed_child.h"
#include "tests/error_matchers.h"
#include "tests/temporary_folder.h"

namespace actkin {
namespace {

constexpr std::uint64_t kEmbed = 4;
constexpr TokenId kBroken = 9;  // the model fails where it sees it

// The output at the last of these tokens: a function of all of them.
std::vector<float> Output(std::span<const TokenId> seen, const Site& site) {
  float mix = static_cast<float>(site.block) + 0.25F * static_cast<float>(site.stream);
  for (const TokenId token : seen) mix = 0.7F * mix + static_cast<float>(token);
  return {mix, -mix, 1, static_cast<float>(seen.size())};
}

class FunctionWindows : public WindowForward {
 public:
  void Run(const WindowBatch& batch, std::span<const Site> sites, const SiteOutput& output) override {
    if (std::ranges::find(batch.tokens, kBroken) != batch.tokens.end()) Fail("the model broke");
    for (const Site& site : sites) {
      std::vector<float> values;
      std::size_t first = 0;
      for (const std::uint32_t length : batch.lengths) {
        for (std::uint32_t i = 0; i < length; ++i) {
          const std::vector<float> row = Output(std::span(batch.tokens).subspan(first, i + 1), site);
          values.insert(values.end(), row.begin(), row.end());
        }
        first += length;
      }
      output(site, values);
    }
  }
};

class FunctionModel : public Transformer {
 public:
  const ModelDescription& description() const override { return description_; }
  std::unique_ptr<PrefixForward> NewPrefixForward() const override { return nullptr; }
  std::unique_ptr<WindowForward> NewWindowForward() const override { return std::make_unique<FunctionWindows>(); }

 private:
  ModelDescription description_{
      .shape = {.vocabulary_size = 10, .context = 9, .embed = 4, .blocks = 2, .heads = 1, .head_size = 4, .hidden = 4},
      .key_value_heads = 1};
};

class Silent : public ProgressListener {
 public:
  void Begin(const std::string&, std::uint64_t, const std::string&) override {}
  void Advance(std::uint64_t, std::uint64_t) override {}
  void End() override {}
  void Note(const std::string&) override {}
};

class PositionCaptureTest : public testing::Test {
 protected:
  PositionCaptureTest() : text_(400) {
    std::mt19937 generator(5);
    for (TokenId& token : text_) token = static_cast<TokenId>(generator() % 5);
    plan_.sites = {{Stream::kEmbedding, 0, kOverPositions},
                   {Stream::kProj, 0, kOverPositions},
                   {Stream::kFfwd, 1, kOverPositions}};
    plan_.embed = kEmbed;
    plan_.fingerprint = "0123456789ab";
    options_.checkpoint_seconds = 0;
    options_.batch_rows = 24;
  }

  std::vector<CapturedFile> Run(const std::string& name, int threads = 1) {
    const IndexDirectory directory(folder_ / name);
    directory.Create();
    Silent silent;
    CaptureOptions options = options_;
    options.threads = threads;
    SeenPositions positions{text_, windows_};
    if (chosen_) positions.chosen = *chosen_;
    return CapturePositions(plan_, positions, FunctionModel(), directory, options, silent);
  }

  std::vector<std::string> FileBytes(const std::vector<CapturedFile>& files) {
    std::vector<std::string> bytes;
    for (const CapturedFile& file : files) bytes.push_back(ReadFile(file.path));
    return bytes;
  }

  // The first window that sees a position with at least window - stride tokens before it, or all there are.
  std::vector<TokenId> SeenAt(std::uint64_t position) const {
    for (const RowRange& document : documents_) {
      if (position < document.begin || position >= document.end) continue;
      for (std::uint64_t begin = document.begin;; begin += windows_.stride()) {
        const bool sees = begin <= position && position < begin + windows_.window();
        if (!sees || (begin > document.begin && position - begin < windows_.window() - windows_.stride())) continue;
        std::vector<TokenId> seen;
        if (options_.beginning) seen.push_back(*options_.beginning);
        for (std::uint64_t i = begin; i <= position; ++i) seen.push_back(text_[i]);
        return seen;
      }
    }
    return {};
  }

  void ExpectEveryRow(const std::vector<CapturedFile>& files, const std::string& what) {
    ASSERT_EQ(files.size(), plan_.sites.size());
    for (const CapturedFile& captured : files) {
      const VectorFile file(captured.path);
      file.Verify();
      ASSERT_EQ(file.rows().size(), chosen_ ? chosen_->size() : text_.size()) << what;
      for (RowNumber row = 0; row < file.rows().size(); ++row) {
        const std::uint64_t position = chosen_ ? (*chosen_)[row] : row;
        ASSERT_EQ(file.Row(row), Output(SeenAt(position), captured.site)) << what << " position " << position;
      }
    }
  }

  TemporaryFolder folder_;
  std::vector<TokenId> text_;
  std::vector<RowRange> documents_{{0, 150}, {150, 150}, {150, 153}, {153, 400}};
  CorpusWindows windows_{documents_, 8, 3};
  std::optional<std::vector<std::uint64_t>> chosen_;
  PositionCapturePlan plan_;
  CaptureOptions options_;
};

TEST_F(PositionCaptureTest, EveryRowIsTheOutputOfItsWindow) {
  for (const auto& [window, stride] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{8, 3}, {8, 8}, {1, 1}, {5, 1}, {6, 4}}) {
    windows_ = CorpusWindows(documents_, window, stride);
    for (const bool begins : {false, true}) {
      options_.beginning = begins ? std::optional<TokenId>(7) : std::nullopt;
      for (const PositionChoice& choice : {PositionChoice{}, PositionChoice{.every = 7}, PositionChoice{.every = 100},
                                           PositionChoice{.sample = 0.1}}) {
        chosen_.reset();
        if (!choice.all()) chosen_ = ChoosePositions(choice, text_.size());
        const std::string name = fmt::format("{}-{}-{}-{}", window, stride, begins, choice.Name());
        ExpectEveryRow(Run(name, 2), name);
      }
    }
  }
}

TEST_F(PositionCaptureTest, WindowsWithoutAChosenPositionAreLeftOut) {
  chosen_ = std::vector<std::uint64_t>{10, 11, 200};
  text_[300] = kBroken;
  ExpectEveryRow(Run("x"), "x");
}

TEST_F(PositionCaptureTest, BytesDoNotDependOnTheNumberOfThreads) {
  EXPECT_EQ(FileBytes(Run("one", 1)), FileBytes(Run("three", 3)));
}

// Killed before every write, flush and rename in turn, and continued: the same bytes as without a kill.
TEST_F(PositionCaptureTest, KilledAnywhereAndContinuedItEndsWithTheSameBytes) {
  const std::vector<std::string> undisturbed = FileBytes(Run("undisturbed"));
  int stop = 1;
  for (bool killed = true; killed; stop += 11) {
    const std::string name = "killed-" + std::to_string(stop);
    killed = KilledBefore(stop, [&] { Run(name, 2); });
    EXPECT_EQ(FileBytes(Run(name, 2)), undisturbed) << "killed before event " << stop;
  }
  EXPECT_GT(stop, 100) << "the capture passes many stop points";
}

TEST_F(PositionCaptureTest, AFailureKeepsWhatIsDone) {
  const std::vector<std::string> undisturbed = FileBytes(Run("undisturbed"));
  const TokenId before = std::exchange(text_[300], kBroken);
  EXPECT_THAT(ErrorOf([&] { Run("x", 2); }), OneLineWith("the model broke"));
  const std::string progress = ReadFile(IndexDirectory(folder_ / "x").Capture(plan_.fingerprint) / "progress.json");
  EXPECT_THAT(progress, testing::HasSubstr("1111"));
  text_[300] = before;
  EXPECT_EQ(FileBytes(Run("x", 2)), undisturbed);
}

}  // namespace
}  // namespace actkin
