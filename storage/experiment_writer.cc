#include "storage/experiment_writer.h"

#include <cmath>
#include <optional>
#include <system_error>

#include "schema/error.h"
#include "storage/file.h"

namespace actkin {
namespace {

void BindNumber(SqliteStatement& statement, int index, double bound) {
  if (std::isfinite(bound)) {
    statement.BindAt(index, bound);
  } else {
    statement.BindAt(index, nullptr);
  }
}

void InsertSavedNeighbors(sqlite3* connection, std::int64_t prompt_set_id, const SavedNeighborsRow& row) {
  SqliteStatement statement(
      connection,
      "INSERT OR REPLACE INTO saved_neighbors(prompt_set_id, stream, block, t_i, metric, k, file, "
      "bytes, checksum, low, high) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  statement.Bind(prompt_set_id, Name(row.site.stream), row.site.block, row.site.t_i, Name(row.metric), row.k,
                 row.file.file, row.file.bytes, row.file.checksum);
  const Band band = row.within.value_or(Band{});
  BindNumber(statement, 10, band.low);
  BindNumber(statement, 11, band.high);
  statement.Run();
}

void MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) Fail("{}: cannot make this folder: {}", folder.string(), error.message());
}

}  // namespace

std::int64_t ExperimentWriter::AddPromptSet(const PromptSetRow& set, std::span<const PromptRow> prompts,
                                            std::span<const SavedNeighborsRow> saved) {
  CatalogTransaction transaction(connection_);
  sqlite3* handle = connection_.handle();
  SqliteStatement add_set(handle,
                          "INSERT INTO prompt_set(name, length, prompt_count, sha256, imported, seed) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  add_set.Bind(set.name, set.length, prompts.size(), set.sha256, set.imported ? 1 : 0);
  if (set.seed) add_set.BindAt(6, *set.seed);
  add_set.Run();
  const std::int64_t id = sqlite3_last_insert_rowid(handle);
  SqliteStatement add_prompt(handle, "INSERT INTO prompt VALUES (?1, ?2, ?3, NULLIF(?4, 0))");
  for (std::size_t number = 0; number < prompts.size(); ++number) {
    add_prompt.Bind(id, number, prompts[number].text, prompts[number].string_id.value_or(0)).Run();
  }
  for (const SavedNeighborsRow& row : saved) InsertSavedNeighbors(handle, id, row);
  transaction.Commit();
  return id;
}

void ExperimentWriter::AddSavedNeighbors(std::int64_t prompt_set_id, const SavedNeighborsRow& row) {
  CatalogTransaction transaction(connection_);
  InsertSavedNeighbors(connection_.handle(), prompt_set_id, row);
  transaction.Commit();
}

void ExperimentWriter::AddSavedBandTotals(std::int64_t prompt_set_id, const SavedBandTotalsRow& row) {
  CatalogTransaction transaction(connection_);
  SqliteStatement statement(connection_.handle(),
                            "INSERT OR REPLACE INTO saved_band_totals(prompt_set_id, stream, block, t_i, metric, file, "
                            "bytes, checksum, low, high) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
  statement.Bind(prompt_set_id, Name(row.site.stream), row.site.block, row.site.t_i, Name(row.metric), row.file.file,
                 row.file.bytes, row.file.checksum);
  BindNumber(statement, 9, row.within.low);
  BindNumber(statement, 10, row.within.high);
  statement.Run();
  transaction.Commit();
}

void ExperimentWriter::AddSavedPredictions(std::int64_t prompt_set_id, const FileRow& file) {
  CatalogTransaction transaction(connection_);
  SqliteStatement(connection_.handle(), "INSERT OR REPLACE INTO saved_predictions VALUES (?1, ?2, ?3, ?4)")
      .Bind(prompt_set_id, file.file, file.bytes, file.checksum)
      .Run();
  transaction.Commit();
}

void ExperimentWriter::ForgetFile(const IndexDirectory& directory, const std::string& file) {
  CatalogTransaction transaction(connection_);
  for (const char* table : {"saved_neighbors", "saved_band_totals", "saved_predictions"}) {
    SqliteStatement(connection_.handle(), fmt::format("DELETE FROM {} WHERE file = ?1", table)).Bind(file).Run();
  }
  transaction.Commit();
  std::error_code ignored;
  std::filesystem::remove(directory.Resolve(file), ignored);
}

void ExperimentWriter::SaveScheme(const SchemeRow& scheme) {
  CatalogTransaction transaction(connection_);
  SqliteStatement(connection_.handle(), "INSERT OR REPLACE INTO scheme VALUES (?1, ?2)")
      .Bind(scheme.name, scheme.definition)
      .Run();
  transaction.Commit();
}

void ExperimentWriter::SaveEvaluations(std::int64_t prompt_set_id, std::span<const EvaluationRow> rows) {
  CatalogTransaction transaction(connection_);
  sqlite3* handle = connection_.handle();
  SqliteStatement drop(handle,
                       "DELETE FROM evaluation WHERE prompt_set_id = ?1 AND first_prompt = ?2 AND samples = ?3 AND "
                       "scheme = ?4 AND metric = ?5 AND t_is = ?6 AND merge = ?7 AND ifnull(k, 0) = ?8 AND within = ?9 "
                       "AND compared_with = ?10 RETURNING evaluation_id");
  SqliteStatement add(
      handle,
      "INSERT INTO evaluation VALUES (NULLIF(?13, 0), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULLIF(?9, 0), ?10, "
      "?11, ?12)");
  SqliteStatement add_top(handle, "INSERT INTO evaluation_top_n VALUES (?1, ?2, ?3, ?4)");
  for (const EvaluationRow& row : rows) {
    const std::string t_is = fmt::format("{}", fmt::join(row.t_is, ","));
    const std::uint64_t k = row.k.value_or(0);
    drop.Bind(prompt_set_id, row.first_prompt, row.samples, row.scheme.name, Name(row.metric), t_is, Name(row.merge), k,
              row.within, row.compared_with);
    // The run that takes another's place takes its id.
    const std::int64_t replaced = drop.Step() ? drop.Integer(0) : 0;
    drop.Run();
    add.Bind(prompt_set_id, row.first_prompt, row.samples, row.scheme.name, row.scheme.definition, Name(row.metric),
             t_is, Name(row.merge), k, row.within, row.compared_with, row.hellinger_mean, replaced)
        .Run();
    const std::int64_t id = sqlite3_last_insert_rowid(handle);
    for (std::size_t n = 0; n < row.top_n.size(); ++n) {
      add_top.Bind(id, n + 1, row.top_n[n], row.top_n_any_order[n]).Run();
    }
  }
  transaction.Commit();
}

std::filesystem::path ExperimentPartial(const IndexDirectory& directory, const std::string& name) {
  MakeFolder(directory.Partial());
  return directory.Partial() / std::filesystem::path(name).filename();
}

FileRow PublishExperiment(const IndexDirectory& directory, const std::string& name, std::uint64_t header_checksum) {
  const std::filesystem::path partial = ExperimentPartial(directory, name);
  const std::filesystem::path path = directory.path() / name;
  MakeFolder(path.parent_path());
  const std::uint64_t bytes = std::filesystem::file_size(partial);
  RenameDurably(partial, path);
  return {name, bytes, ChecksumText(header_checksum)};
}

}  // namespace actkin
