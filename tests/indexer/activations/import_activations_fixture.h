#ifndef ACTKIN_TESTS_INDEXER_ACTIVATIONS_IMPORT_ACTIVATIONS_FIXTURE_H_
#define ACTKIN_TESTS_INDEXER_ACTIVATIONS_IMPORT_ACTIVATIONS_FIXTURE_H_

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "indexer/activations/import_activations.h"
#include "query/reader/activations_export.h"
#include "query/reader/index_reader.h"
#include "storage/catalog/sqlite.h"
#include "storage/directory/verify.h"
#include "storage/machine/file.h"
#include "tests/error_matchers.h"
#include "tests/indexer/activations/made_activations.h"
#include "tests/temporary_folder.h"

namespace actkin {

// Hears, and ends the work where it is told to.
class Listener : public ProgressListener {
 public:
  void Begin(const std::string& step, std::uint64_t, const std::string&) override { steps.push_back(step); }
  void Advance(std::uint64_t done, std::uint64_t already) override {
    if (ends_at && done > already && done >= *ends_at) throw Error("ended", ErrorCode::kInterrupted);
  }
  void End() override {}
  void Note(const std::string& line) override { notes += line + "\n"; }

  std::optional<std::uint64_t> ends_at;
  std::vector<std::string> steps;
  std::string notes;
};

class ImportActivationsTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kDimension = 5;

  ImportActivationsTest()
      : made_(folder_ / "recorded", {40, 0, 25}), values_(MadeActivations::Random(65, kDimension, 2)) {}

  std::filesystem::path Index() const { return folder_ / "made.actkin"; }

  ActivationsImportSummary Import(const std::string& name = "made.actkin", std::optional<int> length = {}) {
    made_.WriteDescription();
    ActivationsImport import{made_.folder(), folder_ / name, length};
    import.threads = 2;
    import.checkpoint_seconds = 0;
    return ImportActivations(import, listener_);
  }

  std::string Refusal() {
    return ErrorOf([&] { Import(); });
  }

  static void ExpectSound(const std::filesystem::path& index) {
    Listener progress;
    Verify(
        IndexDirectory(index), VerifyDepth::kEveryByte,
        [](const Finding& finding) {
          EXPECT_EQ(finding.kind, Finding::Kind::kSound) << finding.what << ": " << finding.line;
        },
        progress);
  }

  static std::vector<SiteRow> Sites(const std::filesystem::path& index) {
    const auto connection = OpenCatalog(IndexDirectory(index));
    return Catalog(connection->handle()).Sites();
  }

  // A table, a row a line.
  static std::string Rows(const std::filesystem::path& index, const std::string& table, const std::string& columns) {
    const auto connection = OpenCatalog(IndexDirectory(index));
    SqliteStatement select(connection->handle(),
                           fmt::format("SELECT json_array({}) FROM {} ORDER BY 1", columns, table));
    std::string rows;
    while (select.Step()) rows += select.Text(0) + "\n";
    return rows;
  }

  // Of a site's rows, as they are stored.
  static std::vector<float> Stored(const std::filesystem::path& index, const Site& site) {
    IndexReader reader{IndexDirectory(index)};
    const auto opened = reader.OpenIndex(site);
    std::vector<float> values;
    for (std::uint64_t row = 0; row < opened->row_count(); ++row) {
      const std::vector<float> vector = opened->Vector(static_cast<RowNumber>(row));
      values.insert(values.end(), vector.begin(), vector.end());
    }
    return values;
  }

  // Every file of the folder that the index is exported to, by name.
  std::map<std::string, std::string> Export(const std::string& index, const std::string& name) {
    IndexReader reader{IndexDirectory(folder_ / index)};
    std::vector<SiteRow> sites = reader.catalog().Sites();
    const ExportFolder folder(folder_ / name);
    const ActivationsExportSummary summary = ExportActivations(reader, sites, folder, listener_);
    EXPECT_EQ(summary.files.back(), "activations.json");
    std::map<std::string, std::string> files;
    for (const std::string& file : summary.files) files[file] = ReadFile(folder.path() / file);
    return files;
  }

  TemporaryFolder folder_;
  MadeActivations made_;
  std::vector<float> values_;
  Listener listener_;
};

}  // namespace actkin

#endif  // ACTKIN_TESTS_INDEXER_ACTIVATIONS_IMPORT_ACTIVATIONS_FIXTURE_H_
