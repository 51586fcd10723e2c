// The catalog's tokens and strings.
#include <limits>
#include <utility>

#include "schema/error.h"
#include "schema/token_ids.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_columns.h"

namespace actkin {
namespace {

constexpr char kStringColumns[] = "SELECT string_id, length, text, occurrences, tokens FROM ";

}  // namespace

std::size_t Catalog::TokenCount() {
  if (!token_count_) {
    // Ids are 0, 1, 2, ...: counting them all would read the whole table.
    SqliteStatement statement(connection_, fmt::format("SELECT max(token_id) FROM \"{}\".token", schema_));
    if (!statement.Step() || statement.IsNull(0)) FailDamaged("the catalog is damaged: its table token is empty");
    const std::int64_t last = statement.Integer(0);
    if (last < 0 || last >= std::numeric_limits<std::int32_t>::max()) {
      FailDamaged("the catalog is damaged: its last token is {}", last);
    }
    token_count_ = static_cast<std::size_t>(last) + 1;
  }
  return *token_count_;
}

int Catalog::TokenIdWidth() { return actkin::TokenIdWidth(TokenCount()); }

TokenRow Catalog::Token(TokenId token) {
  SqliteStatement& statement = Prepare(token_, "SELECT text, bytes FROM \"{schema}\".token WHERE token_id = ?1");
  statement.Bind(token);
  if (!statement.Step()) FailDamaged("the catalog is damaged: it has no token {}", token);
  TokenRow row{statement.Text(0), std::string(statement.Blob(1))};
  statement.Reset();
  return row;
}

std::vector<TokenRow> Catalog::Tokens() {
  SqliteStatement statement(connection_,
                            fmt::format("SELECT token_id, text, bytes FROM \"{}\".token ORDER BY token_id", schema_));
  std::vector<TokenRow> rows;
  while (statement.Step()) {
    if (statement.Integer(0) != static_cast<std::int64_t>(rows.size())) {
      FailDamaged("the catalog is damaged: it has no token {}", rows.size());
    }
    rows.push_back({statement.Text(1), std::string(statement.Blob(2))});
  }
  return rows;
}

std::vector<std::string> Catalog::TokenTexts() {
  std::vector<std::string> texts;
  for (TokenRow& row : Tokens()) texts.push_back(std::move(row.text));
  return texts;
}

StringRow Catalog::ReadString(const SqliteStatement& statement) {
  StringRow row{ReadCount(statement, 0), ReadSmallNumber(statement, 1), statement.Text(2), ReadCount(statement, 3), {}};
  const std::string_view bytes = statement.Blob(4);
  const auto width = static_cast<std::size_t>(TokenIdWidth());
  if (row.length < 1 || bytes.size() != static_cast<std::size_t>(row.length) * width) {
    FailDamaged("the catalog is damaged: string {} of {} tokens has {} bytes of them", row.string_id, row.length,
                bytes.size());
  }
  row.tokens = DecodeTokenIds(bytes, static_cast<int>(width));
  for (const TokenId token : row.tokens) {
    if (token >= TokenCount()) {
      FailDamaged("the catalog is damaged: token {} is in string {}, there are {} tokens", token, row.string_id,
                  TokenCount());
    }
  }
  return row;
}

std::optional<StringRow> Catalog::FindString(std::span<const TokenId> tokens) {
  if (!find_string_) {
    find_string_.emplace(connection_, fmt::format("{}\"{}\".string WHERE tokens = ?1", kStringColumns, schema_));
  }
  const std::string bytes = EncodeTokenIds(tokens, TokenIdWidth());
  find_string_->Bind(SqliteBlob{bytes});
  if (!find_string_->Step()) return std::nullopt;
  StringRow row = ReadString(*find_string_);
  find_string_->Reset();
  return row;
}

std::vector<StringRow> Catalog::StringsOfText(std::string_view text, int length) {
  SqliteStatement statement(
      connection_,
      fmt::format("{}\"{}\".string WHERE text = ?1 AND length = ?2 ORDER BY string_id", kStringColumns, schema_));
  statement.Bind(text, length);
  std::vector<StringRow> rows;
  while (statement.Step()) rows.push_back(ReadString(statement));
  return rows;
}

std::vector<std::int64_t> Catalog::StringsOfPrefix(std::string_view prefix, int length) {
  // Texts are UTF-8: none has the largest byte, and the next larger last one ends them.
  std::string end(prefix);
  ++end.back();
  SqliteStatement statement(
      connection_,
      fmt::format("SELECT string_id FROM \"{}\".string WHERE text >= ?1 AND text < ?2 AND length = ?3", schema_));
  statement.Bind(prefix, end, length);
  std::vector<std::int64_t> ids;
  while (statement.Step()) ids.push_back(statement.Integer(0));
  return ids;
}

StringRow Catalog::String(StringId string_id) {
  if (!string_) {
    string_.emplace(connection_, fmt::format("{}\"{}\".string WHERE string_id = ?1", kStringColumns, schema_));
  }
  string_->Bind(string_id);
  if (!string_->Step()) FailDamaged("the catalog is damaged: it has no string {}", string_id);
  StringRow row = ReadString(*string_);
  string_->Reset();
  return row;
}

void Catalog::ForEachString(StringId first, StringId end, const std::function<void(const StringRow&)>& report) {
  SqliteStatement statement(connection_,
                            fmt::format("{}\"{}\".string WHERE string_id >= ?1 AND string_id < ?2 ORDER BY string_id",
                                        kStringColumns, schema_));
  statement.Bind(first, end);
  while (statement.Step()) report(ReadString(statement));
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
    const StringId string_id = ReadCount(statement, 0);
    report(string_id, ReadNextToken(statement, 1, string_id));
  }
}

NextTokenCount Catalog::ReadNextToken(const SqliteStatement& statement, int column, StringId string_id) {
  const std::int64_t token = statement.Integer(column);
  if (token < 0 || token >= static_cast<std::int64_t>(TokenCount())) {
    FailDamaged("the catalog is damaged: token {} follows string {}, there are {} tokens", token, string_id,
                TokenCount());
  }
  return {static_cast<TokenId>(token), ReadCount(statement, column + 1)};
}

}  // namespace actkin
