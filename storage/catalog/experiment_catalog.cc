#include "storage/catalog/experiment_catalog.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/token_ids.h"
#include "storage/catalog/catalog_columns.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr char kPromptSetColumns[] =
    "SELECT prompt_set_id, name, length, prompt_count, sha256, seed, imported, rows FROM {}.prompt_set";

PromptSetRow ReadPromptSet(const SqliteStatement& statement) {
  PromptSetRow row;
  row.prompt_set_id = statement.Integer(0);
  row.name = statement.Text(1);
  row.length = static_cast<int>(std::min<std::uint64_t>(ReadCount(statement, 2), 1U << 30));
  row.prompt_count = ReadCount(statement, 3);
  row.sha256 = statement.Text(4);
  if (!statement.IsNull(5)) row.seed = static_cast<std::uint64_t>(statement.Integer(5));
  row.imported = statement.Integer(6) != 0;
  row.rows = ParseRowKind(statement.Text(7));
  return row;
}

Site ReadSite(const SqliteStatement& statement) {
  return {ParseStream(statement.Text(0)), static_cast<int>(statement.Integer(1)),
          static_cast<int>(statement.Integer(2))};
}

std::optional<Band> ReadBand(const SqliteStatement& statement, int column) {
  if (statement.IsNull(column) && statement.IsNull(column + 1)) return std::nullopt;
  Band band;
  if (!statement.IsNull(column)) band.low = statement.Real(column);
  if (!statement.IsNull(column + 1)) band.high = statement.Real(column + 1);
  return band;
}

CountedRows ReadCountedRows(const SqliteStatement& statement, int column) {
  CountedRows counted{statement.Text(column), statement.Text(column + 1), std::nullopt,
                      statement.Integer(column + 3) != 0};
  if (!statement.IsNull(column + 2)) counted.max_length = statement.Real(column + 2);
  return counted;
}

}  // namespace

ExperimentCatalog::ExperimentCatalog(Catalog& catalog) : connection_(catalog.connection()) {
  schema_ = fmt::format("\"{}\"", catalog.schema());
  width_ = catalog.TokenIdWidth();
}

SqliteStatement ExperimentCatalog::Statement(const std::string& sql) const {
  return {connection_, fmt::format(fmt::runtime(sql), schema_)};
}

std::vector<PromptSetRow> ExperimentCatalog::PromptSets() {
  SqliteStatement statement = Statement(fmt::format("{} ORDER BY prompt_set_id", kPromptSetColumns));
  std::vector<PromptSetRow> rows;
  while (statement.Step()) rows.push_back(ReadPromptSet(statement));
  return rows;
}

std::optional<PromptSetRow> ExperimentCatalog::FindPromptSet(std::string_view name) {
  for (PromptSetRow& row : PromptSets()) {
    if (row.name == name) return std::move(row);
  }
  return std::nullopt;
}

std::vector<PromptRow> ExperimentCatalog::Prompts(std::int64_t prompt_set_id) {
  SqliteStatement statement =
      Statement("SELECT text, string_id, tokens, position FROM {}.prompt WHERE prompt_set_id = ?1 ORDER BY number");
  statement.Bind(prompt_set_id);
  std::vector<PromptRow> rows;
  while (statement.Step()) {
    rows.push_back({statement.Text(0), statement.IsNull(1) ? std::nullopt : std::optional(ReadCount(statement, 1)),
                    DecodeTokenIds(statement.Blob(2), width_),
                    statement.IsNull(3) ? std::nullopt : std::optional(ReadCount(statement, 3))});
  }
  return rows;
}

std::optional<std::uint64_t> ExperimentCatalog::FindPrompt(std::int64_t prompt_set_id,
                                                           std::span<const TokenId> tokens) {
  SqliteStatement statement =
      Statement("SELECT number FROM {}.prompt WHERE prompt_set_id = ?1 AND tokens = ?2 ORDER BY number LIMIT 1");
  const std::string bytes = EncodeTokenIds(tokens, width_);
  statement.Bind(prompt_set_id, SqliteBlob{bytes});
  return statement.Step() ? std::optional(ReadCount(statement, 0)) : std::nullopt;
}

std::vector<std::uint64_t> ExperimentCatalog::PromptsOfText(std::int64_t prompt_set_id, std::string_view text) {
  SqliteStatement statement =
      Statement("SELECT number FROM {}.prompt WHERE prompt_set_id = ?1 AND text = ?2 ORDER BY number");
  statement.Bind(prompt_set_id, text);
  std::vector<std::uint64_t> numbers;
  while (statement.Step()) numbers.push_back(ReadCount(statement, 0));
  return numbers;
}

std::vector<SavedNeighborsRow> ExperimentCatalog::SavedNeighbors(std::int64_t prompt_set_id) {
  SqliteStatement statement = Statement(
      "SELECT stream, block, t_i, metric, k, low, high, file, bytes, checksum, condition, passing, max_length, "
      "exclude_self FROM {}.saved_neighbors WHERE prompt_set_id = ?1 ORDER BY stream, block, t_i, metric, k, low, "
      "high, "
      "file");
  statement.Bind(prompt_set_id);
  std::vector<SavedNeighborsRow> rows;
  while (statement.Step()) {
    rows.push_back({ReadSite(statement), ParseMetric(statement.Text(3)), ReadCount(statement, 4),
                    ReadBand(statement, 5), ReadFileRow(statement, 7), ReadCountedRows(statement, 10)});
  }
  return rows;
}

std::vector<SavedBandTotalsRow> ExperimentCatalog::SavedBandTotals(std::int64_t prompt_set_id) {
  SqliteStatement statement = Statement(
      "SELECT stream, block, t_i, metric, low, high, file, bytes, checksum, condition, passing, max_length, "
      "exclude_self FROM {}.saved_band_totals WHERE prompt_set_id = ?1 ORDER BY stream, block, t_i, metric, low, high, "
      "file");
  statement.Bind(prompt_set_id);
  std::vector<SavedBandTotalsRow> rows;
  while (statement.Step()) {
    rows.push_back({ReadSite(statement), ParseMetric(statement.Text(3)), ReadBand(statement, 4).value_or(Band{}),
                    ReadFileRow(statement, 6), ReadCountedRows(statement, 9)});
  }
  return rows;
}

std::optional<FileRow> ExperimentCatalog::SavedPredictions(std::int64_t prompt_set_id) {
  SqliteStatement statement =
      Statement("SELECT file, bytes, checksum FROM {}.saved_predictions WHERE prompt_set_id = ?1");
  statement.Bind(prompt_set_id);
  return statement.Step() ? std::optional(ReadFileRow(statement, 0)) : std::nullopt;
}

std::vector<SchemeRow> ExperimentCatalog::Schemes() {
  SqliteStatement statement = Statement("SELECT name, definition FROM {}.scheme ORDER BY name");
  std::vector<SchemeRow> rows;
  while (statement.Step()) rows.push_back({statement.Text(0), statement.Text(1)});
  return rows;
}

std::optional<SchemeRow> ExperimentCatalog::FindScheme(std::string_view name) {
  for (SchemeRow& row : Schemes()) {
    if (row.name == name) return std::move(row);
  }
  return std::nullopt;
}

std::vector<EvaluationRow> ExperimentCatalog::Evaluations(std::int64_t prompt_set_id) {
  SqliteStatement statement = Statement(
      "SELECT evaluation_id, first_prompt, samples, scheme, definition, metric, t_is, merge, k, within, compared_with, "
      "hellinger_mean, exclude_self, exclude_window, max_length, condition FROM {}.evaluation WHERE prompt_set_id = ?1 "
      "ORDER BY "
      "evaluation_id");
  SqliteStatement top =
      Statement("SELECT in_order, any_order FROM {}.evaluation_top_n WHERE evaluation_id = ?1 ORDER BY n");
  statement.Bind(prompt_set_id);
  std::vector<EvaluationRow> rows;
  while (statement.Step()) {
    EvaluationRow& row = rows.emplace_back();
    row.first_prompt = ReadCount(statement, 1);
    row.samples = ReadCount(statement, 2);
    row.scheme = {statement.Text(3), statement.Text(4)};
    row.metric = ParseMetric(statement.Text(5));
    if (const std::string t_is = statement.Text(6); !t_is.empty()) row.t_is = ParseNumberList(t_is, "t_is");
    row.merge = ParseMerge(statement.Text(7));
    if (!statement.IsNull(8)) row.k = ReadCount(statement, 8);
    row.within = statement.Text(9);
    row.compared_with = statement.Text(10);
    row.hellinger_mean = statement.Real(11);
    row.exclude_self = statement.Integer(12) != 0;
    row.exclude_window = ReadCount(statement, 13);
    if (!statement.IsNull(14)) row.max_length = statement.Real(14);
    row.condition = statement.Text(15);
    top.Bind(statement.Integer(0));
    while (top.Step()) {
      row.top_n.push_back(top.Real(0));
      row.top_n_any_order.push_back(top.Real(1));
    }
  }
  return rows;
}

std::string PromptsSha256(std::span<const PromptRow> prompts, const TokenizerRow& tokenizer) {
  nlohmann::json array = nlohmann::json::array();
  for (const PromptRow& prompt : prompts) {
    if (prompt.position) {
      array.push_back({*prompt.position, prompt.tokens});
    } else if (tokenizer.file) {
      array.push_back(prompt.tokens);
    } else {
      array.push_back(prompt.text);
    }
  }
  return Sha256(array.dump());
}

}  // namespace actkin
