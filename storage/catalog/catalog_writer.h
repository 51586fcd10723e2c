#ifndef ACTKIN_STORAGE_CATALOG_CATALOG_WRITER_H_
#define ACTKIN_STORAGE_CATALOG_CATALOG_WRITER_H_

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/content_checksum.h"
#include "storage/catalog/index_directory.h"
#include "storage/catalog/site_statistics_row.h"
#include "storage/catalog/sqlite.h"

namespace actkin {

// Makes the catalog of a corpus, strings and counts only, in a file that no reader knows yet. Nothing is safe on disk
// before Finish: a writer that dies leaves a file to be deleted.
class NewCatalog {
 public:
  // Replaces what is at `path`.
  explicit NewCatalog(const std::filesystem::path& path);

  void AddCorpus(const CorpusRow& corpus, std::span<const DocumentRow> documents);
  void AddCorpusFiles(const CorpusFilesRow& files);
  void AddTokenizer(const TokenizerRow& tokenizer);
  // Ids 0, 1, 2, ...
  void AddToken(TokenId token_id, std::string_view text, std::string_view bytes);
  void AddLength(const LengthRow& row);
  // Strings in ascending order of their ids.
  // tokens: as EncodeTokenIds writes them, of TokenIdWidth(the number of tokens).
  void AddString(StringId string_id, int length, std::string_view text, std::uint64_t occurrences,
                 std::string_view tokens);
  // In ascending order of (string_id, token_id).
  void AddNextToken(StringId string_id, TokenId token_id, std::uint64_t count);
  // Makes the indices of the strings' texts and tokens, commits and flushes.
  void Finish();

 private:
  std::filesystem::path path_;
  std::unique_ptr<SqliteConnection> connection_;
  RowChecksum row_;
  // Of the rows so far.
  std::uint64_t string_checksum_ = 0;
  std::uint64_t next_token_checksum_ = 0;
  std::map<std::string, std::uint64_t> checksums_;  // by table
  std::optional<SqliteStatement> add_token_;
  std::optional<SqliteStatement> add_string_;
  std::optional<SqliteStatement> add_next_token_;
};

// What one site adds to the catalog.
struct NewSite {
  SiteRow site;                             // site_id, position_set_id and capture_id are given by the catalog
  std::vector<VectorFileRow> vector_files;  // none for embedding sites over strings
  std::vector<SiteIndexRow> indices;
  // Over positions; sites whose sets have the same name, rows and file share one.
  std::optional<PositionSetRow> positions = {};
  // Of what is added together, the pass in which its rows were computed, from 0; none: they are codes, or imported.
  std::optional<int> pass = {};
  std::optional<RecordedSiteRow> recorded = {};      // elsewhere, and imported
  std::optional<RoundingRow> rounding = {};          // where its rows are rounded
  std::optional<SiteStatisticsRow> statistics = {};  // where its rows are not kept; others are gone through later
};

// A transaction that leaves the catalog's own checksums right. Throws Error, and changes nothing, where they are not
// right before it.
class CatalogTransaction {
 public:
  explicit CatalogTransaction(SqliteConnection& connection);

  void Commit();

 private:
  SqliteConnection& connection_;
  SqliteTransaction transaction_;
};

// Changes the catalog of an index directory. While it lives the catalog is in WAL mode, so that readers go on; at the
// end it is checkpointed and returned to journal_mode=DELETE, unless a reader is at it just then: then CloseLeftJournal
// does it. REQUIRES: the build lock is held.
class CatalogWriter {
 public:
  explicit CatalogWriter(const IndexDirectory& directory);
  ~CatalogWriter();
  CatalogWriter(const CatalogWriter&) = delete;
  CatalogWriter& operator=(const CatalogWriter&) = delete;

  // Returns a catalog that a killed writer, or one whose readers stayed, left in WAL mode to journal_mode=DELETE, where
  // nobody is at it any more; else does nothing. Needs no lock. REQUIRES: this process has it open nowhere.
  static void CloseLeftJournal(const IndexDirectory& directory);

  // Each is one transaction: a reader sees all of it or nothing.
  void SetModel(const ModelRow& model);
  // row_orders: by t_i, those that are not there yet.
  void AddSites(std::span<const NewSite> sites, std::span<const std::pair<LengthRow, FileRow>> row_orders);
  // The file that the index 'exact' of a site is opened by. build_seconds is added to what it took before. The site's
  // statistics (site_statistics.h) become these, or are no longer there.
  void SetExactIndex(std::int64_t site_id, const FileRow& file, double build_seconds,
                     const std::optional<SiteStatisticsRow>& statistics = {});
  // A file that was made again, where other bytes than before were as good: the rows that name it get its checksum.
  void SetFile(const FileRow& file);
  // The same of a site's rows: what was computed from them, sketches, approximate indices and statistics, is no longer
  // there.
  void SetRows(std::int64_t site_id, const FileRow& file);
  // An approximate index, in place of one of that name and metric.
  void AddIndex(std::int64_t site_id, const SiteIndexRow& index);
  void DropIndex(std::int64_t site_id, const SiteIndexRow& index);
  // Measurements replace those of the same site, index, parameters, sample and k.
  void SaveRecall(std::span<const RecallRow> rows);

 protected:
  SqliteConnection connection_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_CATALOG_WRITER_H_
