#include "query/predict/saved_schemes.h"

#include <algorithm>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/experiment_catalog.h"

namespace actkin {
namespace {

// Sites that are built, or that neighbors were imported from.
std::vector<Site> KnownSites(IndexReader& reader) {
  std::vector<Site> sites;
  for (const SiteRow& row : reader.catalog().Sites()) {
    if (row.site.stream != Stream::kEmbedding) sites.push_back(row.site);
  }
  if (!sites.empty()) return sites;
  ExperimentCatalog experiments(reader.catalog());
  for (const PromptSetRow& set : experiments.PromptSets()) {
    for (const SavedNeighborsRow& row : experiments.SavedNeighbors(set.prompt_set_id)) {
      if (row.site.stream != Stream::kEmbedding) sites.push_back(row.site);
    }
  }
  return sites;
}

[[noreturn]] void FailWithoutSites(IndexReader& reader) {
  if (OnlyPositionsAreBuilt(reader)) {
    FailUsage(ErrorCode::kNotFound, "{}: only sites over positions are built: this asks rows of strings, of a t_i",
              reader.directory().path().string());
  }
  FailUsage(ErrorCode::kNotFound,
            "{}: no site is built and no neighbors are imported: 'actkin build CORPUS --model M --out {}' builds some",
            reader.directory().path().string(), ShellQuote(reader.directory().path().string()));
}

}  // namespace

int BlocksOf(IndexReader& reader) {
  if (const std::optional<ModelRow> model = reader.catalog().Model()) return static_cast<int>(model->shape.blocks);
  const std::vector<Site> sites = KnownSites(reader);
  if (sites.empty()) FailWithoutSites(reader);
  return std::ranges::max(sites, {}, &Site::block).block + 1;
}

std::vector<Scheme> AllSchemes(IndexReader& reader) {
  const int blocks = BlocksOf(reader);
  std::vector<Scheme> schemes = BuiltInSchemes(blocks);
  for (const SchemeRow& row : ExperimentCatalog(reader.catalog()).Schemes()) {
    schemes.push_back(ParseScheme(row.definition, row.name, "saved scheme " + Quote(row.name), blocks));
  }
  return schemes;
}

Scheme FindScheme(IndexReader& reader, const std::string& name) {
  // prompt_only needs neither a model nor a site.
  if (name == kPromptOnly) return BuiltInSchemes(1).back();
  std::vector<std::string> names;
  for (Scheme& scheme : AllSchemes(reader)) {
    if (scheme.name == ValidUtf8(name)) return std::move(scheme);
    names.push_back(scheme.name);
  }
  FailUsage(ErrorCode::kNotFound, "scheme {} is unknown: expected {}", Quote(name), fmt::join(names, ", "));
}

void ApplyScheme(const Scheme& scheme, PoolRequest& request) {
  if (request.metric_is_open && scheme.metric) request.metric = *scheme.metric;
  request.metric_is_open = false;
  if (!request.bands.empty()) return;
  if (!scheme.bands.empty() && scheme.metric != request.metric) {
    FailUsage("scheme {}: its bands are in {}: ask for that metric, or for none", Quote(scheme.name),
              Name(*scheme.metric));
  }
  request.bands = scheme.bands;
  if (!request.k) request.k = scheme.k;
}

bool OnlyPositionsAreBuilt(IndexReader& reader) {
  const std::vector<Site> sites = KnownSites(reader);
  return !sites.empty() && std::ranges::all_of(sites, [](const Site& site) { return site.over_positions(); });
}

void ResolveRows(IndexReader& reader, std::optional<RowKind> rows, const std::vector<int>& t_is,
                 std::optional<bool> exclude_self, PoolRequest& request) {
  if (!t_is.empty() && rows == RowKind::kPositions) {
    FailUsage("t_i {}: rows over positions have none: leave it out, or ask rows of strings", t_is.front());
  }
  request.over_positions = rows ? *rows == RowKind::kPositions : t_is.empty() && OnlyPositionsAreBuilt(reader);
  request.exclude_self = exclude_self.value_or(request.over_positions);
  if (request.over_positions) return;
  request.t_is = t_is.empty() ? DefaultTIs(reader) : ResolveTIs(reader, t_is);
}

std::vector<int> DefaultTIs(IndexReader& reader) {
  std::vector<Site> sites = KnownSites(reader);
  std::erase_if(sites, [](const Site& site) { return site.over_positions(); });
  if (sites.empty()) FailWithoutSites(reader);
  return {std::ranges::max(sites, {}, &Site::t_i).t_i};
}

std::vector<int> ResolveTIs(IndexReader& reader, std::vector<int> t_is) {
  std::vector<int> resolved;
  for (const int t_i : t_is) {
    const int position = t_i < 0 ? reader.string_length() + t_i : t_i;
    if (position < 0 || position >= reader.string_length()) {
      FailUsage("t_i {}: strings have {} tokens, so t_i goes from 0 to {}", t_i, reader.string_length(),
                reader.string_length() - 1);
    }
    if (std::ranges::find(resolved, position) == resolved.end()) resolved.push_back(position);
  }
  return resolved;
}

}  // namespace actkin
