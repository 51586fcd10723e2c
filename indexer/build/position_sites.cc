#include "indexer/build/position_sites.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "schema/error.h"
#include "storage/directory/publish.h"
#include "storage/formats/position_rows.h"
#include "storage/machine/sha256.h"

namespace actkin {

CorpusPositions::CorpusPositions(const CorpusTokens& tokens, const PositionPlan& plan)
    : tokens_(tokens), plan_(plan), windows_(tokens.Positions(), plan.window, plan.stride) {
  if (!plan.choice.all()) chosen_ = ChoosePositions(plan.choice, tokens.tokens.size());
}

SeenPositions CorpusPositions::seen() const {
  SeenPositions seen{tokens_.tokens, windows_};
  if (!plan_.choice.all()) seen.chosen = chosen_;
  return seen;
}

std::optional<FileRow> CorpusPositions::MakeFile(const IndexDirectory& directory) const {
  if (plan_.choice.all()) return std::nullopt;
  const std::string name = IndexDirectory::Positions(plan_.choice.Name());
  const std::filesystem::path partial = directory.Partial() / std::filesystem::path(name).filename();
  const std::uint64_t checksum = WritePositionsFile(partial, tokens_.tokens.size(), chosen_);
  return Publish<PositionsFile>(directory, partial, name, checksum);
}

std::uint64_t CorpusPositions::FileBytes() const {
  return plan_.choice.all() ? 0 : kSectionAlignment + chosen_.size() * sizeof(std::uint64_t);
}

NewSite CorpusPositions::NewSiteRow(const Site& site, std::uint64_t dimension, Element element,
                                    const PositionSetRow& set) const {
  NewSite row;
  row.site.site = site;
  row.site.dimension = dimension;
  row.site.row_count = row_count();
  row.site.element = element;
  row.site.window = plan_.window;
  row.site.stride = plan_.stride;
  row.positions = set;
  return row;
}

std::string PositionFingerprint(const BuildInputs& inputs, const PositionPlan& plan, Element element,
                                const std::vector<Site>& sites) {
  std::string text = fmt::format("{} {} window {} stride {} {}", inputs.Fingerprint(), Name(element), plan.window,
                                 plan.stride, plan.choice.Name());
  for (const Site& site : sites) text += "\n" + Describe(site);
  return Sha256(text).substr(0, 12);
}

std::optional<PositionPlan> PlanOfSite(const SiteRow& site, const PositionSetRow& set) {
  const std::optional<PositionChoice> choice = PositionChoice::OfName(set.name);
  if (!site.window || !site.stride || !choice) return std::nullopt;
  return PositionPlan{*site.window, *site.stride, *choice};
}

void RequireSamePositions(const IndexDirectory& directory, const ExistingDirectory& existing, const PositionPlan& plan,
                          const std::vector<Site>& sites) {
  for (const ExistingDirectory::PositionSite& there : existing.over_positions) {
    if (std::ranges::find(sites, there.row.site) == sites.end()) continue;
    const std::optional<PositionPlan> before = PlanOfSite(there.row, there.set);
    if (before == plan) continue;
    const auto describe = [](const PositionPlan& of) {
      return fmt::format("windows of {} by {}, {} positions", of.window, of.stride, of.choice.Name());
    };
    Fail("{}: has {} from {}: give `out` a new name for {}", directory.path().string(), Describe(there.row.site),
         before ? describe(*before) : "elsewhere", describe(plan));
  }
}

}  // namespace actkin
