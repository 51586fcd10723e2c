#include "storage/catalog/site_filter.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "schema/error.h"
#include "schema/number_list.h"
#include "storage/catalog/build_command_line.h"

namespace actkin {

namespace {

// The sites of proj and ffwd that a filter spans; what it leaves open is as it is built.
std::vector<Site> Wanted(const std::vector<SiteRow>& all, const std::vector<Stream>& streams, std::set<int> blocks,
                         std::set<int> t_is) {
  const bool any_block = blocks.empty();
  const bool any_t_i = t_is.empty();
  std::set<Stream> wanted(streams.begin(), streams.end());
  for (const SiteRow& row : all) {
    if (row.site.stream == Stream::kEmbedding) continue;
    if (streams.empty()) wanted.insert(row.site.stream);
    if (any_block) blocks.insert(row.site.block);
    if (any_t_i) t_is.insert(row.site.t_i);
  }
  std::vector<Site> sites;
  for (const Stream stream : wanted) {
    for (const int block : blocks) {
      for (const int t_i : t_is) {
        if (stream != Stream::kEmbedding) sites.push_back({stream, block, t_i});
      }
    }
  }
  return sites;
}

// "; this builds it: actkin build ...", where there can be such sites.
std::string HowToBuild(Catalog& catalog, const std::vector<Site>& sites) {
  const int blocks = BlockCount(catalog);
  const int string_length = catalog.Corpus().string_length;
  const bool can_be = !sites.empty() && std::ranges::all_of(sites, [&](const Site& site) {
    return site.block >= 0 && site.block < blocks && site.t_i >= 0 && site.t_i < string_length;
  });
  return can_be ? "; this builds it: " + BuildCommandLine(catalog, sites) : "";
}

}  // namespace

SiteFilter ParseSiteFilter(const std::string& streams, const std::string& blocks, const std::string& t_is) {
  SiteFilter filter;
  std::istringstream list(streams);
  for (std::string name; std::getline(list, name, ',');) filter.streams.push_back(ParseStream(name));
  if (!blocks.empty()) filter.blocks = ParseNumberList(blocks, "block");
  if (!t_is.empty()) filter.t_is = ParseNumberList(t_is, "t_i");
  return filter;
}

std::vector<SiteRow> ChooseSites(Catalog& catalog, const SiteFilter& filter) {
  const std::vector<SiteRow> all = catalog.Sites();
  const int string_length = catalog.Corpus().string_length;
  const auto from_end = [](const std::vector<int>& numbers, int count) {
    std::set<int> found;
    for (const int number : numbers) found.insert(number < 0 ? count + number : number);
    return found;
  };
  const std::set<int> t_is = from_end(filter.t_is, string_length);
  const std::set<int> blocks = from_end(filter.blocks, BlockCount(catalog));
  const auto contains = [](const auto& values, const auto& value) {
    return values.empty() || std::ranges::find(values, value) != values.end();
  };
  std::vector<SiteRow> chosen;
  for (const SiteRow& row : all) {
    const Site& site = row.site;
    if (contains(filter.streams, site.stream) && contains(t_is, site.t_i) &&
        (site.stream == Stream::kEmbedding || contains(blocks, site.block))) {
      chosen.push_back(row);
    }
  }
  const auto require = [&](const char* what, const auto& value, bool found) {
    if (found) return;
    FailUsage(ErrorCode::kNotFound, "{} {}: no such site is built: there is {}{}", what, value, DescribeSites(all),
              HowToBuild(catalog, Wanted(all, filter.streams, blocks, t_is)));
  };
  const auto any = [&](const auto& matches) { return std::ranges::any_of(chosen, matches); };
  for (const int block : blocks) {
    require("block", block,
            any([&](const SiteRow& row) { return row.site.stream != Stream::kEmbedding && row.site.block == block; }));
  }
  for (const int t_i : t_is) {
    require("t_i", t_i, any([&](const SiteRow& row) { return row.site.t_i == t_i; }));
  }
  for (const Stream stream : filter.streams) {
    require("stream", Name(stream), any([&](const SiteRow& row) { return row.site.stream == stream; }));
  }
  if (chosen.empty()) FailUsage(ErrorCode::kNotFound, "no such site is built: there is {}", DescribeSites(all));
  return chosen;
}

std::string DescribeSites(const std::vector<SiteRow>& sites) {
  std::map<Stream, std::pair<std::set<int>, std::set<int>>> streams;
  for (const SiteRow& row : sites) {
    streams[row.site.stream].first.insert(row.site.block);
    streams[row.site.stream].second.insert(row.site.t_i);
  }
  std::string text;
  for (const auto& [stream, numbers] : streams) {
    const auto& [blocks, t_is] = numbers;
    text += text.empty() ? "" : ", ";
    text += fmt::format("{} at", Name(stream));
    if (stream != Stream::kEmbedding)
      text += fmt::format(" block {} and", FormatNumberList({blocks.begin(), blocks.end()}));
    text += fmt::format(" t_i {}", FormatNumberList({t_is.begin(), t_is.end()}));
  }
  return text.empty() ? "none at all" : text;
}

}  // namespace actkin
