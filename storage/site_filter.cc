#include "storage/site_filter.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "schema/error.h"
#include "schema/number_list.h"

namespace actkin {

SiteFilter ParseSiteFilter(const std::string& streams, const std::string& blocks, const std::string& t_is) {
  SiteFilter filter;
  std::istringstream list(streams);
  for (std::string name; std::getline(list, name, ',');) filter.streams.push_back(ParseStream(name));
  if (!blocks.empty()) filter.blocks = ParseNumberList(blocks, "--block");
  if (!t_is.empty()) filter.t_is = ParseNumberList(t_is, "--t-i");
  return filter;
}

std::vector<SiteRow> ChooseSites(Catalog& catalog, const SiteFilter& filter) {
  const std::vector<SiteRow> all = catalog.Sites();
  const int string_length = catalog.Corpus().string_length;
  const auto position = [&](int t_i) { return t_i < 0 ? string_length + t_i : t_i; };
  std::set<int> t_is;
  for (const int t_i : filter.t_is) t_is.insert(position(t_i));
  const auto contains = [](const auto& values, const auto& value) {
    return values.empty() || std::ranges::find(values, value) != values.end();
  };
  std::vector<SiteRow> chosen;
  for (const SiteRow& row : all) {
    const Site& site = row.site;
    if (contains(filter.streams, site.stream) && contains(t_is, site.t_i) &&
        (site.stream == Stream::kEmbedding || contains(filter.blocks, site.block))) {
      chosen.push_back(row);
    }
  }
  const auto require = [&](const char* flag, const auto& value, bool found) {
    if (!found) FailUsage("{} {}: no such site is built: there is {}", flag, value, DescribeSites(all));
  };
  const auto any = [&](const auto& matches) { return std::ranges::any_of(chosen, matches); };
  for (const int block : filter.blocks) {
    require("--block", block,
            any([&](const SiteRow& row) { return row.site.stream != Stream::kEmbedding && row.site.block == block; }));
  }
  for (const int t_i : filter.t_is) {
    require("--t-i", t_i, any([&](const SiteRow& row) { return row.site.t_i == position(t_i); }));
  }
  for (const Stream stream : filter.streams) {
    require("--stream", Name(stream), any([&](const SiteRow& row) { return row.site.stream == stream; }));
  }
  if (chosen.empty()) FailUsage("no such site is built: there is {}", DescribeSites(all));
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
