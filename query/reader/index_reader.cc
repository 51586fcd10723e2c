#include "query/reader/index_reader.h"

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "query/approximate/filled_up_index.h"
#include "query/approximate/open_approximate_index.h"
#include "query/exact/embedding_index.h"
#include "query/exact/exact_index.h"
#include "query/exact/exact_search.h"
#include "query/reader/prompt_input.h"
#include "query/reader/string_filter.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "schema/token_ids.h"
#include "storage/catalog/build_command_line.h"
#include "storage/directory/open_site_rows.h"
#include "storage/directory/open_tokenizer.h"
#include "storage/formats/code_file.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/vector_file.h"

namespace actkin {
namespace {

// What is built of a stream, for messages: "proj blocks 0-5 at t_i 9".
std::string DescribeBuilt(const std::vector<SiteRow>& sites, Stream stream) {
  std::set<int> blocks;
  std::set<int> t_is;
  for (const SiteRow& row : sites) {
    if (row.site.stream != stream) continue;
    blocks.insert(row.site.block);
    t_is.insert(row.site.t_i);
  }
  if (blocks.empty()) return fmt::format("this index has no {} sites", Name(stream));
  const std::string positions = FormatNumberList({t_is.begin(), t_is.end()});
  if (stream == Stream::kEmbedding) return fmt::format("this index has embedding at t_i {}", positions);
  return fmt::format("this index has {} at blocks {} and t_i {}", Name(stream),
                     FormatNumberList({blocks.begin(), blocks.end()}), positions);
}

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
  Prompt prompt{std::move(text), std::move(tokens), std::nullopt, std::nullopt};
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
  return {std::move(row.text), std::move(row.tokens), string_id, ordinal};
}

void IndexReader::RequireSites(std::span<const Site> sites) {
  std::vector<Site> missing;
  for (const Site& site : sites) {
    if (!catalog_->FindSite(site)) missing.push_back(site);
  }
  if (missing.empty()) return;
  const int blocks = BlockCount(*catalog_);  // 0: nothing is known of them
  for (const Site& site : missing) {
    if (site.t_i < 0 || site.t_i >= string_length()) {
      FailUsage(ErrorCode::kNotFound, "no site {}: strings have {} tokens, so t_i goes from 0 to {}", Describe(site),
                string_length(), string_length() - 1);
    }
    if (blocks > 0 && (site.block < 0 || site.block >= blocks)) {
      FailUsage(ErrorCode::kNotFound, "no site {}: there are blocks 0-{}", Describe(site), blocks - 1);
    }
  }
  const Site& first = missing.front();
  FailUsage(ErrorCode::kNotFound, "no site {}{}: {}; this builds {}: {}", Describe(first),
            missing.size() > 1 ? fmt::format(", nor {} more that are asked for", missing.size() - 1) : "",
            DescribeBuilt(catalog_->Sites(), first.stream), missing.size() > 1 ? "them" : "it",
            BuildCommandLine(*catalog_, missing));
}

SiteRow IndexReader::RequireSite(const Site& site) {
  if (std::optional<SiteRow> row = catalog_->FindSite(site)) return *row;
  RequireSites(std::span(&site, 1));
  Fail(ErrorCode::kNotFound, "{}: {} was taken away meanwhile", directory_.path().string(), Describe(site));
}

Site IndexReader::ResolveSite(const NeighborQuery& query, std::size_t prompt_tokens) {
  Site site{query.stream, 0, 0};
  if (query.t_i) site.t_i = *query.t_i < 0 ? string_length() + *query.t_i : *query.t_i;
  if (query.stream == Stream::kEmbedding) {
    if (!query.t_i) site.t_i = static_cast<int>(prompt_tokens) - 1;
    return site;
  }
  std::vector<Site> built;
  if (!query.t_i || !query.block) {
    for (const SiteRow& row : catalog_->Sites()) {
      if (row.site.stream == query.stream) built.push_back(row.site);
    }
  }
  if (query.block) {
    const int blocks = *query.block < 0 ? BlockCount(*catalog_) : 0;
    if (*query.block < -blocks) {
      FailUsage(ErrorCode::kNotFound, "block {}: counts from the end of {} blocks", *query.block, blocks);
    }
    site.block = blocks + *query.block;
  } else {
    for (const Site& other : built) site.block = std::max(site.block, other.block);
  }
  if (query.t_i) return site;
  // Where the block has none, of any, so that the message about it names a position that is there.
  int any_block = 0;
  int this_block = -1;
  for (const Site& other : built) {
    any_block = std::max(any_block, other.t_i);
    if (other.block == site.block) this_block = std::max(this_block, other.t_i);
  }
  site.t_i = this_block < 0 ? any_block : this_block;
  return site;
}

Site IndexReader::ResolveSite(const NeighborQuery& query, std::span<const float> vector) {
  std::size_t positions = 0;
  if (query.stream == Stream::kEmbedding && !query.t_i) {
    const std::optional<ModelRow> model = catalog_->Model();
    if (model && model->shape.embed > 0) positions = vector.size() / static_cast<std::size_t>(model->shape.embed);
  }
  return ResolveSite(query, positions);
}

const PromptForward& IndexReader::Forward() {
  if (!forward_) {
    const std::optional<ModelRow> model = catalog_->Model();
    if (!model) {
      FailUsage(ErrorCode::kNotFound, "{}: made without a model: add one with 'actkin build CORPUS --model M --out {}'",
                directory_.path().string(), ShellQuote(directory_.path().string()));
    }
    auto forward = std::make_unique<PromptForward>(directory_.Resolve(model->file), model->bos_token_id);
    const ModelShape& shape = forward->shape();
    if (shape.vocabulary_size != model->shape.vocabulary_size ||
        shape.vocabulary_size < static_cast<std::int64_t>(vocabulary_->tokenizer_size()) ||
        shape.embed != model->shape.embed || shape.blocks != model->shape.blocks) {
      FailDamaged("{}: not the model that the catalog knows", directory_.Resolve(model->file).string());
    }
    forward_ = std::move(forward);
  }
  return *forward_;
}

std::shared_ptr<const RowOrderFile> IndexReader::OpenRowOrder(int t_i) {
  std::shared_ptr<const RowOrderFile>& order = row_orders_[t_i];
  if (!order) {
    const std::optional<FileRow> row = catalog_->RowOrder(t_i);
    if (!row) FailDamaged("{}: damaged: no row order at t_i {}", directory_.Catalog().string(), t_i);
    const std::filesystem::path path = directory_.Resolve(row->file);
    auto file = std::make_shared<const RowOrderFile>(path);
    RequireAsCatalogued(*file, *row, path);
    if (file->row_count() != Length(t_i + 1).row_count) FailDamaged("{}: not the rows of t_i {}", path.string(), t_i);
    order = std::move(file);
  }
  return order;
}

std::shared_ptr<const RowMap> IndexReader::OpenRowMap(const Site& site) {
  if (!site.over_positions()) return OpenRowOrder(site.t_i);
  const SiteRow row = RequireSite(site);
  std::shared_ptr<const RowMap>& map = position_sets_[row.position_set_id.value()];
  if (!map) {
    const PositionSetRow set = catalog_->PositionSet(*row.position_set_id);
    if (!set.file) {
      map = std::make_shared<const AllPositions>(corpus_.token_count);
    } else {
      const std::filesystem::path path = directory_.Resolve(set.file->file);
      auto file = std::make_shared<const PositionsFile>(path);
      RequireAsCatalogued(*file, *set.file, path);
      if (file->position_count() != corpus_.token_count) FailDamaged("{}: of another corpus", path.string());
      map = std::move(file);
    }
  }
  if (map->row_count() != row.row_count) {
    FailDamaged("{}: damaged: {} has {} rows, its positions are {}", directory_.Catalog().string(), Describe(site),
                row.row_count, map->row_count());
  }
  return map;
}

std::shared_ptr<const SiteIndex> IndexReader::OpenIndex(const Site& site, const std::string& name, Metric metric) {
  const auto key = std::make_tuple(site, name, name == kExactIndexName ? Metric::kL2 : metric);
  const auto found = indices_.find(key);
  if (found != indices_.end()) return found->second;

  const SiteRow row = RequireSite(site);
  const std::vector<SiteIndexRow> built = catalog_->SiteIndices(row.site_id);
  const auto index_row = std::ranges::find_if(built, [&](const SiteIndexRow& other) {
    return other.name == name && (!other.metric || *other.metric == metric);
  });
  if (index_row == built.end()) {
    if (name != kExactIndexName && metric != Metric::kL2 && metric != Metric::kCosine) {
      FailUsage(ErrorCode::kUnsupported, "index {}: approximate indices answer l2 and cosine; ask the index {} for {}",
                Quote(name), Quote(kExactIndexName), Name(metric));
    }
    std::string names;
    for (const SiteIndexRow& other : built) names += (names.empty() ? "" : ", ") + Describe(other);
    const bool other_metric = std::ranges::find(built, name, &SiteIndexRow::name) != built.end();
    FailUsage(ErrorCode::kNotFound, "no index {} of {}{}: it has {}", Quote(name), Describe(site),
              other_metric ? fmt::format(" for {}", Name(metric)) : "", names);
  }
  if (name != kExactIndexName) {
    return indices_[key] =
               FillUpByExact(site, OpenApproximateIndex(directory_, *index_row,
                                                        OpenSiteRows(directory_, *catalog_, row), OpenRowMap(site)));
  }

  std::shared_ptr<const SiteIndex> index;
  if (site.of_codes()) {
    const std::filesystem::path path = directory_.Resolve(index_row->file.file);
    CodeFile file(path);
    RequireAsCatalogued(file, index_row->file, path);
    index = std::make_shared<EmbeddingIndex>(std::move(file), OpenRowMap(site));
  } else {
    std::vector<VectorFile> files;
    bool has_sketches = true;
    for (const VectorFileRow& vectors : catalog_->VectorFiles(row.site_id)) {
      const std::filesystem::path path = directory_.Resolve(vectors.file.file);
      VectorFile& file = files.emplace_back(path);
      RequireAsCatalogued(file, vectors.file, path);
      if (file.rows() != vectors.rows) FailDamaged("{}: holds other rows than the catalog says", path.string());
      // A small site has no sketches, nor has one whose build was stopped before it made them.
      if (vectors.file.file == index_row->file.file) has_sketches = false;
    }
    std::optional<SketchFile> sketches;
    if (has_sketches) {
      const std::filesystem::path path = directory_.Resolve(index_row->file.file);
      RequireAsCatalogued(sketches.emplace(path), index_row->file, path);
    }
    index = std::make_shared<ExactIndex>(std::move(files), std::move(sketches), OpenRowMap(site));
  }
  if (index->dimension() != row.dimension || index->row_count() != row.row_count) {
    FailDamaged("{}: its rows are not those of {} in the catalog", directory_.Resolve(index_row->file.file).string(),
                Describe(site));
  }
  indices_[key] = index;
  return index;
}

// An approximate index answers although 'exact' is damaged, as long as it finds enough.
std::shared_ptr<const SiteIndex> IndexReader::FillUpByExact(const Site& site,
                                                            std::shared_ptr<const SiteIndex> approximate) {
  std::shared_ptr<const SiteIndex> exact;
  std::exception_ptr damage;
  try {
    exact = OpenIndex(site);
  } catch (const Error&) {
    damage = std::current_exception();
  }
  return std::make_shared<FilledUpIndex>(std::move(approximate), [exact, damage]() -> const SiteIndex& {
    if (damage) std::rethrow_exception(damage);
    return *exact;
  });
}

std::vector<float> IndexReader::QueryVector(const Prompt& prompt, const Site& site) {
  const int last = static_cast<int>(prompt.tokens.size()) - 1;
  if (site.stream == Stream::kEmbedding && last != site.t_i) {
    FailUsage("prompt {} has {} tokens: embedding at t_i {} compares whole strings of {}: give t_i {}",
              Quote(prompt.text), prompt.tokens.size(), site.t_i, site.t_i + 1, last);
  }
  const Site own{site.stream, site.block, last};
  if (prompt.ordinal && *prompt.ordinal < Length(last + 1).row_count && catalog_->FindSite(own)) {
    return OpenIndex(own)->Vector(OpenRowOrder(last)->RowOf(*prompt.ordinal));
  }
  const PromptForward& forward = Forward();
  if (site.stream == Stream::kEmbedding) return forward.Embedding(prompt.tokens);
  if (activated_tokens_ != prompt.tokens) {
    activations_ = forward.Run(prompt.tokens);
    activated_tokens_ = prompt.tokens;
  }
  const std::vector<float>& output = activations_.Of(site.stream).at(static_cast<std::size_t>(site.block));
  const auto embed = static_cast<std::size_t>(forward.shape().embed);
  return {output.end() - static_cast<std::ptrdiff_t>(embed), output.end()};
}

void IndexReader::CopyRows(const Site& site, std::span<const StringId> string_ids, std::span<float> out) {
  const std::shared_ptr<const SiteIndex> index = OpenIndex(site);
  const std::shared_ptr<const RowOrderFile> order = OpenRowOrder(site.t_i);
  const std::uint64_t dimension = index->dimension();
  if (out.size() != string_ids.size() * dimension) {
    FailUsage("room for {} numbers: {} rows of {} have {}", out.size(), string_ids.size(), Describe(site),
              string_ids.size() * dimension);
  }
  const StringId first = Length(site.t_i + 1).first_string_id;
  const StringId last = first + index->row_count() - 1;
  for (std::size_t i = 0; i < string_ids.size(); ++i) {
    if (string_ids[i] < first || string_ids[i] > last) {
      FailUsage(ErrorCode::kNotFound, "string_id {}: {} has rows of strings {} to {}", string_ids[i], Describe(site),
                first, last);
    }
    const RowNumber row = order->RowOf(static_cast<StringOrdinal>(string_ids[i] - first));
    std::ranges::copy(index->Vector(row), out.data() + i * dimension);
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
  for (const VectorFileRow& row : catalog_->VectorFiles(RequireSite(site).site_id)) {
    const std::filesystem::path path = directory_.Resolve(row.file.file);
    const VectorFile file(path);
    RequireAsCatalogued(file, row.file, path);
    if (file.rows() != row.rows) FailDamaged("{}: holds other rows than the catalog says", path.string());
    files.push_back({path, file.rows_offset(), row.rows.begin, row.rows.size()});
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

std::shared_ptr<const CorpusTokensFile> IndexReader::CorpusTokens() {
  if (!corpus_tokens_) {
    const FileRow row = catalog_->CorpusFiles().tokens;
    const std::filesystem::path path = directory_.Resolve(row.file);
    auto file = std::make_shared<const CorpusTokensFile>(path);
    RequireAsCatalogued(*file, row, path);
    if (file->token_count() != corpus_.token_count || file->vocabulary_size() != catalog_->TokenCount()) {
      FailDamaged("{}: its tokens are not those in the catalog", path.string());
    }
    corpus_tokens_ = std::move(file);
  }
  return corpus_tokens_;
}

const CorpusSuffixes& IndexReader::Suffixes() {
  if (!suffixes_) {
    const FileRow row = catalog_->CorpusFiles().suffixes;
    const std::filesystem::path path = directory_.Resolve(row.file);
    SuffixOrderFile order(path);
    RequireAsCatalogued(order, row, path);
    suffixes_ = std::make_unique<const CorpusSuffixes>(CorpusTokens(), std::move(order));
  }
  return *suffixes_;
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

std::vector<Neighbor> IndexReader::Read(const Site& site, const NeighborQuery& query, std::span<const Match> matches) {
  const StringId first = Length(site.t_i + 1).first_string_id;
  const Metric metric = query.search.metric;
  std::vector<Neighbor> rows;
  rows.reserve(matches.size());
  for (const Match& match : matches) {
    const StringId string_id = first + match.number;
    rows.push_back({rows.size() + 1, string_id, catalog_->String(string_id).text, DistanceOf(metric, match.distance),
                    SimilarityOf(metric, match.distance),
                    query.next_tokens ? NextTokens(string_id) : std::vector<NextToken>()});
  }
  return rows;
}

std::shared_ptr<const RowSet> IndexReader::RowsWhere(int t_i, const std::string& condition) {
  if (condition.empty()) return nullptr;
  SqliteStatement version(catalog_->connection(), fmt::format("PRAGMA \"{}\".data_version", catalog_->schema()));
  const std::int64_t data_version = version.Step() ? version.Integer(0) : 0;
  KeptCondition& kept = kept_condition_;
  if (!kept.rows || kept.t_i != t_i || kept.condition != condition || kept.data_version != data_version) {
    const LengthRow& length = Length(t_i + 1);
    const std::vector<std::int64_t> string_ids =
        StringsWhere(directory_, condition, length.first_string_id, length.first_string_id + length.row_count - 1,
                     catalog_->TokenIdWidth());
    kept = {t_i, condition, data_version, std::make_shared<const RowSet>(RowsOf(t_i, string_ids))};
  }
  return kept.rows;
}

RowSet IndexReader::RowsOf(int t_i, std::span<const std::int64_t> string_ids) {
  const LengthRow& length = Length(t_i + 1);
  const std::shared_ptr<const RowOrderFile> order = OpenRowOrder(t_i);
  std::vector<RowNumber> rows;
  for (const std::int64_t string_id : string_ids) {
    // An id before the first wraps around, beyond any row.
    const std::uint64_t ordinal = static_cast<std::uint64_t>(string_id) - length.first_string_id;
    if (ordinal < order->row_count()) rows.push_back(order->RowOf(static_cast<StringOrdinal>(ordinal)));
  }
  return RowSet::OfRows(order->row_count(), rows);
}

std::optional<RowNumber> IndexReader::OwnRow(const Prompt& prompt, int t_i) {
  if (!prompt.ordinal || prompt.tokens.size() != static_cast<std::size_t>(t_i) + 1) return std::nullopt;
  const std::shared_ptr<const RowOrderFile> order = OpenRowOrder(t_i);
  return *prompt.ordinal < order->row_count() ? std::optional(order->RowOf(*prompt.ordinal)) : std::nullopt;
}

NeighborRows IndexReader::Search(const Site& site, std::span<const float> vectors,
                                 std::span<const std::optional<RowNumber>> own_rows, const NeighborQuery& query) {
  const std::size_t count = own_rows.size();
  const std::shared_ptr<const SiteIndex> index = OpenIndex(site, query.index_name, query.search.metric);
  if (vectors.size() != count * index->dimension()) {
    FailUsage("a vector of {} numbers: {} has rows of {}", vectors.size(), Describe(site), index->dimension());
  }
  SearchRequest search = query.search;
  search.among = RowsWhere(site.t_i, query.where);
  NeighborRows found{site, {}, std::vector<std::uint64_t>(count)};
  search.filled_up = &found.filled_up;
  found.matches = SearchWithout(*index, vectors, own_rows, search, query.fewer_will_do);
  return found;
}

std::vector<Neighbors> IndexReader::Read(const NeighborRows& found, const NeighborQuery& query) {
  std::vector<Neighbors> answers;
  for (std::size_t i = 0; i < found.matches.size(); ++i) {
    answers.push_back({found.site, Read(found.site, query, found.matches[i]), found.filled_up[i]});
  }
  return answers;
}

Neighbors IndexReader::FindNeighborsOf(std::span<const float> vector, const NeighborQuery& query) {
  if (query.exclude_self) FailUsage("a vector has no string of its own to leave out: ask a prompt");
  const std::optional<RowNumber> none;
  return Read(Search(ResolveSite(query, vector), vector, std::span(&none, 1), query), query).front();
}

NeighborRows IndexReader::FindRowsNear(std::span<const float> vectors, std::uint64_t count,
                                       const NeighborQuery& query) {
  if (query.exclude_self) FailUsage("vectors have no strings of their own to leave out: ask a prompt");
  const Site site = ResolveSite(query, vectors.first(count == 0 ? 0 : vectors.size() / count));
  const std::uint64_t dimension = RequireSite(site).dimension;
  if (vectors.size() != count * dimension) {
    FailUsage("{} vectors of {} numbers: {} has rows of {}", count, count == 0 ? 0 : vectors.size() / count,
              Describe(site), dimension);
  }
  const std::vector<std::optional<RowNumber>> none(count);
  return Search(site, vectors, none, query);
}

std::vector<Neighbors> IndexReader::FindNeighbors(const std::vector<Prompt>& prompts, const NeighborQuery& query) {
  std::map<Site, std::vector<std::size_t>> asked;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    // The prompt's length matters to the embedding alone.
    const bool same = i > 0 && query.stream != Stream::kEmbedding;
    const Site site = same ? asked.begin()->first : ResolveSite(query, prompts[i].tokens.size());
    asked[site].push_back(i);
  }
  std::vector<Neighbors> answers(prompts.size());
  for (const auto& [site, members] : asked) {
    OpenIndex(site, query.index_name, query.search.metric);  // what is not there is said before anything is computed
    std::vector<float> vectors;
    std::vector<std::optional<RowNumber>> own_rows;
    for (const std::size_t i : members) {
      own_rows.push_back(query.exclude_self ? OwnRow(prompts[i], site.t_i) : std::nullopt);
      const std::vector<float> vector = QueryVector(prompts[i], site);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    std::vector<Neighbors> found = Read(Search(site, vectors, own_rows, query), query);
    for (std::size_t m = 0; m < members.size(); ++m) answers[members[m]] = std::move(found[m]);
  }
  return answers;
}

}  // namespace actkin
