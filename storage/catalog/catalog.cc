#include "storage/catalog/catalog.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "schema/catalog_sql.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/catalog_columns.h"

namespace actkin {
namespace {

// What parses a word of the catalog knows those that this program writes.
template <typename Parser>
auto ReadWord(const Parser& parse, const std::string& text) {
  try {
    return parse(text);
  } catch (const Error& error) {
    FailUsage(ErrorCode::kUnsupported, "the catalog was written by a newer actkin, or is damaged: {}", error.what());
  }
}

SiteRow ReadSiteRow(const SqliteStatement& statement) {
  SiteRow row;
  row.site_id = statement.Integer(0);
  const bool over_positions = statement.TextView(8) == kRowsOfPositions;
  if (!over_positions && statement.TextView(8) != kRowsOfStrings) {
    Fail(ErrorCode::kUnsupported, "the catalog was written by a newer actkin, or is damaged: a site has rows of {}",
         Quote(statement.TextView(8)));
  }
  row.site = {ReadWord(over_positions ? StreamNamed : ParseStream, statement.Text(1)), ReadSmallNumber(statement, 2),
              over_positions ? kOverPositions : ReadSmallNumber(statement, 3)};
  row.dimension = ReadCount(statement, 4);
  row.row_count = ReadCount(statement, 5);
  if (!over_positions) row.first_string_id = ReadCount(statement, 6);
  row.element = ReadWord(ParseElement, statement.Text(7));
  if (!statement.IsNull(9)) row.window = ReadCount(statement, 9);
  if (!statement.IsNull(10)) row.stride = ReadCount(statement, 10);
  if (!statement.IsNull(11)) row.position_set_id = statement.Integer(11);
  if (!statement.IsNull(12)) row.capture_id = statement.Integer(12);
  if (over_positions != row.position_set_id.has_value()) {
    FailDamaged("the catalog is damaged: {} {}", Describe(row.site),
                over_positions ? "has no position set" : "has a position set");
  }
  return row;
}

// Throws Error where nobody can tell.
bool Exists(const std::filesystem::path& path) {
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (error) Fail("{}: cannot be read: {}", path.string(), error.message());
  return exists;
}

constexpr char kSiteColumns[] =
    "SELECT site_id, stream, block, t_i, dimension, row_count, first_string_id, element, rows, window, stride, "
    "position_set_id, capture_id FROM ";

// What can be told, of a catalog of an earlier format, about how it was built. Its tables corpus and model had these
// columns in every version.
std::string CommandToBuildAnew(sqlite3* connection, const std::string& schema, const std::string& file) {
  const std::filesystem::path directory = std::filesystem::path(file).parent_path();
  std::string corpus = "CORPUS";
  std::string rest;
  try {
    SqliteStatement statement(connection, fmt::format("SELECT name, string_length FROM \"{}\".corpus", schema));
    if (statement.Step()) {
      corpus = ShellQuote(statement.Text(0));
      rest += fmt::format(" --length {}", statement.Integer(1));
    }
    SqliteStatement model(connection, fmt::format("SELECT file FROM \"{}\".model", schema));
    if (model.Step()) rest += " --model " + ShellQuote((directory / model.Text(0)).string());
  } catch (const Error&) {
    // The rest of the line says enough.
  }
  return fmt::format("actkin build {}{} --out NEW.actkin", corpus, rest);
}

}  // namespace

std::string Describe(const SiteIndexRow& index) {
  const std::string name = Printable(index.name);
  return index.metric ? fmt::format("{} ({})", name, Name(*index.metric)) : name;
}

std::string ChecksumText(std::uint64_t checksum) { return fmt::format("{:016x}", checksum); }

void RequireIndexDirectory(const IndexDirectory& directory) {
  const std::string path = directory.path().string();
  if (!Exists(directory.path())) {
    Fail(ErrorCode::kNotFound, "{}: no such index directory: make it with 'actkin build'", path);
  }
  if (!Exists(directory.Catalog())) {
    Fail(ErrorCode::kNotFound, "{}: no index directory: it has no catalog.db (make one with 'actkin build')", path);
  }
  // SQLite would wait for a pipe.
  if (!std::filesystem::is_regular_file(directory.Catalog())) {
    Fail("{}: expected a file", directory.Catalog().string());
  }
  // Opened and closed it would lose the locks of this process's other connections to it.
  if (::access(directory.Catalog().c_str(), R_OK) != 0) {
    Fail("{}: cannot be read: {}", directory.Catalog().string(), std::strerror(errno));
  }
}

std::unique_ptr<SqliteConnection> OpenCatalog(const IndexDirectory& directory) {
  RequireIndexDirectory(directory);
  return std::make_unique<SqliteConnection>(directory.Catalog(), SqliteConnection::Mode::kRead);
}

Catalog::Catalog(sqlite3* connection, std::string schema) : connection_(connection), schema_(std::move(schema)) {
  const auto pragma = [&](const char* name) {
    SqliteStatement statement(connection_, fmt::format("PRAGMA \"{}\".{}", schema_, name));
    return statement.Step() ? statement.Integer(0) : 0;
  };
  const std::string file = DatabaseFile(connection_, schema_);
  if (pragma("application_id") != kCatalogApplicationId) {
    if (file.empty()) FailDamaged("schema {}: this database is no actkin catalog", Quote(schema_));
    FailDamaged("{}: this database is no actkin catalog", file);
  }
  const std::int64_t version = pragma("user_version");
  if (version > kCatalogVersion) {
    Fail(ErrorCode::kUnsupported, "{}: written by a newer actkin: its catalog has version {}, this program reads {}",
         file, version, kCatalogVersion);
  }
  if (version < 1) FailDamaged("{}: the catalog has version {}, which no actkin wrote", file, version);
  if (version < kCatalogVersion) {
    Fail(ErrorCode::kUnsupported,
         "{}: written by an older actkin: its catalog has version {}, this program reads {}: build it anew: {}", file,
         version, kCatalogVersion, CommandToBuildAnew(connection_, schema_, file));
  }
}

SqliteStatement& Catalog::Prepare(std::optional<SqliteStatement>& kept, const char* sql) {
  if (!kept) kept.emplace(connection_, fmt::format(fmt::runtime(sql), fmt::arg("schema", schema_)));
  return *kept;
}

CorpusRow Catalog::Corpus() {
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT name, sha256, characters, string_length, token_count FROM \"{}\".corpus", schema_));
  if (!statement.Step()) FailDamaged("the catalog is damaged: its table corpus is empty");
  return {statement.Text(0), statement.Text(1), ReadCount(statement, 2), ReadSmallNumber(statement, 3),
          ReadCount(statement, 4)};
}

std::vector<DocumentRow> Catalog::Documents() {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT document_id, name, first_position, token_count FROM \"{}\".document "
                                        "ORDER BY document_id",
                                        schema_));
  std::vector<DocumentRow> rows;
  while (statement.Step()) {
    rows.push_back({statement.Integer(0), statement.Text(1), ReadCount(statement, 2), ReadCount(statement, 3)});
  }
  return rows;
}

std::string Catalog::DocumentName(std::int64_t document_id) {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT name FROM \"{}\".document WHERE document_id = ?1", schema_));
  statement.Bind(document_id);
  if (!statement.Step()) FailDamaged("the catalog is damaged: it has no document {}", document_id);
  return statement.Text(0);
}

CorpusFilesRow Catalog::CorpusFiles() {
  SqliteStatement statement(
      connection_, fmt::format("SELECT file, bytes, checksum FROM \"{}\".corpus_file WHERE kind = ?1", schema_));
  const auto read = [&](const char* kind) {
    statement.Bind(kind);
    if (!statement.Step()) FailDamaged("the catalog is damaged: it has no file of the corpus's {}", kind);
    FileRow row = ReadFileRow(statement, 0);
    statement.Reset();
    return row;
  };
  return {read(kTokensKind), read(kSuffixesKind)};
}

const char* TokenizerRow::kind() const {
  if (!file) return kCharactersKind;
  return texts_alone ? kTextsKind : kBpeKind;
}

TokenizerRow Catalog::Tokenizer() {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT kind, file, bytes, checksum FROM \"{}\".tokenizer", schema_));
  if (!statement.Step()) FailDamaged("the catalog is damaged: its table tokenizer is empty");
  const std::string kind = statement.Text(0);
  if (kind == kCharactersKind) return {};
  if (kind == kTextsKind) return {ReadFileRow(statement, 1), true};
  if (kind != kBpeKind) {
    Fail(ErrorCode::kUnsupported, "the catalog was written by a newer actkin, or is damaged: its tokenizer is {}",
         Quote(kind));
  }
  return {ReadFileRow(statement, 1)};
}

std::optional<RecordedSiteRow> Catalog::RecordedSite(std::int64_t site_id) {
  SqliteStatement statement(
      connection_, fmt::format("SELECT source, bos_token_id FROM \"{}\".recorded_site WHERE site_id = ?1", schema_));
  statement.Bind(site_id);
  if (!statement.Step()) return std::nullopt;
  RecordedSiteRow row{statement.Text(0), std::nullopt};
  if (!statement.IsNull(1)) row.bos_token_id = static_cast<TokenId>(ReadCount(statement, 1));
  return row;
}

std::optional<ModelRow> Catalog::Model() {
  SqliteStatement statement(
      connection_, fmt::format("SELECT file, sha256, vocabulary_size, blocks, heads, embed, context, bos_token_id "
                               "FROM \"{}\".model",
                               schema_));
  if (!statement.Step()) return std::nullopt;
  ModelRow row;
  row.file = statement.Text(0);
  row.sha256 = statement.Text(1);
  row.shape.vocabulary_size = statement.Integer(2);
  row.shape.blocks = statement.Integer(3);
  row.shape.heads = statement.Integer(4);
  row.shape.embed = statement.Integer(5);
  row.shape.context = statement.Integer(6);
  if (!statement.IsNull(7)) {
    const std::int64_t token = statement.Integer(7);
    if (token < 0 || token >= row.shape.vocabulary_size) {
      FailDamaged("the catalog is damaged: no model begins with token {}", token);
    }
    row.bos_token_id = static_cast<TokenId>(token);
  }
  for (int column = 2; column <= 6; ++column) {
    // Of tokens, of anything else that a model has.
    const std::int64_t most = std::int64_t{1} << (column == 2 ? 31 : 20);
    const std::int64_t size = statement.Integer(column);
    if (size < 1 || size > most) FailDamaged("the catalog is damaged: no model has a size of {}", size);
  }
  return row;
}

std::vector<LengthRow> Catalog::Lengths() {
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT length, string_count, row_count, first_string_id FROM \"{}\".string_length ORDER BY length",
                  schema_));
  std::vector<LengthRow> rows;
  while (statement.Step()) {
    rows.push_back(
        {ReadSmallNumber(statement, 0), ReadCount(statement, 1), ReadCount(statement, 2), ReadCount(statement, 3)});
  }
  if (rows.empty()) FailDamaged("the catalog is damaged: its table string_length is empty");
  return rows;
}

std::vector<SiteRow> Catalog::Sites() {
  SqliteStatement statement(connection_, fmt::format("{}\"{}\".site", kSiteColumns, schema_));
  std::vector<SiteRow> rows;
  while (statement.Step()) rows.push_back(ReadSiteRow(statement));
  std::ranges::sort(rows, {}, [](const SiteRow& row) {
    // Streams of other names have numbers of this process alone.
    const bool other = row.site.stream > Stream::kResidual;
    return std::make_tuple(other ? std::numeric_limits<int>::max() : static_cast<int>(row.site.stream),
                           other ? Name(row.site.stream) : "", row.site.block, row.site.t_i);
  });
  return rows;
}

std::optional<SiteRow> Catalog::FindSite(const Site& site) {
  SqliteStatement statement(
      connection_,
      fmt::format("{}\"{}\".site WHERE stream = ?1 AND block = ?2 AND ifnull(t_i, -1) = ?3", kSiteColumns, schema_));
  statement.Bind(std::string(Name(site.stream)), site.block, site.t_i);
  if (!statement.Step()) return std::nullopt;
  return ReadSiteRow(statement);
}

std::optional<RoundingRow> Catalog::Rounding(std::int64_t site_id) {
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT sampled_rows, queries, k, recall FROM \"{}\".rounding WHERE site_id = ?1", schema_));
  if (!statement.Bind(site_id).Step()) return std::nullopt;
  return RoundingRow{ReadCount(statement, 0), ReadCount(statement, 1), ReadCount(statement, 2), statement.Real(3)};
}

std::vector<VectorFileRow> Catalog::VectorFiles(std::int64_t site_id) {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT first_row, row_count, file, bytes, checksum FROM \"{}\".vector_file "
                                        "WHERE site_id = ?1 ORDER BY first_row",
                                        schema_));
  statement.Bind(site_id);
  std::vector<VectorFileRow> rows;
  while (statement.Step()) {
    const std::uint64_t first = ReadCount(statement, 0);
    rows.push_back({{first, first + ReadCount(statement, 1)}, ReadFileRow(statement, 2)});
  }
  return rows;
}

std::vector<SiteIndexRow> Catalog::SiteIndices(std::int64_t site_id) {
  SqliteStatement statement(
      connection_, fmt::format("SELECT name, metric, file, bytes, checksum, build_seconds FROM \"{}\".site_index "
                               "WHERE site_id = ?1 ORDER BY name, metric",
                               schema_));
  statement.Bind(site_id);
  std::vector<SiteIndexRow> rows;
  while (statement.Step()) {
    SiteIndexRow row;
    row.name = statement.Text(0);
    if (!statement.IsNull(1)) row.metric = ReadWord(ParseMetric, statement.Text(1));
    row.file = ReadFileRow(statement, 2);
    row.build_seconds = statement.Real(5);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::optional<FileRow> Catalog::RowOrder(int t_i) {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT file, bytes, checksum FROM \"{}\".row_order WHERE t_i = ?1", schema_));
  statement.Bind(t_i);
  if (!statement.Step()) return std::nullopt;
  return ReadFileRow(statement, 0);
}

std::vector<PositionSetRow> Catalog::PositionSets() {
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT position_set_id, name, row_count, file, bytes, checksum FROM \"{}\".position_set "
                  "ORDER BY position_set_id",
                  schema_));
  std::vector<PositionSetRow> rows;
  while (statement.Step()) {
    PositionSetRow& row = rows.emplace_back(
        PositionSetRow{statement.Integer(0), statement.Text(1), ReadCount(statement, 2), std::nullopt});
    if (!statement.IsNull(3)) row.file = ReadFileRow(statement, 3);
  }
  return rows;
}

PositionSetRow Catalog::PositionSet(std::int64_t position_set_id) {
  std::vector<PositionSetRow> rows = PositionSets();
  const auto found = std::ranges::find(rows, position_set_id, &PositionSetRow::position_set_id);
  if (found == rows.end()) FailDamaged("the catalog is damaged: there is no position set {}", position_set_id);
  return std::move(*found);
}

}  // namespace actkin
