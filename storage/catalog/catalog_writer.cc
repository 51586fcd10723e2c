#include "storage/catalog/catalog_writer.h"

#include <fstream>
#include <system_error>

#include "schema/catalog_sql.h"
#include "schema/error.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/catalog/site_statistics.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

// An index takes the place of one of its name and metric.
const std::string& AddIndexSql() {
  static const std::string sql =
      UpsertSql("site_index", {"site_id", "name", "metric", "file", "bytes", "checksum", "build_seconds"},
                "?1, ?2, NULLIF(?3, ''), ?4, ?5, ?6, ?7", "site_id, name, ifnull(metric, '')");
  return sql;
}

// The catalog's NULL is an empty text here.
std::string MetricText(const SiteIndexRow& index) { return index.metric ? std::string(Name(*index.metric)) : ""; }

void RunAddIndex(SqliteStatement& statement, std::int64_t site_id, const SiteIndexRow& index) {
  statement
      .Bind(site_id, index.name, MetricText(index), index.file.file, index.file.bytes, index.file.checksum,
            index.build_seconds)
      .Run();
}

void RunDropIndex(sqlite3* connection, std::int64_t site_id, const SiteIndexRow& index) {
  SqliteStatement(connection, "DELETE FROM site_index WHERE site_id = ?1 AND name = ?2 AND ifnull(metric, '') = ?3")
      .Bind(site_id, index.name, MetricText(index))
      .Run();
}

// Of the set that there is, else of a new one.
std::int64_t PositionSetId(sqlite3* connection, const PositionSetRow& set) {
  for (const PositionSetRow& row : Catalog(connection).PositionSets()) {
    const bool same_file =
        row.file.has_value() == set.file.has_value() &&
        (!row.file || (row.file->file == set.file->file && row.file->checksum == set.file->checksum));
    if (row.name == set.name && row.row_count == set.row_count && same_file) return row.position_set_id;
  }
  SqliteStatement add(connection, InsertSql("position_set", "NULL, ?1, ?2, ?3, ?4, ?5") + " RETURNING position_set_id");
  add.Bind(set.name, set.row_count, nullptr, nullptr, nullptr);
  if (set.file) {
    add.BindAt(3, set.file->file);
    add.BindAt(4, set.file->bytes);
    add.BindAt(5, set.file->checksum);
  }
  return add.RunForId();
}

// In WAL mode every reader needs the journal's shared memory, 32 KB to begin with: where there is room to enter that
// mode but not for the memory, nobody gets in.
void RequireRoomForJournal(const IndexDirectory& directory) {
  constexpr std::uint64_t kRoom = std::uint64_t{256} << 10;
  if (FreeDiskBytes(directory.path()) < kRoom) FailDiskFull(directory.Catalog().string());
}

// What SQLite writes into the file's header (https://www.sqlite.org/fileformat2.html, "File format version numbers").
// REQUIRES: this process has no connection to it, which would lose its locks when the file is closed here.
bool IsInWalMode(const std::filesystem::path& catalog) {
  constexpr std::streamoff kReadVersion = 19;
  constexpr char kWal = 2;
  std::ifstream file(catalog, std::ios::binary);
  file.seekg(kReadVersion);
  return file.get() == kWal;
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
  add_string_.emplace(connection_->handle(), InsertSql("string", "?1, ?2, ?3, ?4, ?5"));
  add_next_token_.emplace(connection_->handle(), InsertSql("next_token", "?1, ?2, ?3"));
}

void NewCatalog::AddCorpus(const CorpusRow& corpus, std::span<const DocumentRow> documents) {
  SqliteStatement(connection_->handle(), InsertSql("corpus", "?1, ?2, ?3, ?4, ?5"))
      .Bind(corpus.name, corpus.sha256, corpus.characters, corpus.string_length, corpus.token_count)
      .Run();
  checksums_["corpus"] += row_.Add(corpus.name)
                              .Add(corpus.sha256)
                              .Add(static_cast<std::int64_t>(corpus.characters))
                              .Add(std::int64_t{corpus.string_length})
                              .Add(static_cast<std::int64_t>(corpus.token_count))
                              .Take();
  SqliteStatement add_document(connection_->handle(), InsertSql("document", "?1, ?2, ?3, ?4"));
  for (const DocumentRow& row : documents) {
    add_document.Bind(row.document_id, row.name, row.first_position, row.token_count).Run();
    checksums_["document"] += row_.Add(row.document_id)
                                  .Add(row.name)
                                  .Add(static_cast<std::int64_t>(row.first_position))
                                  .Add(static_cast<std::int64_t>(row.token_count))
                                  .Take();
  }
}

void NewCatalog::AddCorpusFiles(const CorpusFilesRow& files) {
  SqliteStatement add(connection_->handle(), InsertSql("corpus_file", "?1, ?2, ?3, ?4"));
  const auto add_file = [&](const char* kind, const FileRow& row) {
    add.Bind(kind, row.file, row.bytes, row.checksum).Run();
    checksums_["corpus_file"] += row_.Add(std::string_view(kind))
                                     .Add(row.file)
                                     .Add(static_cast<std::int64_t>(row.bytes))
                                     .Add(row.checksum)
                                     .Take();
  };
  add_file(kTokensKind, files.tokens);
  add_file(kSuffixesKind, files.suffixes);
}

void NewCatalog::AddTokenizer(const TokenizerRow& tokenizer) {
  SqliteStatement add(connection_->handle(), InsertSql("tokenizer", "?1, ?2, ?3, ?4"));
  if (tokenizer.file) {
    add.Bind(tokenizer.kind(), tokenizer.file->file, tokenizer.file->bytes, tokenizer.file->checksum).Run();
    checksums_["tokenizer"] += row_.Add(std::string_view(tokenizer.kind()))
                                   .Add(tokenizer.file->file)
                                   .Add(static_cast<std::int64_t>(tokenizer.file->bytes))
                                   .Add(tokenizer.file->checksum)
                                   .Take();
  } else {
    add.Bind(kCharactersKind, nullptr, nullptr, nullptr).Run();
    checksums_["tokenizer"] += row_.Add(std::string_view(kCharactersKind)).AddNull().AddNull().AddNull().Take();
  }
}

void NewCatalog::AddToken(TokenId token_id, std::string_view text, std::string_view bytes) {
  if (!add_token_) add_token_.emplace(connection_->handle(), InsertSql("token", "?1, ?2, ?3"));
  add_token_->Bind(token_id, text, SqliteBlob{bytes}).Run();
  checksums_["token"] += row_.Add(std::int64_t{token_id}).Add(text).AddBlob(bytes).Take();
}

void NewCatalog::AddLength(const LengthRow& row) {
  SqliteStatement(connection_->handle(), InsertSql("string_length", "?1, ?2, ?3, ?4"))
      .Bind(row.length, row.string_count, row.row_count, row.first_string_id)
      .Run();
  checksums_["string_length"] += row_.Add(std::int64_t{row.length})
                                     .Add(static_cast<std::int64_t>(row.string_count))
                                     .Add(static_cast<std::int64_t>(row.row_count))
                                     .Add(static_cast<std::int64_t>(row.first_string_id))
                                     .Take();
}

void NewCatalog::AddString(StringId string_id, int length, std::string_view text, std::uint64_t occurrences,
                           std::string_view tokens) {
  add_string_->Bind(string_id, length, text, occurrences, SqliteBlob{tokens}).Run();
  string_checksum_ += row_.Add(static_cast<std::int64_t>(string_id))
                          .Add(std::int64_t{length})
                          .Add(text)
                          .Add(static_cast<std::int64_t>(occurrences))
                          .AddBlob(tokens)
                          .Take();
}

void NewCatalog::AddNextToken(StringId string_id, TokenId token_id, std::uint64_t count) {
  add_next_token_->Bind(string_id, token_id, count).Run();
  next_token_checksum_ += row_.Add(static_cast<std::int64_t>(string_id))
                              .Add(std::int64_t{token_id})
                              .Add(static_cast<std::int64_t>(count))
                              .Take();
}

void NewCatalog::Finish() {
  connection_->Execute(kStringIndexSql);
  checksums_["string"] = string_checksum_;
  checksums_["next_token"] = next_token_checksum_;
  for (const std::string& table : CheckedTables()) {
    SaveContentChecksum(connection_->handle(), table,
                        DefinitionChecksum(connection_->handle(), table) + checksums_[table]);
  }
  connection_->Execute("COMMIT");
  add_token_.reset();
  add_string_.reset();
  add_next_token_.reset();
  connection_.reset();
  OutputFile(path_, OutputFile::Mode::kContinue).Flush();
}

CatalogTransaction::CatalogTransaction(SqliteConnection& connection)
    : connection_(connection), transaction_(connection) {
  RequireContent(connection.handle());
}

void CatalogTransaction::Commit() {
  for (const std::string& table : CheckedTables()) {
    if (IsFixedTable(table)) continue;
    SaveContentChecksum(connection_.handle(), table, ContentChecksum(connection_.handle(), table));
  }
  transaction_.Commit();
}

CatalogWriter::CatalogWriter(const IndexDirectory& directory)
    : connection_(directory.Catalog(), SqliteConnection::Mode::kWrite) {
  const Catalog checked(connection_.handle());
  if (connection_.Value("PRAGMA journal_mode") != "wal") RequireRoomForJournal(directory);
  connection_.ExecuteInTurns("PRAGMA journal_mode=WAL");
  connection_.Execute("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
  RefuseTriggersOnOwnRows(connection_.handle());
  AddLaterTables(connection_);
}

CatalogWriter::~CatalogWriter() {
  sqlite3_busy_timeout(connection_.handle(), 1000);
  sqlite3_exec(connection_.handle(), "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;", nullptr, nullptr,
               nullptr);
}

void CatalogWriter::CloseLeftJournal(const IndexDirectory& directory) {
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(directory.Catalog(), unreadable) || !IsInWalMode(directory.Catalog())) return;
  try {
    // SQLite does it only while no other connection is there, a writer's included.
    const SqliteConnection connection(directory.Catalog(), SqliteConnection::Mode::kWrite);
    sqlite3_exec(connection.handle(), "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr);
  } catch (const Error&) {
    // It cannot be read, or not be written: who opens it next says so.
  }
}

void CatalogWriter::SetModel(const ModelRow& model) {
  CatalogTransaction transaction(connection_);
  connection_.Execute("DELETE FROM model");
  SqliteStatement add(connection_.handle(), InsertSql("model", "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"));
  add.Bind(model.file, model.sha256, model.shape.vocabulary_size, model.shape.blocks, model.shape.heads,
           model.shape.embed, model.shape.context, nullptr);
  if (model.bos_token_id) add.BindAt(8, *model.bos_token_id);
  add.Run();
  transaction.Commit();
}

void CatalogWriter::AddSites(std::span<const NewSite> sites,
                             std::span<const std::pair<LengthRow, FileRow>> row_orders) {
  CatalogTransaction transaction(connection_);
  sqlite3* handle = connection_.handle();
  SqliteStatement add_order(handle, InsertSql("row_order", "?1, ?2, ?3, ?4, ?5") + " ON CONFLICT(t_i) DO NOTHING");
  for (const auto& [length, file] : row_orders) {
    add_order.Bind(length.length - 1, length.row_count, file.file, file.bytes, file.checksum).Run();
  }
  SqliteStatement add_site(
      handle, InsertSql("site", "NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12") + " RETURNING site_id");
  SqliteStatement last_capture(handle, "SELECT ifnull(max(capture_id), 0) FROM site");
  last_capture.Step();
  const std::int64_t first_capture_id = last_capture.Integer(0) + 1;
  last_capture.Reset();
  SqliteStatement add_file(handle, InsertSql("vector_file", "?1, ?2, ?3, ?4, ?5, ?6"));
  SqliteStatement add_index(handle, AddIndexSql());
  SqliteStatement add_rounding(handle, InsertSql("rounding", "?1, ?2, ?3, ?4, ?5"));
  SqliteStatement add_recorded(handle, InsertSql("recorded_site", "?1, ?2, ?3"));
  for (const NewSite& added : sites) {
    const SiteRow& row = added.site;
    const bool over_positions = row.site.over_positions();
    add_site.Bind(Name(row.site.stream), row.site.block, nullptr, row.dimension, row.row_count, nullptr,
                  Name(row.element), over_positions ? kRowsOfPositions : kRowsOfStrings, nullptr, nullptr, nullptr,
                  nullptr);
    if (over_positions) {
      if (row.window) add_site.BindAt(9, *row.window);
      if (row.stride) add_site.BindAt(10, *row.stride);
      add_site.BindAt(11, PositionSetId(handle, added.positions.value()));
    } else {
      add_site.BindAt(3, row.site.t_i);
      add_site.BindAt(6, row.first_string_id);
    }
    if (added.pass) add_site.BindAt(12, first_capture_id + *added.pass);
    const std::int64_t site_id = add_site.RunForId();
    for (const VectorFileRow& vectors : added.vector_files) {
      add_file
          .Bind(site_id, vectors.rows.begin, vectors.rows.size(), vectors.file.file, vectors.file.bytes,
                vectors.file.checksum)
          .Run();
    }
    for (const SiteIndexRow& index : added.indices) RunAddIndex(add_index, site_id, index);
    if (const std::optional<RoundingRow>& rounding = added.rounding) {
      add_rounding.Bind(site_id, rounding->sampled_rows, rounding->queries, rounding->k, rounding->recall).Run();
    }
    if (added.statistics) InsertStatistics(handle, site_id, *added.statistics);
    if (added.recorded) {
      add_recorded.Bind(site_id, added.recorded->source, nullptr);
      if (added.recorded->bos_token_id) add_recorded.BindAt(3, *added.recorded->bos_token_id);
      add_recorded.Run();
    }
  }
  transaction.Commit();
}

void CatalogWriter::AddIndex(std::int64_t site_id, const SiteIndexRow& index) {
  CatalogTransaction transaction(connection_);
  SqliteStatement statement(connection_.handle(), AddIndexSql());
  RunAddIndex(statement, site_id, index);
  transaction.Commit();
}

void CatalogWriter::DropIndex(std::int64_t site_id, const SiteIndexRow& index) {
  CatalogTransaction transaction(connection_);
  RunDropIndex(connection_.handle(), site_id, index);
  transaction.Commit();
}

void CatalogWriter::SaveRecall(std::span<const RecallRow> rows) {
  CatalogTransaction transaction(connection_);
  SqliteStatement statement(connection_.handle(),
                            UpsertSql("recall", OwnColumns("recall"), "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11",
                                      "site_id, name, metric, parameters, prompts, seed, k"));
  for (const RecallRow& row : rows) {
    statement
        .Bind(row.site_id, row.name, Name(row.metric), row.parameters, row.prompts, row.seed, row.k, row.recall,
              row.median_ms, row.p99_ms, row.threads)
        .Run();
  }
  transaction.Commit();
}

void CatalogWriter::SetExactIndex(std::int64_t site_id, const FileRow& file, double build_seconds,
                                  const std::optional<SiteStatisticsRow>& statistics) {
  CatalogTransaction transaction(connection_);
  SqliteStatement(connection_.handle(),
                  "UPDATE site_index SET file = ?2, bytes = ?3, checksum = ?4, build_seconds = build_seconds + ?5 "
                  "WHERE site_id = ?1 AND name = 'exact'")
      .Bind(site_id, file.file, file.bytes, file.checksum, build_seconds)
      .Run();
  ForgetStatistics(connection_.handle(), site_id);
  if (statistics) InsertStatistics(connection_.handle(), site_id, *statistics);
  transaction.Commit();
}

void CatalogWriter::SetFile(const FileRow& file) {
  CatalogTransaction transaction(connection_);
  for (const char* table : {"corpus_file", "row_order", "position_set", "vector_file", "site_index"}) {
    SqliteStatement(connection_.handle(), fmt::format("UPDATE {} SET bytes = ?2, checksum = ?3 WHERE file = ?1", table))
        .Bind(file.file, file.bytes, file.checksum)
        .Run();
  }
  transaction.Commit();
}

void CatalogWriter::SetRows(std::int64_t site_id, const FileRow& file) {
  CatalogTransaction transaction(connection_);
  sqlite3* handle = connection_.handle();
  SqliteStatement(handle, "UPDATE vector_file SET bytes = ?3, checksum = ?4 WHERE site_id = ?1 AND file = ?2")
      .Bind(site_id, file.file, file.bytes, file.checksum)
      .Run();
  SqliteStatement(handle,
                  "UPDATE site_index SET file = ?2, bytes = ?3, checksum = ?4 WHERE site_id = ?1 AND name = 'exact'")
      .Bind(site_id, file.file, file.bytes, file.checksum)
      .Run();
  SqliteStatement(handle, "DELETE FROM site_index WHERE site_id = ?1 AND name <> 'exact'").Bind(site_id).Run();
  ForgetStatistics(handle, site_id);
  transaction.Commit();
}

}  // namespace actkin
