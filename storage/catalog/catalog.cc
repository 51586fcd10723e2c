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

namespace actkin {
namespace {

// Columns of `statement` from `column` on: file, bytes, checksum.
FileRow ReadFileRow(const SqliteStatement& statement, int column) {
  return {statement.Text(column), static_cast<std::uint64_t>(statement.Integer(column + 1)),
          statement.Text(column + 2)};
}

std::uint64_t Count(const SqliteStatement& statement, int column) {
  const std::int64_t value = statement.Integer(column);
  if (value < 0) FailDamaged("the catalog is damaged: a count is {}", value);
  return static_cast<std::uint64_t>(value);
}

int SmallNumber(const SqliteStatement& statement, int column) {
  const std::int64_t value = statement.Integer(column);
  if (value < 0 || value > std::numeric_limits<int>::max()) {
    FailDamaged("the catalog is damaged: a number is {}", value);
  }
  return static_cast<int>(value);
}

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
  row.site = {ReadWord(ParseStream, statement.Text(1)), SmallNumber(statement, 2), SmallNumber(statement, 3)};
  row.dimension = Count(statement, 4);
  row.row_count = Count(statement, 5);
  row.first_string_id = Count(statement, 6);
  row.element = ReadWord(ParseElement, statement.Text(7));
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
    "SELECT site_id, stream, block, t_i, dimension, row_count, first_string_id, element FROM ";

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
  const char* file = sqlite3_db_filename(connection_, schema_.c_str());
  if (pragma("application_id") != kCatalogApplicationId) {
    if (file == nullptr || *file == '\0') FailDamaged("schema {}: this database is no actkin catalog", Quote(schema_));
    FailDamaged("{}: this database is no actkin catalog", file);
  }
  version_ = pragma("user_version");
  if (version_ > kCatalogVersion) {
    Fail(ErrorCode::kUnsupported, "{}: the catalog has version {}, this program reads up to {}: use a newer actkin",
         file, version_, kCatalogVersion);
  }
  if (version_ < 1) FailDamaged("{}: the catalog has version {}, which no actkin wrote", file, version_);
}

SqliteStatement& Catalog::Prepare(std::optional<SqliteStatement>& kept, const char* sql) {
  if (!kept) kept.emplace(connection_, fmt::format(fmt::runtime(sql), fmt::arg("schema", schema_)));
  return *kept;
}

CorpusRow Catalog::Corpus() {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT name, sha256, characters, string_length FROM \"{}\".corpus", schema_));
  if (!statement.Step()) FailDamaged("the catalog is damaged: its table corpus is empty");
  return {statement.Text(0), statement.Text(1), Count(statement, 2), SmallNumber(statement, 3)};
}

std::optional<ModelRow> Catalog::Model() {
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT file, sha256, vocabulary_size, blocks, heads, embed, context FROM \"{}\".model", schema_));
  if (!statement.Step()) return std::nullopt;
  ModelRow row;
  row.file = statement.Text(0);
  row.sha256 = statement.Text(1);
  row.shape.vocabulary_size = statement.Integer(2);
  row.shape.blocks = statement.Integer(3);
  row.shape.heads = statement.Integer(4);
  row.shape.embed = statement.Integer(5);
  row.shape.context = statement.Integer(6);
  for (int column = 2; column <= 6; ++column) {
    constexpr std::int64_t kMost = std::int64_t{1} << 20;  // of anything that a model has
    const std::int64_t size = statement.Integer(column);
    if (size < 1 || size > kMost) FailDamaged("the catalog is damaged: no model has a size of {}", size);
  }
  return row;
}

std::vector<std::string> Catalog::TokenTexts() {
  SqliteStatement statement(connection_, fmt::format("SELECT text FROM \"{}\".token ORDER BY token_id", schema_));
  std::vector<std::string> texts;
  while (statement.Step()) texts.push_back(statement.Text(0));
  return texts;
}

std::vector<LengthRow> Catalog::Lengths() {
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT length, string_count, row_count, first_string_id FROM \"{}\".string_length ORDER BY length",
                  schema_));
  std::vector<LengthRow> rows;
  while (statement.Step()) {
    rows.push_back({SmallNumber(statement, 0), Count(statement, 1), Count(statement, 2), Count(statement, 3)});
  }
  if (rows.empty()) FailDamaged("the catalog is damaged: its table string_length is empty");
  return rows;
}

std::vector<SiteRow> Catalog::Sites() {
  SqliteStatement statement(connection_, fmt::format("{}\"{}\".site", kSiteColumns, schema_));
  std::vector<SiteRow> rows;
  while (statement.Step()) rows.push_back(ReadSiteRow(statement));
  std::ranges::sort(rows, {}, &SiteRow::site);
  return rows;
}

std::optional<SiteRow> Catalog::FindSite(const Site& site) {
  SqliteStatement statement(
      connection_, fmt::format("{}\"{}\".site WHERE stream = ?1 AND block = ?2 AND t_i = ?3", kSiteColumns, schema_));
  statement.Bind(std::string(Name(site.stream)), site.block, site.t_i);
  if (!statement.Step()) return std::nullopt;
  return ReadSiteRow(statement);
}

std::vector<VectorFileRow> Catalog::VectorFiles(std::int64_t site_id) {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT first_row, row_count, file, bytes, checksum FROM \"{}\".vector_file "
                                        "WHERE site_id = ?1 ORDER BY first_row",
                                        schema_));
  statement.Bind(site_id);
  std::vector<VectorFileRow> rows;
  while (statement.Step()) {
    const std::uint64_t first = Count(statement, 0);
    rows.push_back({{first, first + Count(statement, 1)}, ReadFileRow(statement, 2)});
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

std::optional<StringRow> Catalog::FindString(std::string_view text, int length) {
  SqliteStatement& statement =
      Prepare(find_string_,
              "SELECT string_id, length, text, occurrences FROM \"{schema}\".string WHERE text = ?1 AND length = ?2");
  statement.Bind(text, length);
  if (!statement.Step()) return std::nullopt;
  StringRow row{Count(statement, 0), SmallNumber(statement, 1), statement.Text(2), Count(statement, 3)};
  statement.Reset();
  return row;
}

StringRow Catalog::String(StringId string_id) {
  SqliteStatement& statement =
      Prepare(string_, "SELECT string_id, length, text, occurrences FROM \"{schema}\".string WHERE string_id = ?1");
  statement.Bind(string_id);
  if (!statement.Step()) FailDamaged("the catalog is damaged: it has no string {}", string_id);
  StringRow row{Count(statement, 0), SmallNumber(statement, 1), statement.Text(2), Count(statement, 3)};
  statement.Reset();
  return row;
}

void Catalog::ForEachString(StringId first, StringId end, const std::function<void(const StringRow&)>& report) {
  SqliteStatement statement(connection_, fmt::format("SELECT string_id, length, text, occurrences FROM \"{}\".string "
                                                     "WHERE string_id >= ?1 AND string_id < ?2 ORDER BY string_id",
                                                     schema_));
  statement.Bind(first, end);
  while (statement.Step()) {
    report({Count(statement, 0), SmallNumber(statement, 1), statement.Text(2), Count(statement, 3)});
  }
}

std::vector<NextTokenCount> Catalog::NextTokens(StringId string_id) {
  SqliteStatement& statement = Prepare(
      next_tokens_, "SELECT token_id, count FROM \"{schema}\".next_token WHERE string_id = ?1 ORDER BY token_id");
  statement.Bind(string_id);
  std::vector<NextTokenCount> tokens;
  while (statement.Step()) tokens.push_back(ReadNextToken(statement, 0, string_id));
  statement.Reset();
  return tokens;
}

void Catalog::ForEachNextToken(StringId first, StringId end,
                               const std::function<void(StringId, const NextTokenCount&)>& report) {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT string_id, token_id, count FROM \"{}\".next_token "
                                        "WHERE string_id >= ?1 AND string_id < ?2 ORDER BY string_id, token_id",
                                        schema_));
  statement.Bind(first, end);
  while (statement.Step()) {
    const StringId string_id = Count(statement, 0);
    report(string_id, ReadNextToken(statement, 1, string_id));
  }
}

NextTokenCount Catalog::ReadNextToken(const SqliteStatement& statement, int column, StringId string_id) {
  if (!token_count_) token_count_ = static_cast<std::int64_t>(TokenTexts().size());
  const std::int64_t token = statement.Integer(column);
  if (token < 0 || token >= *token_count_) {
    FailDamaged("the catalog is damaged: token {} follows string {}, there are {} tokens", token, string_id,
                *token_count_);
  }
  return {static_cast<TokenId>(token), Count(statement, column + 1)};
}

}  // namespace actkin
