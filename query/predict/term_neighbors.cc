#include "query/predict/term_neighbors.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "query/exact/exact_search.h"
#include "query/predict/saved_neighbor_lists.h"
#include "query/predict/scheme.h"
#include "query/reader/prompt_set.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"

namespace actkin {
namespace {

// The neighbors of one prompt in single sites.
class SiteNeighbors {
 public:
  SiteNeighbors(IndexReader& reader, const Prompt& prompt, const PoolRequest& request, const std::string& prompt_set,
                int threads)
      : reader_(reader), prompt_(prompt), request_(request), experiments_(reader.catalog()), threads_(threads) {
    if (prompt_set.empty()) return;
    if (filtered()) {
      FailUsage("prompt set {}: its saved neighbors are of all strings, the prompt's own included: ask without it",
                Quote(prompt_set));
    }
    only_set_ = RequirePromptSet(reader, prompt_set);
  }

  // Adds a site that has neither rows to search nor saved neighbors to `missing`.
  void AddTo(const Site& site, std::size_t term, std::vector<PooledNeighbor>& pool, std::vector<Site>& missing) {
    const StringId first = site.over_positions() ? 0 : FirstStringId(site.t_i + 1);
    if (filtered() || site.over_positions()) return SearchFiltered(site, term, first, pool, missing);
    const std::optional<std::uint64_t> k = request_.CountOf(term, reader_.RowCount(site.t_i));
    const std::optional<Band>& within = request_.BandOf(term);
    const bool is_built = reader_.catalog().FindSite(site).has_value();
    if (only_set_ || !is_built) {
      if (AddSaved(site, k, within, first, pool)) return;
      if (only_set_) {
        FailUsage(ErrorCode::kNotFound, "prompt set {} has no neighbors of {} in {}, {}, k {}", Quote(only_set_->name),
                  Quote(prompt_.text), Describe(site), Name(request_.metric), k ? fmt::format("{}", *k) : "all");
      }
    }
    if (!is_built) missing.push_back(site);
    if (!missing.empty()) return;
    const std::shared_ptr<const SiteIndex> index = reader_.OpenIndex(site);
    SearchRequest search;
    search.metric = request_.metric;
    search.k = k;
    search.within = within;
    search.threads = threads_;
    const std::vector<std::vector<Match>> found = index->Search(reader_.QueryVector(prompt_, site), search);
    for (const Match& match : found.front()) {
      pool.push_back({first + match.number, static_cast<float>(match.distance)});
    }
  }

 private:
  bool filtered() const { return without_self() || !request_.where.empty() || request_.max_length; }
  bool without_self() const { return request_.exclude_self || request_.exclude_window > 0; }

  void SearchFiltered(const Site& site, std::size_t term, StringId first, std::vector<PooledNeighbor>& pool,
                      std::vector<Site>& missing) {
    if (!reader_.catalog().FindSite(site)) missing.push_back(site);
    if (!missing.empty()) return;
    SearchRequest search;
    search.metric = request_.metric;
    search.k = request_.CountOf(term);
    search.within = request_.BandOf(term);
    search.among = reader_.RowsThatPass(site, reader_.RowsWhere(site, request_.where), request_.max_length);
    search.threads = threads_;
    const std::shared_ptr<const SiteIndex> index = reader_.OpenIndex(site);
    const std::vector<RowRange> own =
        without_self() ? reader_.OwnRows(prompt_, site, request_.exclude_window) : std::vector<RowRange>();
    std::optional<RowNumber> left_out;
    if (own.size() == 1 && own.front().size() == 1) {
      left_out = static_cast<RowNumber>(own.front().begin);
    } else if (!own.empty()) {
      search.among = std::make_shared<const RowSet>(RowSet::Without(index->row_count(), search.among.get(), own));
    }
    const std::vector<std::vector<Match>> found =
        SearchWithout(*index, reader_.QueryVector(prompt_, site), std::span(&left_out, 1), search,
                      /*fewer_will_do=*/!request_.k);
    for (const Match& match : found.front()) {
      pool.push_back({first + match.number, static_cast<float>(match.distance)});
    }
  }

  StringId FirstStringId(int length) {
    for (const LengthRow& row : reader_.catalog().Lengths()) {
      if (row.length == length) return row.first_string_id;
    }
    FailDamaged("{}: damaged: no strings of length {}", reader_.directory().Catalog().string(), length);
  }

  // True where there are saved neighbors of this prompt that answer.
  bool AddSaved(const Site& site, std::optional<std::uint64_t> k, const std::optional<Band>& within, StringId first,
                std::vector<PooledNeighbor>& pool) {
    if (!k) return false;
    for (const PromptSetRow& set : only_set_ ? std::vector{*only_set_} : experiments_.PromptSets()) {
      const std::optional<std::uint64_t> number = experiments_.FindPrompt(set.prompt_set_id, prompt_.tokens);
      if (!number) continue;
      const auto lists = FindSavedNeighbors(reader_, set.prompt_set_id, site, request_.metric, *k, within);
      if (!lists) continue;
      for (const SavedNeighbor& neighbor : lists->Of(*number)) {
        pool.push_back({first + neighbor.ordinal, neighbor.distance});
      }
      return true;
    }
    return false;
  }

  IndexReader& reader_;
  const Prompt& prompt_;
  const PoolRequest& request_;
  ExperimentCatalog experiments_;
  std::optional<PromptSetRow> only_set_;
  const int threads_;
};

}  // namespace

TermNeighbors FindTermNeighbors(IndexReader& reader, const Prompt& prompt, const PoolRequest& request, int blocks,
                                const std::function<bool(std::size_t term)>& wanted, const std::string& prompt_set,
                                int threads) {
  SiteNeighbors sites(reader, prompt, request, prompt_set, threads);
  TermNeighbors found;
  found.terms.resize(Terms(blocks).size());
  std::vector<Site> missing;
  for (std::size_t number = 0; number < found.terms.size(); ++number) {
    if (!wanted(number)) continue;
    const Term term = Terms(blocks)[number];
    std::vector<PooledNeighbor>& pool = found.terms[number];
    if (request.over_positions) {
      sites.AddTo({term.stream, term.block, kOverPositions}, number, pool, missing);
      MergePool(request.metric, request.merge, request.CountOf(number), pool);
      continue;
    }
    if (term.stream == Stream::kEmbedding) {
      const int length = static_cast<int>(prompt.tokens.size());
      if (length > reader.string_length()) {
        found.notes.push_back(fmt::format("the embedding is left out: the prompt has {} tokens, the longest strings {}",
                                          length, reader.string_length()));
        continue;
      }
      sites.AddTo({term.stream, 0, length - 1}, number, pool, missing);
      MergePool(request.metric, Merge::kNearest, request.CountOf(number), pool);
      continue;
    }
    for (const int t_i : request.t_is) sites.AddTo({term.stream, term.block, t_i}, number, pool, missing);
    MergePool(request.metric, request.merge, request.CountOf(number), pool);
  }
  reader.RequireSites(missing);
  return found;
}

}  // namespace actkin
