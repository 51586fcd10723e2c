#include "storage/directory/verify.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/catalog/content_checksum.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/verify_file.h"
#include "storage/directory/verify_prompt_sets.h"
#include "storage/directory/verify_strings.h"

namespace actkin {
namespace {

class Verifier {
 public:
  Verifier(const IndexDirectory& directory, VerifyDepth depth, const std::function<void(const Finding&)>& report,
           ProgressListener& progress)
      : directory_(directory), every_byte_(depth == VerifyDepth::kEveryByte), hear_(report), progress_(progress) {
    RequireIndexDirectory(directory);
    SqliteConnection::RequireAccess(directory.Catalog());
  }

  void Run() {
    if (every_byte_) progress_.Begin("verify", TotalBytes(), "bytes");
    const bool readable = CheckAll();
    if (every_byte_) progress_.End();
    ReportLeftovers(readable);
  }

 private:
  // False where the catalog does not say what there is.
  bool CheckAll() {
    if (!Check("catalog.db", [this] { CheckPages(); })) return false;
    catalog_.emplace(connection_->handle());
    CheckContent();
    for (const std::string& added : AddedObjects(connection_->handle())) {
      hear_({Finding::Kind::kAdded, "catalog.db: " + added, "not actkin's: it is left as it is"});
    }
    std::vector<DirectoryFile> shared;
    std::vector<PositionSetRow> position_sets;
    std::vector<SiteRow> sites;
    const bool readable = Check("catalog.db: what is built", [&] {
      lengths_ = catalog_->Lengths();
      shared = SharedFiles(*catalog_);
      position_sets = catalog_->PositionSets();
      sites = catalog_->Sites();
    });
    if (!readable) return false;
    if (every_byte_)
      VerifyStringTables(*catalog_, [this](const auto& what, const auto& action) { Check(what, action); });
    files_.emplace(directory_, *catalog_, every_byte_ ? VerifyDepth::kEveryByte : VerifyDepth::kHeaders);
    for (const DirectoryFile& file : shared) CheckFile(file);
    if (every_byte_ && files_->has_corpus()) Check("catalog.db: counts", [this] { files_->VerifyCounts(); });
    for (const PositionSetRow& set : position_sets) CheckPositionSet(set);
    for (const SiteRow& site : sites) CheckSite(site);
    Check("catalog.db: experiments", [this] {
      if (every_byte_)
        VerifyPromptSets(*catalog_, [this](const auto& what, const auto& action) { Check(what, action); });
      for (const DirectoryFile& file : ExperimentFiles(*catalog_)) CheckFile(file);
    });
    return true;
  }

  std::uint64_t TotalBytes() const {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path(), error)) {
      const bool unfinished = entry.path().string().starts_with(directory_.Partial().string());
      if (!unfinished && entry.is_regular_file(error)) bytes += entry.file_size(error);
    }
    return bytes;
  }

  // `what`: the file that the action reads, or a part of the catalog.
  template <typename Action>
  bool Check(const std::string& what, const Action& action) {
    Finding finding{Finding::Kind::kSound, what, ""};
    try {
      action();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInterrupted) throw;
      finding = {Finding::Kind::kDamaged, what, error.what()};
    }
    std::error_code absent;
    const std::uint64_t bytes = std::filesystem::file_size(directory_.path() / what, absent);
    if (!absent) bytes_read_ += bytes;
    progress_.Advance(bytes_read_, 0);
    hear_(finding);
    return finding.kind == Finding::Kind::kSound;
  }

  void CheckPages() {
    connection_ = OpenCatalog(directory_);
    if (!every_byte_) return;
    const std::string answer = connection_->Value("PRAGMA integrity_check(1)").value_or("no answer");
    if (answer != "ok") Fail("{}: damaged: {}", directory_.Catalog().string(), answer);
  }

  void CheckContent() {
    Check("catalog.db: content_checksum", [&] { VerifyChecksumTable(connection_->handle()); });
    for (const std::string& table : CheckedTables()) {
      if (WasMadeBefore(connection_->handle(), table)) continue;
      Check("catalog.db: " + table, [&] {
        if (every_byte_ || !IsFixedTable(table)) return VerifyContent(connection_->handle(), table);
        SqliteStatement(connection_->handle(), fmt::format("SELECT 1 FROM main.\"{}\" LIMIT 1", table)).Step();
      });
    }
  }

  void CheckFile(const DirectoryFile& file) {
    named_.insert(file.file.file);
    Check(file.file.file, [&] { files_->Verify(file); });
  }

  void CheckPositionSet(const PositionSetRow& row) {
    if (row.file) return;
    Check("catalog.db: position set " + Quote(row.name), [&] {
      const std::uint64_t positions = catalog_->Corpus().token_count;
      if (row.row_count != positions) Fail("it has {} rows, expected {}", row.row_count, positions);
    });
  }

  void CheckSite(const SiteRow& site) {
    std::vector<DirectoryFile> files;
    Check("catalog.db: " + Describe(site.site), [&] {
      files = SiteFiles(*catalog_, site);
      RequireRowsOfSite(site);
      RequireIndices(site);
    });
    for (const DirectoryFile& file : files) CheckFile(file);
  }

  void RequireRowsOfSite(const SiteRow& site) {
    if (site.site.over_positions()) {
      const PositionSetRow positions = catalog_->PositionSet(*site.position_set_id);
      if (positions.row_count != site.row_count) Fail("its rows are not the positions {}", Quote(positions.name));
    } else {
      const auto length = std::ranges::find(lengths_, site.site.t_i + 1, &LengthRow::length);
      if (length == lengths_.end() || length->row_count != site.row_count ||
          length->first_string_id != site.first_string_id) {
        Fail("its rows are not the strings of length {}", site.site.t_i + 1);
      }
      if (!catalog_->RowOrder(site.site.t_i)) Fail("its t_i has no row order");
    }
    if (site.site.of_codes()) return;
    std::uint64_t end = 0;
    for (const VectorFileRow& file : catalog_->VectorFiles(site.site_id)) {
      if (file.rows.begin != end) Fail("its vector files leave out row {}", end);
      end = file.rows.end;
    }
    if (site.element == Element::kNone) {
      if (end != 0) Fail("its rows are not kept, but it has vector files");
      return;
    }
    if (end != site.row_count) Fail("its vector files hold {} rows, expected {}", end, site.row_count);
  }

  void RequireIndices(const SiteRow& site) {
    const std::vector<SiteIndexRow> indices = catalog_->SiteIndices(site.site_id);
    const auto exact = std::ranges::find(indices, kExactIndexName, &SiteIndexRow::name);
    if (exact == indices.end()) Fail("no index 'exact'");
    for (const VectorFileRow& rows : catalog_->VectorFiles(site.site_id)) {
      if (rows.file.file != exact->file.file) continue;
      if (rows.file.bytes != exact->file.bytes || rows.file.checksum != exact->file.checksum) {
        Fail("its index 'exact' and its vector file do not agree about {}", rows.file.file);
      }
    }
  }

  void ReportLeftovers(bool all_are_named) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path(), error)) {
      const std::string name = entry.path().lexically_relative(directory_.path()).string();
      if (entry.path().parent_path() == directory_.Partial()) {
        hear_({Finding::Kind::kLeftover, name, "unfinished work: the same build continues it"});
        continue;
      }
      if (!all_are_named || entry.is_directory(error) || name.starts_with("partial/")) continue;
      const bool ours = name.starts_with("catalog.db") || entry.path() == directory_.Lock() || named_.contains(name);
      if (!ours) hear_({Finding::Kind::kLeftover, name, "no row of the catalog names it"});
    }
  }

  const IndexDirectory& directory_;
  const bool every_byte_;
  const std::function<void(const Finding&)>& hear_;
  ProgressListener& progress_;
  std::uint64_t bytes_read_ = 0;
  std::unique_ptr<SqliteConnection> connection_;
  std::optional<Catalog> catalog_;
  std::optional<FileVerifier> files_;
  std::vector<LengthRow> lengths_;
  std::set<std::string> named_;  // files that the catalog names
};

}  // namespace

void Verify(const IndexDirectory& directory, VerifyDepth depth, const std::function<void(const Finding&)>& report,
            ProgressListener& progress) {
  Verifier(directory, depth, report, progress).Run();
}

}  // namespace actkin
