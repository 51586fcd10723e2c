#include "query/reader/index_reader.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "query/reader/prompt_input.h"
#include "schema/error.h"
#include "schema/text.h"
#include "schema/token_ids.h"
#include "storage/directory/open_site_rows.h"
#include "storage/directory/open_tokenizer.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

void RequireRow(const Site& site, std::uint64_t row, std::uint64_t row_count) {
  if (row >= row_count) {
    FailUsage(ErrorCode::kNotFound, "row {}: {} has rows 0 to {}", row, Describe(site), row_count - 1);
  }
}

}  // namespace

IndexReader::IndexReader(const IndexDirectory& directory) : IndexReader(directory, OpenCatalog(directory)) {}

IndexReader::IndexReader(const IndexDirectory& directory, std::unique_ptr<SqliteConnection> own_connection)
    : IndexReader(directory, own_connection->handle(), "main") {
  own_connection_ = std::move(own_connection);
}

IndexReader::IndexReader(const IndexDirectory& directory, sqlite3* connection, const std::string& schema)
    : directory_(directory), catalog_(std::make_unique<Catalog>(connection, schema)) {
  corpus_ = catalog_->Corpus();
  lengths_ = catalog_->Lengths();
  if (lengths_.size() != static_cast<std::size_t>(corpus_.string_length)) {
    FailDamaged("{}: damaged: it has strings of {} lengths, its corpus row says {}", directory_.Catalog().string(),
                lengths_.size(), corpus_.string_length);
  }
  vocabulary_ = std::make_unique<TokenTable>(*catalog_);
}

const LengthRow& IndexReader::Length(int length) const {
  const auto found = std::ranges::find(lengths_, length, &LengthRow::length);
  if (found == lengths_.end()) {
    FailDamaged("{}: damaged: no strings of length {}", directory_.Catalog().string(), length);
  }
  return *found;
}

Prompt IndexReader::Encode(const PromptInput& prompt) {
  std::vector<TokenId> tokens = EncodePrefix(prompt);
  if (tokens.empty()) FailUsage("the prompt is empty: give at least one {}", prompt.ids ? "token id" : "character");
  std::string text = prompt.ids ? vocabulary_->Text(tokens) : prompt.text;
  return PromptOfTokens(std::move(text), std::move(tokens));
}

Prompt IndexReader::EncodeBytes(std::string_view token_bytes) {
  return Encode(DecodeTokenIds(token_bytes, RequireTokenIds(token_bytes)));
}

std::vector<TokenId> IndexReader::EncodePrefix(const PromptInput& prefix) {
  if (!prefix.ids) {
    if (prefix.text.empty()) return {};
    if (!tokenizer_) tokenizer_ = OpenTokenizer(directory_, *catalog_);
    return tokenizer_->Encode(prefix.text, fmt::format("prompt {}", Quote(prefix.text)));
  }
  for (const TokenId token : *prefix.ids) {
    if (token < vocabulary_->tokenizer_size()) continue;
    FailUsage("prompt {}: there is no token {}: ids go from 0 to {}", Describe(prefix), token,
              vocabulary_->tokenizer_size() - 1);
  }
  return *prefix.ids;
}

std::vector<TokenId> IndexReader::EncodePrefixBytes(std::string_view token_bytes) {
  return EncodePrefix(DecodeTokenIds(token_bytes, RequireTokenIds(token_bytes)));
}

int IndexReader::RequireTokenIds(std::string_view token_bytes) {
  const int width = catalog_->TokenIdWidth();
  if (token_bytes.size() % static_cast<std::size_t>(width) != 0) {
    FailUsage("prompt: a BLOB of {} bytes: token ids have {} bytes each here", token_bytes.size(), width);
  }
  return width;
}

Prompt IndexReader::PromptOfTokens(std::string text, std::vector<TokenId> tokens) {
  Prompt prompt{std::move(text), std::move(tokens), std::nullopt, std::nullopt, std::nullopt};
  if (prompt.tokens.size() > static_cast<std::size_t>(string_length())) return prompt;
  if (const std::optional<StringRow> row = catalog_->FindString(prompt.tokens)) {
    prompt.string_id = row->string_id;
    prompt.ordinal = static_cast<StringOrdinal>(row->string_id - Length(row->length).first_string_id);
  }
  return prompt;
}

void IndexReader::RequireString(StringId string_id) const {
  if (string_id >= 1 && string_id <= LastStringId()) return;
  FailUsage(ErrorCode::kNotFound, "string_id {}: this index has strings 1 to {}", string_id, LastStringId());
}

Prompt IndexReader::PromptOf(StringId string_id) {
  RequireString(string_id);
  StringRow row = catalog_->String(string_id);
  const auto ordinal = static_cast<StringOrdinal>(string_id - Length(row.length).first_string_id);
  return {std::move(row.text), std::move(row.tokens), string_id, ordinal, std::nullopt};
}

Prompt IndexReader::PromptAt(std::int64_t position) {
  RequirePosition(position);
  Prompt prompt;
  prompt.position = static_cast<std::uint64_t>(position);
  // As one of the sites over positions has seen it, else with as much before it as the model takes.
  std::optional<SiteRow> seen;
  for (SiteRow& row : catalog_->Sites()) {
    if (row.site.over_positions() && row.window && row.stride) seen = std::move(row);
  }
  prompt.tokens = TokensUpTo(*prompt.position, seen ? seen->window : std::nullopt, seen ? seen->stride : std::nullopt);
  prompt.text = vocabulary_->Text(prompt.tokens);
  return prompt;
}

Prompt IndexReader::UpTo(Prompt prompt, int at) {
  const auto count = static_cast<std::int64_t>(prompt.tokens.size());
  const std::int64_t last = at < 0 ? count + at : at;
  if (last < 0 || last >= count) {
    FailUsage("at {}: prompt {} has {} token{}: expected {} to {}", at, Quote(prompt.text), count,
              count == 1 ? "" : "s", -count, count - 1);
  }
  if (last + 1 == count) return prompt;
  if (prompt.position) return PromptAt(static_cast<std::int64_t>(*prompt.position) - (count - 1 - last));
  prompt.tokens.resize(static_cast<std::size_t>(last) + 1);
  std::string text = vocabulary_->Text(prompt.tokens);
  return PromptOfTokens(std::move(text), std::move(prompt.tokens));
}

void IndexReader::CopyRows(const Site& site, std::span<const std::uint64_t> ids, std::span<float> out) {
  const std::shared_ptr<const SiteIndex> index = OpenIndex(site);
  const std::shared_ptr<const RowMap> map = OpenRowMap(site);
  const std::uint64_t dimension = index->dimension();
  if (out.size() != ids.size() * dimension) {
    FailUsage("room for {} numbers: {} rows of {} have {}", out.size(), ids.size(), Describe(site),
              ids.size() * dimension);
  }
  const std::uint64_t first = FirstId(site);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::optional<RowNumber> row = ids[i] < first ? std::nullopt : map->Row(ids[i] - first);
    if (!row && site.over_positions()) {
      RequirePosition(static_cast<std::int64_t>(ids[i]));
      FailUsage(ErrorCode::kNotFound, "position {}: {} has no row of it", ids[i], Describe(site));
    }
    if (!row) {
      FailUsage(ErrorCode::kNotFound, "string_id {}: {} has rows of strings {} to {}", ids[i], Describe(site), first,
                first + index->row_count() - 1);
    }
    std::ranges::copy(index->Vector(*row), out.data() + i * dimension);
  }
}

void IndexReader::CopyNumberedRows(const Site& site, std::span<const std::uint64_t> rows, std::span<float> out) {
  const std::shared_ptr<const SiteIndex> index = OpenIndex(site);
  const std::uint64_t dimension = index->dimension();
  if (out.size() != rows.size() * dimension) {
    FailUsage("room for {} numbers: {} rows of {} have {}", out.size(), rows.size(), Describe(site),
              rows.size() * dimension);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    RequireRow(site, rows[i], index->row_count());
    std::ranges::copy(index->Vector(static_cast<RowNumber>(rows[i])), out.data() + i * dimension);
  }
}

std::vector<std::uint64_t> IndexReader::IdsOfRows(const Site& site, std::span<const std::uint64_t> rows) {
  const SiteRow row = RequireSite(site);
  const std::shared_ptr<const RowMap> map = OpenRowMap(site);
  std::vector<std::uint64_t> ids;
  ids.reserve(rows.size());
  for (const std::uint64_t number : rows) {
    RequireRow(site, number, row.row_count);
    ids.push_back(row.first_string_id + map->Number(static_cast<RowNumber>(number)));
  }
  return ids;
}

std::vector<RowFile> IndexReader::RowFiles(const Site& site) {
  std::vector<RowFile> files;
  const SiteRow row = RequireSite(site);
  if (row.element == Element::kInt8) return files;  // codes, not numbers
  for (const VectorFile& file : OpenVectorFiles(directory_, *catalog_, row)) {
    files.push_back({file.path(), file.rows_offset(), file.rows().begin, file.rows().size()});
  }
  return files;
}

std::vector<NextToken> IndexReader::NextTokens(StringId string_id) { return ByCount(catalog_->NextTokens(string_id)); }

std::vector<NextToken> IndexReader::NextTokensOfPrefix(std::span<const TokenId> prefix) {
  const CorpusSuffixes& suffixes = Suffixes();
  std::vector<NextTokenCount> counts;
  for (const CorpusSuffixes::NextToken& next : suffixes.NextTokens(suffixes.Find(prefix), prefix.size())) {
    counts.push_back({next.token_id, next.places.size()});
  }
  return ByCount(counts);
}

std::vector<NextToken> IndexReader::ByCount(std::span<const NextTokenCount> counts) const {
  std::vector<NextToken> tokens;
  for (const NextTokenCount& next : counts) {
    tokens.push_back({vocabulary_->Text(next.token_id), next.token_id, next.count});
  }
  std::ranges::stable_sort(tokens, std::ranges::greater(), &NextToken::count);
  return tokens;
}

std::uint64_t IndexReader::Occurrences(std::span<const TokenId> prefix) { return Suffixes().Find(prefix).size(); }

std::vector<std::uint64_t> IndexReader::PositionsOf(std::span<const TokenId> prefix) {
  const CorpusSuffixes& suffixes = Suffixes();
  std::vector<std::uint64_t> positions;
  for (RowRange places = suffixes.Find(prefix); places.begin < places.end; ++places.begin) {
    positions.push_back(suffixes.Position(places.begin) + prefix.size() - 1);
  }
  std::ranges::sort(positions);
  return positions;
}

std::vector<NextToken> IndexReader::NextTokensAt(std::uint64_t position) {
  const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
  if (position + 1 == corpus->Positions(corpus->DocumentOf(position)).end) return {};
  const TokenId token = corpus->Token(position + 1);
  return {{vocabulary_->Text(token), token, 1}};
}

const std::string& IndexReader::DocumentName(std::uint64_t document_id) {
  const auto known = document_names_.find(document_id);
  if (known != document_names_.end()) return known->second;
  return document_names_.emplace(document_id, catalog_->DocumentName(static_cast<std::int64_t>(document_id)))
      .first->second;
}

IndexReader::RowsKey IndexReader::KeyOf(const Site& site) {
  return {site.t_i, site.over_positions() ? RequireSite(site).position_set_id.value() : 0};
}

void IndexReader::RequirePosition(std::int64_t position) {
  if (position >= 0 && static_cast<std::uint64_t>(position) < corpus_.token_count) return;
  FailUsage(ErrorCode::kNotFound, "position {}: this corpus has positions 0 to {}", position, corpus_.token_count - 1);
}

std::string IndexReader::Context(std::uint64_t position, std::uint64_t before, std::uint64_t after) {
  const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
  const RowRange document = corpus->Positions(corpus->DocumentOf(position));
  const std::uint64_t begin = position - std::min(before, position - document.begin);
  const std::uint64_t end = position + 1 + std::min(after, document.end - 1 - position);
  return TextBetween(*corpus, begin, end);
}

TokenContext IndexReader::ContextAround(std::uint64_t position, std::uint64_t before, std::uint64_t after) {
  const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
  const std::uint64_t document_id = corpus->DocumentOf(position);
  const RowRange document = corpus->Positions(document_id);
  const std::uint64_t begin = position - std::min(before, position - document.begin);
  const std::uint64_t end = position + 1 + std::min(after, document.end - 1 - position);
  return {position, document_id, TextBetween(*corpus, begin, position), TextBetween(*corpus, position, position + 1),
          TextBetween(*corpus, position + 1, end)};
}

std::string IndexReader::TextBetween(const CorpusTokensFile& corpus, std::uint64_t begin, std::uint64_t end) const {
  std::vector<TokenId> tokens;
  for (std::uint64_t position = begin; position < end; ++position) tokens.push_back(corpus.Token(position));
  return vocabulary_->Text(tokens);
}

}  // namespace actkin
