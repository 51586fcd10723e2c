// Prompts as vectors, sets of rows, and what is found next to the ones among the others.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "query/exact/exact_search.h"
#include "query/exact/ranking.h"
#include "query/reader/corpus_tokens_module.h"
#include "query/reader/index_reader.h"
#include "query/reader/string_filter.h"
#include "schema/error.h"
#include "schema/position_window.h"
#include "schema/text.h"

namespace actkin {
namespace {

// The rows whose numbers lie in [begin, end).
RowRange RowsBetween(const RowMap& map, std::uint64_t begin, std::uint64_t end) {
  const auto first_from = [&map](std::uint64_t number) {
    std::uint64_t first = 0;
    for (std::uint64_t after = map.row_count(); first < after;) {
      const std::uint64_t middle = first + (after - first) / 2;
      if (map.Number(static_cast<RowNumber>(middle)) < number) {
        first = middle + 1;
      } else {
        after = middle;
      }
    }
    return first;
  };
  return {first_from(begin), first_from(end)};
}

bool IsOneRow(const std::vector<RowRange>& rows) {
  return rows.empty() || (rows.size() == 1 && rows.front().size() <= 1);
}

}  // namespace

std::vector<TokenId> IndexReader::TokensUpTo(std::uint64_t position, std::optional<std::uint64_t> window,
                                             std::optional<std::uint64_t> stride) {
  // What is shown of a position where no window is known and no model limits it.
  constexpr std::uint64_t kShown = 256;
  const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
  const RowRange document = corpus->Positions(corpus->DocumentOf(position));
  const std::uint64_t token = position - document.begin;
  std::uint64_t begin = 0;
  if (window && stride) {
    if (*stride == 0 || *stride > *window) {
      FailDamaged("{}: damaged: windows of {} tokens that advance by {}", directory_.Catalog().string(), *window,
                  *stride);
    }
    begin = WindowBegin(token, *window, *stride);
  } else {
    const std::uint64_t longest = catalog_->Model() ? static_cast<std::uint64_t>(Forward().longest_prompt()) : kShown;
    begin = token + 1 - std::min(token + 1, longest);
  }
  std::vector<TokenId> tokens;
  for (std::uint64_t p = document.begin + begin; p <= position; ++p) tokens.push_back(corpus->Token(p));
  return tokens;
}

std::vector<float> IndexReader::LastOutput(std::span<const TokenId> tokens, const Site& site) {
  const PromptForward& forward = Forward();
  if (activated_tokens_.size() != tokens.size() || !std::ranges::equal(activated_tokens_, tokens)) {
    activated_tokens_.clear();
    activations_ = forward.Run(tokens);
    activated_tokens_.assign(tokens.begin(), tokens.end());
  }
  const bool embedding = site.stream == Stream::kEmbedding;
  if (!embedding && (site.block < 0 || site.block >= forward.shape().blocks)) {
    FailUsage("block {}: the model has blocks 0-{}", site.block, forward.shape().blocks - 1);
  }
  const std::vector<float>& output =
      embedding ? activations_.embedding : activations_.Of(site.stream).at(static_cast<std::size_t>(site.block));
  const auto embed = static_cast<std::ptrdiff_t>(forward.shape().embed);
  return {output.end() - embed, output.end()};
}

std::vector<float> IndexReader::VectorAt(std::uint64_t position, const Site& site) {
  const Site over_positions{site.stream, site.block, kOverPositions};
  const std::optional<SiteRow> row = catalog_->FindSite(over_positions);
  if (row) {
    if (const std::optional<RowNumber> own = OpenRowMap(over_positions)->Row(position)) {
      return OpenIndex(over_positions)->Vector(*own);
    }
  }
  RequireStream(site.stream);
  const bool recorded = row && (!row->window || catalog_->RecordedSite(row->site_id));
  if (IsRecorded(site.stream) || recorded || !catalog_->Model()) {
    FailUsage(ErrorCode::kNotFound, "position {}: {} has no row of it, and {}", position, Describe(over_positions),
              catalog_->Model() ? "it was recorded elsewhere: this directory's model does not give it"
                                : "there is no model here that would give it");
  }
  const std::vector<TokenId> tokens =
      TokensUpTo(position, row ? row->window : std::nullopt, row ? row->stride : std::nullopt);
  return LastOutput(tokens, site);
}

std::vector<float> IndexReader::QueryVector(const Prompt& prompt, const Site& site) {
  const int last = static_cast<int>(prompt.tokens.size()) - 1;
  if (site.of_codes() && last != site.t_i) {
    FailUsage("prompt {} has {} tokens: embedding at t_i {} compares whole strings of {}: give t_i {}",
              Quote(prompt.text), prompt.tokens.size(), site.t_i, site.t_i + 1, last);
  }
  if (prompt.position && !site.of_codes()) return VectorAt(*prompt.position, site);
  if (IsRecorded(site.stream)) {
    RequireStream(site.stream);
    FailUsage("{} was recorded elsewhere, and no model here gives it for a prompt: ask a position or a vector",
              Describe(site));
  }
  if (site.over_positions()) {
    if (!catalog_->Model()) {
      FailUsage(ErrorCode::kNotFound, "{}: made without a model: ask {} by a position or a vector, not by a prompt",
                directory_.path().string(), Describe(site));
    }
    return LastOutput(prompt.tokens, site);
  }
  const Site own{site.stream, site.block, last};
  if (prompt.ordinal && *prompt.ordinal < Length(last + 1).row_count && catalog_->FindSite(own)) {
    return OpenIndex(own)->Vector(OpenRowOrder(last)->RowOf(*prompt.ordinal));
  }
  if (site.of_codes()) return Forward().Embedding(prompt.tokens);
  return LastOutput(prompt.tokens, site);
}

std::unique_ptr<SqliteConnection> IndexReader::OpenForFilter() {
  std::unique_ptr<SqliteConnection> connection = OpenCatalog(directory_);
  AddCorpusTokensTable(
      connection->handle(), [this] { return CorpusTokens(); }, *vocabulary_);
  return connection;
}

std::vector<std::int64_t> IndexReader::IdsWhere(const Site& site, const std::string& condition) {
  const std::unique_ptr<SqliteConnection> connection = OpenForFilter();
  std::vector<std::int64_t> ids;
  if (site.over_positions()) {
    ids = PositionsWhere(connection->handle(), condition);
  } else {
    const LengthRow& length = Length(site.t_i + 1);
    ids = StringsWhere(connection->handle(), condition, length.first_string_id,
                       length.first_string_id + length.row_count - 1, catalog_->TokenIdWidth());
  }
  std::ranges::sort(ids);
  return ids;
}

std::shared_ptr<const RowSet> IndexReader::RowsWhere(const Site& site, const std::string& condition) {
  if (condition.empty()) return nullptr;
  SqliteStatement version(catalog_->connection(), fmt::format("PRAGMA \"{}\".data_version", catalog_->schema()));
  const std::int64_t data_version = version.Step() ? version.Integer(0) : 0;
  const RowsKey key = KeyOf(site);
  KeptCondition& kept = kept_condition_;
  if (!kept.rows || kept.key != key || kept.condition != condition || kept.data_version != data_version) {
    const std::vector<std::int64_t> ids = IdsWhere(site, condition);
    kept = {key, condition, data_version, std::make_shared<const RowSet>(RowsOf(site, ids))};
  }
  return kept.rows;
}

RowSet IndexReader::RowsAmong(const Site& site, const std::string& text, const std::function<bool()>& proceed) {
  const std::unique_ptr<SqliteConnection> connection = OpenForFilter();
  return RowsOf(site, NumbersAmong(connection->handle(), text, "among", proceed));
}

RowSet IndexReader::RowsOf(const Site& site, std::span<const std::int64_t> ids) {
  const std::shared_ptr<const RowMap> map = OpenRowMap(site);
  const std::uint64_t first = FirstId(site);
  std::vector<RowNumber> rows;
  for (const std::int64_t id : ids) {
    if (id < 0 || static_cast<std::uint64_t>(id) < first) continue;
    if (const std::optional<RowNumber> row = map->Row(static_cast<std::uint64_t>(id) - first)) rows.push_back(*row);
  }
  return RowSet::OfRows(map->row_count(), rows);
}

RowSet IndexReader::RowsOfRange(const Site& site, std::uint64_t begin, std::uint64_t end) {
  const std::shared_ptr<const RowMap> map = OpenRowMap(site);
  if (site.over_positions())
    return RowSet::OfRanges(map->row_count(), {RowsBetween(*map, begin, std::max(begin, end))});
  const std::uint64_t first = FirstId(site);
  std::vector<RowNumber> rows;
  for (std::uint64_t id = std::max(begin, first); id < std::min(end, first + map->row_count()); ++id) {
    if (const std::optional<RowNumber> row = map->Row(id - first)) rows.push_back(*row);
  }
  return RowSet::OfRows(map->row_count(), rows);
}

RowSet IndexReader::RowsOfTokens(const Site& site, const std::function<bool(const std::string& text)>& is_wanted) {
  std::vector<std::int64_t> positions;
  for (std::size_t id = 0; id < vocabulary_->tokenizer_size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (!is_wanted(vocabulary_->Text(token))) continue;
    for (const std::uint64_t position : PositionsOf(std::span(&token, 1))) {
      positions.push_back(static_cast<std::int64_t>(position));
    }
  }
  return RowsOf(site, positions);
}

RowSet IndexReader::RowsOfTexts(const Site& site, std::span<const std::string> texts) {
  if (site.over_positions()) {
    return RowsOfTokens(site, [&](const std::string& text) { return std::ranges::find(texts, text) != texts.end(); });
  }
  std::vector<std::int64_t> string_ids;
  for (const std::string& text : texts) {
    for (const StringRow& string : catalog_->StringsOfText(text, site.t_i + 1)) {
      string_ids.push_back(static_cast<std::int64_t>(string.string_id));
    }
  }
  return RowsOf(site, string_ids);
}

RowSet IndexReader::RowsOfTextPrefix(const Site& site, const std::string& prefix) {
  if (site.over_positions()) {
    return RowsOfTokens(site, [&](const std::string& text) { return text.starts_with(prefix); });
  }
  return RowsOf(site, catalog_->StringsOfPrefix(prefix, site.t_i + 1));
}

std::vector<RowRange> IndexReader::OwnRows(const Prompt& prompt, const Site& site, std::uint64_t window) {
  if (!site.over_positions()) {
    if (window > 0) FailUsage("exclude_window {}: rows of strings have no tokens around them", window);
    if (!prompt.ordinal || prompt.tokens.size() != static_cast<std::size_t>(site.t_i) + 1) return {};
    const std::optional<RowNumber> row = OpenRowOrder(site.t_i)->Row(*prompt.ordinal);
    return row ? std::vector<RowRange>{{*row, *row + std::uint64_t{1}}} : std::vector<RowRange>();
  }
  return RowsAround(prompt.position ? std::vector{*prompt.position} : PositionsOf(prompt.tokens), site, window);
}

std::vector<RowRange> IndexReader::RowsAround(std::span<const std::uint64_t> positions, const Site& site,
                                              std::uint64_t window) {
  const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
  const std::shared_ptr<const RowMap> map = OpenRowMap(site);
  std::vector<RowRange> rows;
  for (const std::uint64_t position : positions) {
    const RowRange document = corpus->Positions(corpus->DocumentOf(position));
    const std::uint64_t begin = position - std::min(window, position - document.begin);
    const std::uint64_t end = position + 1 + std::min(window, document.end - 1 - position);
    const RowRange range = RowsBetween(*map, begin, end);
    if (range.size() > 0) rows.push_back(range);
  }
  return rows;
}

Ranking::RowGroup IndexReader::GroupsOf(const Site& site, Distinct distinct) {
  if (!site.over_positions()) {
    if (distinct == Distinct::kDocument) FailUsage("distinct document: rows of strings are of no document");
    const StringId first = FirstId(site);
    // Numbers of texts, in the order in which they come.
    auto texts = std::make_shared<std::unordered_map<std::string, std::uint64_t>>();
    return [this, first, distinct, texts](const Match& match) -> std::uint64_t {
      StringRow string = catalog_->String(first + match.number);
      if (distinct == Distinct::kToken) return string.tokens.back();
      return texts->emplace(std::move(string.text), texts->size()).first->second;
    };
  }
  const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
  if (distinct == Distinct::kDocument) return [corpus](const Match& match) { return corpus->DocumentOf(match.number); };
  if (distinct == Distinct::kToken) {
    return [corpus](const Match& match) -> std::uint64_t { return corpus->Token(match.number); };
  }
  auto texts = std::make_shared<std::unordered_map<std::string, std::uint64_t>>();
  auto text_of = std::make_shared<std::unordered_map<TokenId, std::uint64_t>>();
  return [this, corpus, texts, text_of](const Match& match) -> std::uint64_t {
    const TokenId token = corpus->Token(match.number);
    const auto known = text_of->find(token);
    if (known != text_of->end()) return known->second;
    const std::uint64_t text = texts->emplace(vocabulary_->Text(token), texts->size()).first->second;
    text_of->emplace(token, text);
    return text;
  };
}

std::vector<Match> IndexReader::BestOfEach(const Site& site, std::shared_ptr<const SiteIndex> index,
                                           std::span<const float> vector, const SearchRequest& request,
                                           const NeighborQuery& query) {
  const bool exact = query.index_name == kExactIndexName && request.parameters.empty();
  if (!exact && !request.k) FailUsage("distinct: a search that looks at some rows alone is asked for k of them");
  // What is wrong is said before all rows count as asked for.
  if (request.k == 0U) FailUsage("k 0: ask for at least 1");
  Ranking ranking(std::move(index), exact, {vector.begin(), vector.end()}, request, std::nullopt,
                  GroupsOf(site, *query.distinct));
  std::vector<Match> best;
  while (const std::optional<Match> match = ranking.Find(best.size(), 0, [] {})) best.push_back(*match);
  if (request.k && !query.fewer_will_do && !request.within && best.size() < *request.k) {
    FailUsage("k {}: {} of these rows differ by their {}; ask for at most that many", *request.k, best.size(),
              Name(*query.distinct));
  }
  return best;
}

NeighborRows IndexReader::Search(const Site& site, std::span<const float> vectors,
                                 std::span<const std::vector<RowRange>> own_rows, const NeighborQuery& query) {
  const std::size_t count = own_rows.size();
  const std::shared_ptr<const SiteIndex> index = OpenIndex(site, query.index_name, query.search.metric);
  if (vectors.size() != count * index->dimension()) {
    FailUsage("a vector of {} numbers: {} has rows of {}", vectors.size(), Describe(site), index->dimension());
  }
  SearchRequest search = query.search;
  search.among = RowsThatPass(site, RowsWhere(site, query.where), query.max_length);
  NeighborRows found{site, {}, std::vector<std::uint64_t>(count)};
  if (!query.distinct && std::ranges::all_of(own_rows, IsOneRow)) {
    std::vector<std::optional<RowNumber>> left_out;
    for (const std::vector<RowRange>& rows : own_rows) {
      left_out.push_back(rows.empty() ? std::nullopt : std::optional(static_cast<RowNumber>(rows.front().begin)));
    }
    search.filled_up = &found.filled_up;
    found.matches = SearchWithout(*index, vectors, left_out, search, query.fewer_will_do);
    return found;
  }
  for (std::size_t i = 0; i < count; ++i) {
    SearchRequest one = search;
    if (!own_rows[i].empty()) {
      one.among = std::make_shared<const RowSet>(RowSet::Without(index->row_count(), search.among.get(), own_rows[i]));
    }
    const std::span<const float> vector = vectors.subspan(i * index->dimension(), index->dimension());
    if (query.distinct) {
      found.matches.push_back(BestOfEach(site, index, vector, one, query));
      continue;
    }
    std::vector<std::uint64_t> filled_up(1);
    one.filled_up = &filled_up;
    const std::optional<RowNumber> none;
    found.matches.push_back(
        std::move(SearchWithout(*index, vector, std::span(&none, 1), one, query.fewer_will_do).front()));
    found.filled_up[i] = filled_up.front();
  }
  return found;
}

std::vector<Neighbor> IndexReader::Read(const Site& site, const NeighborQuery& query, std::span<const Match> matches) {
  const std::uint64_t first = FirstId(site);
  const Metric metric = query.search.metric;
  std::vector<Neighbor> rows;
  rows.reserve(matches.size());
  for (const Match& match : matches) {
    Neighbor& row = rows.emplace_back();
    row.rank = rows.size();
    row.distance = DistanceOf(metric, match.distance);
    row.similarity = SimilarityOf(metric, match.distance);
    if (!site.over_positions()) {
      row.string_id = first + match.number;
      row.text = catalog_->String(row.string_id).text;
      if (query.next_tokens) row.next_tokens = NextTokens(row.string_id);
      continue;
    }
    const std::shared_ptr<const CorpusTokensFile> corpus = CorpusTokens();
    row.position = match.number;
    row.document_id = corpus->DocumentOf(match.number);
    row.document = DocumentName(*row.document_id);
    row.text = vocabulary_->Text(corpus->Token(match.number));
    if (query.next_tokens) row.next_tokens = NextTokensAt(match.number);
  }
  return rows;
}

std::vector<Neighbors> IndexReader::Read(const NeighborRows& found, const NeighborQuery& query) {
  std::vector<Neighbors> answers;
  for (std::size_t i = 0; i < found.matches.size(); ++i) {
    answers.push_back({found.site, Read(found.site, query, found.matches[i]), found.filled_up[i]});
  }
  return answers;
}

Neighbors IndexReader::FindNeighborsOf(std::span<const float> vector, const NeighborQuery& query) {
  RequireNoOwnRow(query);
  const std::vector<RowRange> none;
  return Read(Search(ResolveSite(query, vector), vector, std::span(&none, 1), query), query).front();
}

void IndexReader::RequireNoOwnRow(const NeighborQuery& query) {
  if (query.exclude_self || query.exclude_window > 0) {
    FailUsage("a vector has no {} of its own to leave out: ask a prompt{}",
              query.rows == RowKind::kPositions ? "row" : "string",
              query.rows == RowKind::kPositions ? " or a position" : "");
  }
}

NeighborRows IndexReader::FindRowsNear(std::span<const float> vectors, std::uint64_t count,
                                       const NeighborQuery& query) {
  RequireNoOwnRow(query);
  const Site site = ResolveSite(query, vectors.first(count == 0 ? 0 : vectors.size() / count));
  const std::uint64_t dimension = OpenIndex(site, query.index_name, query.search.metric)->dimension();
  if (vectors.size() != count * dimension) {
    FailUsage("{} vectors of {} numbers: {} has rows of {}", count, count == 0 ? 0 : vectors.size() / count,
              Describe(site), dimension);
  }
  const std::vector<std::vector<RowRange>> none(count);
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
    std::vector<std::vector<RowRange>> own_rows;
    for (const std::size_t i : members) {
      const bool without = query.exclude_self || query.exclude_window > 0;
      own_rows.push_back(without ? OwnRows(prompts[i], site, query.exclude_window) : std::vector<RowRange>());
      const std::vector<float> vector = QueryVector(prompts[i], site);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    std::vector<Neighbors> found = Read(Search(site, vectors, own_rows, query), query);
    for (std::size_t m = 0; m < members.size(); ++m) answers[members[m]] = std::move(found[m]);
  }
  return answers;
}

}  // namespace actkin
