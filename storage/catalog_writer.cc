#include "storage/catalog_writer.h"

#include <system_error>

#include "schema/catalog_sql.h"
#include "schema/error.h"
#include "storage/build_lock.h"
#include "storage/catalog_migration.h"
#include "storage/file.h"

namespace actkin {
namespace {

constexpr char kAddIndexSql[] = "INSERT INTO site_index VALUES (NULL, ?1, ?2, NULLIF(?3, ''), ?4, ?5, ?6, ?7)";

// The catalog's NULL is an empty text here.
std::string MetricText(const SiteIndexRow& index) { return index.metric ? std::string(Name(*index.metric)) : ""; }

void RunAddIndex(SqliteStatement& statement, std::int64_t site_id, const SiteIndexRow& index) {
  statement
      .Bind(site_id, index.name, MetricText(index), index.file.file, index.file.bytes, index.file.checksum,
            index.build_seconds)
      .Run();
}

}  // namespace

NewCatalog::NewCatalog(const std::filesystem::path& path) : path_(path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
    std::error_code ignored;
    std::filesystem::remove(path.string() + suffix, ignored);
  }
  connection_ = std::make_unique<SqliteConnection>(path, SqliteConnection::Mode::kCreate);
  // The file is of no use before Finish, so it needs no journal; what counts is flushed there.
  connection_->Execute(
      "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536; "
      "PRAGMA temp_store=FILE; PRAGMA threads=2;");
  connection_->Execute(
      fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", kCatalogApplicationId, kCatalogVersion));
  connection_->Execute("BEGIN");
  connection_->Execute(kCatalogSql);
  add_string_.emplace(connection_->handle(), "INSERT INTO string VALUES (?1, ?2, ?3, ?4)");
  add_next_token_.emplace(connection_->handle(), "INSERT INTO next_token VALUES (?1, ?2, ?3)");
}

void NewCatalog::AddCorpus(const CorpusRow& corpus, std::span<const std::string> token_texts) {
  SqliteStatement(connection_->handle(), "INSERT INTO corpus VALUES (?1, ?2, ?3, ?4)")
      .Bind(corpus.name, corpus.sha256, corpus.characters, corpus.string_length)
      .Run();
  SqliteStatement add_token(connection_->handle(), "INSERT INTO token VALUES (?1, ?2)");
  for (std::size_t token = 0; token < token_texts.size(); ++token) add_token.Bind(token, token_texts[token]).Run();
}

void NewCatalog::AddLength(const LengthRow& row) {
  SqliteStatement(connection_->handle(), "INSERT INTO string_length VALUES (?1, ?2, ?3, ?4)")
      .Bind(row.length, row.string_count, row.row_count, row.first_string_id)
      .Run();
}

void NewCatalog::AddString(StringId string_id, int length, std::string_view text, std::uint64_t occurrences) {
  add_string_->Bind(string_id, length, text, occurrences).Run();
}

void NewCatalog::AddNextToken(StringId string_id, TokenId token_id, std::uint64_t count) {
  add_next_token_->Bind(string_id, token_id, count).Run();
}

void NewCatalog::Finish() {
  connection_->Execute(kStringIndexSql);
  PassStopPoint(StopPoint::kCommit);
  connection_->Execute("COMMIT");
  add_string_.reset();
  add_next_token_.reset();
  connection_.reset();
  OutputFile(path_, OutputFile::Mode::kContinue).Flush();
}

CatalogWriter::CatalogWriter(const IndexDirectory& directory)
    : connection_(directory.Catalog(), SqliteConnection::Mode::kWrite) {
  const Catalog checked(connection_.handle());
  connection_.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=OFF;");
  MigrateCatalog(connection_);
  connection_.Execute("PRAGMA foreign_keys=ON");
}

CatalogWriter::~CatalogWriter() {
  sqlite3_busy_timeout(connection_.handle(), 1000);
  sqlite3_exec(connection_.handle(), "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;", nullptr, nullptr,
               nullptr);
}

void CatalogWriter::CloseJournal(const IndexDirectory& directory) {
  if (OpenCatalog(directory)->Value("PRAGMA journal_mode") == "wal") CatalogWriter writer(directory);
}

void CatalogWriter::CloseLeftJournal(const IndexDirectory& directory) {
  if (OpenCatalog(directory)->Value("PRAGMA journal_mode") != "wal") return;
  try {
    const BuildLock lock(directory);
    CloseJournal(directory);
  } catch (const Error&) {
    // Another process writes, or the folder is read-only.
  }
}

void CatalogWriter::SetModel(const ModelRow& model) {
  SqliteTransaction transaction(connection_);
  connection_.Execute("DELETE FROM model");
  SqliteStatement(connection_.handle(), "INSERT INTO model VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
      .Bind(model.file, model.sha256, model.shape.vocabulary_size, model.shape.blocks, model.shape.heads,
            model.shape.embed, model.shape.context)
      .Run();
  transaction.Commit();
}

void CatalogWriter::AddSites(std::span<const NewSite> sites,
                             std::span<const std::pair<LengthRow, FileRow>> row_orders) {
  SqliteTransaction transaction(connection_);
  sqlite3* handle = connection_.handle();
  SqliteStatement add_order(handle, "INSERT OR IGNORE INTO row_order VALUES (?1, ?2, ?3, ?4, ?5)");
  for (const auto& [length, file] : row_orders) {
    add_order.Bind(length.length - 1, length.row_count, file.file, file.bytes, file.checksum).Run();
  }
  SqliteStatement add_site(handle, "INSERT INTO site VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  SqliteStatement add_file(handle, "INSERT INTO vector_file VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  SqliteStatement add_index(handle, kAddIndexSql);
  for (const NewSite& added : sites) {
    const SiteRow& row = added.site;
    add_site
        .Bind(Name(row.site.stream), row.site.block, row.site.t_i, row.dimension, row.row_count, row.first_string_id,
              Name(row.element))
        .Run();
    const std::int64_t site_id = sqlite3_last_insert_rowid(handle);
    for (const VectorFileRow& vectors : added.vector_files) {
      add_file
          .Bind(site_id, vectors.rows.begin, vectors.rows.size(), vectors.file.file, vectors.file.bytes,
                vectors.file.checksum)
          .Run();
    }
    for (const SiteIndexRow& index : added.indices) RunAddIndex(add_index, site_id, index);
  }
  transaction.Commit();
}

void CatalogWriter::AddIndex(std::int64_t site_id, const SiteIndexRow& index) {
  SqliteTransaction transaction(connection_);
  SqliteStatement statement(connection_.handle(), kAddIndexSql);
  RunAddIndex(statement, site_id, index);
  transaction.Commit();
}

void CatalogWriter::DropIndex(std::int64_t site_id, const SiteIndexRow& index) {
  SqliteTransaction transaction(connection_);
  SqliteStatement(connection_.handle(),
                  "DELETE FROM site_index WHERE site_id = ?1 AND name = ?2 AND ifnull(metric, '') = ?3")
      .Bind(site_id, index.name, MetricText(index))
      .Run();
  transaction.Commit();
}

void CatalogWriter::SaveRecall(std::span<const RecallRow> rows) {
  SqliteTransaction transaction(connection_);
  SqliteStatement statement(connection_.handle(),
                            "INSERT OR REPLACE INTO recall VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  for (const RecallRow& row : rows) {
    statement
        .Bind(row.site_id, row.name, Name(row.metric), row.parameters, row.prompts, row.seed, row.k, row.recall,
              row.median_ms, row.p99_ms, row.threads)
        .Run();
  }
  transaction.Commit();
}

void CatalogWriter::SetExactIndex(std::int64_t site_id, const FileRow& file, double build_seconds) {
  SqliteTransaction transaction(connection_);
  SqliteStatement(connection_.handle(),
                  "UPDATE site_index SET file = ?2, bytes = ?3, checksum = ?4, build_seconds = build_seconds + ?5 "
                  "WHERE site_id = ?1 AND name = 'exact'")
      .Bind(site_id, file.file, file.bytes, file.checksum, build_seconds)
      .Run();
  transaction.Commit();
}

}  // namespace actkin
