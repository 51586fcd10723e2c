#include "storage/catalog/experiment_writer.h"

#include <cmath>
#include <optional>
#include <system_error>

#include "schema/error.h"
#include "schema/token_ids.h"
#include "storage/catalog/catalog_objects.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

void BindNumber(SqliteStatement& statement, int index, double bound) {
  if (std::isfinite(bound)) {
    statement.BindAt(index, bound);
  } else {
    statement.BindAt(index, nullptr);
  }
}

// At four parameters from `index` on.
void BindCounted(SqliteStatement& statement, int index, const CountedRows& counted) {
  statement.BindAt(index, counted.condition);
  statement.BindAt(index + 1, counted.passing);
  if (counted.max_length) {
    statement.BindAt(index + 2, *counted.max_length);
  } else {
    statement.BindAt(index + 2, nullptr);
  }
  statement.BindAt(index + 3, counted.exclude_self ? 1 : 0);
}

void InsertSavedNeighbors(sqlite3* connection, std::int64_t prompt_set_id, const SavedNeighborsRow& row) {
  SqliteStatement statement(
      connection, UpsertSql("saved_neighbors",
                            {"prompt_set_id", "stream", "block", "t_i", "metric", "k", "file", "bytes", "checksum",
                             "low", "high", "condition", "passing", "max_length", "exclude_self"},
                            "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15", "file"));
  statement.Bind(prompt_set_id, Name(row.site.stream), row.site.block, row.site.t_i, Name(row.metric), row.k,
                 row.file.file, row.file.bytes, row.file.checksum);
  const Band band = row.within.value_or(Band{});
  BindNumber(statement, 10, band.low);
  BindNumber(statement, 11, band.high);
  BindCounted(statement, 12, row.counted);
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
                          "INSERT INTO prompt_set(name, length, prompt_count, sha256, imported, rows, seed) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING prompt_set_id");
  add_set.Bind(set.name, set.length, prompts.size(), set.sha256, set.imported ? 1 : 0, Name(set.rows));
  if (set.seed) add_set.BindAt(7, *set.seed);
  const std::int64_t id = add_set.RunForId();
  SqliteStatement add_prompt(handle, InsertSql("prompt", "?1, ?2, ?3, NULLIF(?4, 0), ?5, NULLIF(?6, -1)"));
  const int width = Catalog(handle).TokenIdWidth();
  for (std::size_t number = 0; number < prompts.size(); ++number) {
    const std::string tokens = EncodeTokenIds(prompts[number].tokens, width);
    const std::int64_t position = prompts[number].position ? static_cast<std::int64_t>(*prompts[number].position) : -1;
    add_prompt
        .Bind(id, number, prompts[number].text, prompts[number].string_id.value_or(0), SqliteBlob{tokens}, position)
        .Run();
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
                            UpsertSql("saved_band_totals",
                                      {"prompt_set_id", "stream", "block", "t_i", "metric", "file", "bytes", "checksum",
                                       "low", "high", "condition", "passing", "max_length", "exclude_self"},
                                      "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
                                      "?14",
                                      "file"));
  statement.Bind(prompt_set_id, Name(row.site.stream), row.site.block, row.site.t_i, Name(row.metric), row.file.file,
                 row.file.bytes, row.file.checksum);
  BindNumber(statement, 9, row.within.low);
  BindNumber(statement, 10, row.within.high);
  BindCounted(statement, 11, row.counted);
  statement.Run();
  transaction.Commit();
}

void ExperimentWriter::AddSavedPredictions(std::int64_t prompt_set_id, const FileRow& file) {
  CatalogTransaction transaction(connection_);
  SqliteStatement(connection_.handle(),
                  UpsertSql("saved_predictions", OwnColumns("saved_predictions"), "?1, ?2, ?3, ?4", "prompt_set_id"))
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
  SqliteStatement(connection_.handle(), UpsertSql("scheme", OwnColumns("scheme"), "?1, ?2", "name"))
      .Bind(scheme.name, scheme.definition)
      .Run();
  transaction.Commit();
}

void ExperimentWriter::SaveEvaluations(std::int64_t prompt_set_id, std::span<const EvaluationRow> rows) {
  CatalogTransaction transaction(connection_);
  sqlite3* handle = connection_.handle();
  SqliteStatement add(
      handle, UpsertSql("evaluation",
                        {"prompt_set_id", "first_prompt", "samples", "scheme", "definition", "metric", "t_is", "merge",
                         "k", "within", "compared_with", "hellinger_mean", "exclude_self", "exclude_window",
                         "max_length", "condition"},
                        "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULLIF(?9, 0), ?10, ?11, ?12, ?13, ?14, NULLIF(?15, -1.0), "
                        "?16",
                        "prompt_set_id, first_prompt, samples, scheme, metric, t_is, merge, ifnull(k, 0), within, "
                        "compared_with, exclude_self, exclude_window, ifnull(max_length, -1), condition") +
                  " RETURNING evaluation_id");
  SqliteStatement add_top(
      handle, UpsertSql("evaluation_top_n", OwnColumns("evaluation_top_n"), "?1, ?2, ?3, ?4", "evaluation_id, n"));
  SqliteStatement drop_more(handle, "DELETE FROM evaluation_top_n WHERE evaluation_id = ?1 AND n > ?2");
  for (const EvaluationRow& row : rows) {
    const std::string t_is = fmt::format("{}", fmt::join(row.t_is, ","));
    const std::int64_t id =
        add.Bind(prompt_set_id, row.first_prompt, row.samples, row.scheme.name, row.scheme.definition, Name(row.metric),
                 t_is, Name(row.merge), row.k.value_or(0), row.within, row.compared_with, row.hellinger_mean,
                 row.exclude_self ? 1 : 0, row.exclude_window, row.max_length.value_or(-1.0), row.condition)
            .RunForId();
    for (std::size_t n = 0; n < row.top_n.size(); ++n) {
      add_top.Bind(id, n + 1, row.top_n[n], row.top_n_any_order[n]).Run();
    }
    drop_more.Bind(id, row.top_n.size()).Run();
  }
  transaction.Commit();
}

std::filesystem::path ExperimentPartial(const IndexDirectory& directory, const std::string& name) {
  MakeFolder(directory.Partial());
  return directory.Partial() / std::filesystem::path(name).filename();
}

}  // namespace actkin
