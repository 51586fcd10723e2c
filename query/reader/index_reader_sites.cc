// Which site a query means, and what to say where it is not built.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/catalog/build_command_line.h"

namespace actkin {
namespace {

// "blocks 0-5 and t_i 9", "blocks 0-5 over positions"; empty where there are none.
std::string DescribeBuilt(const std::vector<SiteRow>& sites, Stream stream, bool over_positions) {
  std::set<int> blocks;
  std::set<int> t_is;
  for (const SiteRow& row : sites) {
    if (row.site.stream != stream || row.site.over_positions() != over_positions) continue;
    blocks.insert(row.site.block);
    t_is.insert(row.site.t_i);
  }
  if (blocks.empty()) return "";
  std::string text;
  if (stream != Stream::kEmbedding) {
    text =
        fmt::format("at blocks {}{}", FormatNumberList({blocks.begin(), blocks.end()}), over_positions ? " " : " and ");
  } else if (!over_positions) {
    text = "at ";
  }
  if (over_positions) return text + "over positions";
  return text + fmt::format("t_i {}", FormatNumberList({t_is.begin(), t_is.end()}));
}

// What is built of a stream, for messages: "this index has proj at blocks 0-5 and t_i 9".
std::string DescribeBuilt(const std::vector<SiteRow>& sites, Stream stream) {
  const std::string strings = DescribeBuilt(sites, stream, false);
  const std::string positions = DescribeBuilt(sites, stream, true);
  if (strings.empty() && positions.empty()) return fmt::format("this index has no {} sites", Name(stream));
  return fmt::format("this index has {} {}{}{}", Name(stream), strings,
                     strings.empty() || positions.empty() ? "" : ", and ", positions);
}

[[noreturn]] void FailOnUnknownStream(const std::vector<SiteRow>& sites, Stream stream) {
  std::set<std::string_view> recorded;
  for (const SiteRow& row : sites) {
    if (IsRecorded(row.site.stream)) recorded.insert(Name(row.site.stream));
  }
  std::string names;
  for (const std::string_view name : recorded) names += fmt::format(", {}", name);
  FailUsage("stream {} is unknown: expected {}", Quote(Name(stream)),
            names.empty() ? "embedding, proj, ffwd or residual"
                          : "embedding, proj, ffwd, residual, or what was recorded here: " + names.substr(2));
}

}  // namespace

void IndexReader::RequireSites(std::span<const Site> sites) {
  std::vector<Site> missing;
  for (const Site& site : sites) {
    if (!catalog_->FindSite(site)) missing.push_back(site);
  }
  if (missing.empty()) return;
  const int blocks = BlockCount(*catalog_);  // 0: nothing is known of them
  const std::vector<SiteRow> built = catalog_->Sites();
  for (const Site& site : missing) {
    if (IsRecorded(site.stream)) {
      if (std::ranges::find(built, site.stream, [](const SiteRow& row) { return row.site.stream; }) == built.end()) {
        FailOnUnknownStream(built, site.stream);
      }
      FailUsage(ErrorCode::kNotFound, "no site {}: {}", Describe(site), DescribeBuilt(built, site.stream));
    }
    if (!site.over_positions() && (site.t_i < 0 || site.t_i >= string_length())) {
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
            DescribeBuilt(built, first.stream), missing.size() > 1 ? "them" : "it",
            BuildCommandLine(*catalog_, missing));
}

SiteRow IndexReader::RequireSite(const Site& site) {
  if (std::optional<SiteRow> row = catalog_->FindSite(site)) return *row;
  RequireSites(std::span(&site, 1));
  Fail(ErrorCode::kNotFound, "{}: {} was taken away meanwhile", directory_.path().string(), Describe(site));
}

void IndexReader::RequireStream(Stream stream) {
  if (!IsRecorded(stream)) return;
  const std::vector<SiteRow> sites = catalog_->Sites();
  const auto is_of_it = [stream](const SiteRow& row) { return row.site.stream == stream; };
  if (std::ranges::none_of(sites, is_of_it)) FailOnUnknownStream(sites, stream);
}

Stream IndexReader::DefaultStream() {
  if (catalog_->Model()) return Stream::kFfwd;
  std::set<Stream> streams;
  for (const SiteRow& row : catalog_->Sites()) streams.insert(row.site.stream);
  if (streams.empty() || streams.contains(Stream::kFfwd)) return Stream::kFfwd;
  if (streams.size() == 1) return *streams.begin();
  std::vector<std::string> names;
  for (const Stream stream : streams) names.push_back(QuoteIfEscaped(Name(stream)));
  FailUsage(ErrorCode::kNotFound, "no stream is named, and this index has sites of {}: name one of them",
            fmt::join(names, ", "));
}

int IndexReader::ResolveBlock(int block) {
  if (block >= 0) return block;
  const int blocks = BlockCount(*catalog_);
  if (block < -blocks) {
    FailUsage(ErrorCode::kNotFound, "block {}: counts from the end of {} blocks", block, blocks);
  }
  return blocks + block;
}

bool IndexReader::AsksPositions(const NeighborQuery& query, std::span<const Site> built) const {
  if (query.t_i && query.rows == RowKind::kPositions) {
    FailUsage("t_i {}: rows over positions have none: leave it out, or ask rows of strings", *query.t_i);
  }
  if (query.t_i) return false;
  if (query.rows) return *query.rows == RowKind::kPositions;
  const auto over_positions = [](const Site& site) { return site.over_positions(); };
  return !built.empty() && std::ranges::all_of(built, over_positions);
}

Site IndexReader::ResolveSite(const NeighborQuery& query, std::size_t prompt_tokens) {
  Site site{query.stream, 0, 0};
  const bool embedding = query.stream == Stream::kEmbedding;
  if (query.block && !embedding) site.block = ResolveBlock(*query.block);
  // A site that is named whole needs no look into the catalog, which costs as much as a search of a small site.
  const bool named = (query.block || embedding) && (query.t_i || query.rows == RowKind::kPositions);
  std::vector<Site> built;  // of the stream
  if (!named) {
    const std::vector<SiteRow> sites = catalog_->Sites();
    for (const SiteRow& row : sites) {
      if (row.site.stream == query.stream) built.push_back(row.site);
    }
    if (built.empty() && IsRecorded(query.stream)) FailOnUnknownStream(sites, query.stream);
  }
  // Where the block has no site, those of others, so that the message about it names what is there.
  if (query.block && !embedding) {
    std::vector<Site> of_block;
    for (const Site& other : built) {
      if (other.block == site.block) of_block.push_back(other);
    }
    if (!of_block.empty()) built = std::move(of_block);
  }
  const bool over_positions = AsksPositions(query, built);
  std::erase_if(built, [&](const Site& other) { return other.over_positions() != over_positions; });
  if (!query.block && !embedding) {
    for (const Site& other : built) site.block = std::max(site.block, other.block);
  }
  if (over_positions) {
    site.t_i = kOverPositions;
  } else if (query.t_i) {
    site.t_i = *query.t_i < 0 ? string_length() + *query.t_i : *query.t_i;
    // Before the first position; not to be taken for a site over positions.
    if (site.t_i < 0) {
      FailUsage(ErrorCode::kNotFound, "no site {}{} t_i {} ({}): strings have {} tokens, so t_i goes from 0 to {}",
                Name(site.stream), embedding ? "" : fmt::format(" block {}", site.block), site.t_i,
                TransformerLensName(site.stream), string_length(), string_length() - 1);
    }
  } else if (embedding) {
    site.t_i = prompt_tokens == 0 ? 0 : static_cast<int>(prompt_tokens) - 1;
  } else {
    for (const Site& other : built) {
      if (query.block || other.block == site.block) site.t_i = std::max(site.t_i, other.t_i);
    }
  }
  return site;
}

Site IndexReader::ResolveSite(const NeighborQuery& query, std::span<const float> vector) {
  std::size_t tokens = 0;
  if (query.stream == Stream::kEmbedding && !query.t_i) {
    const std::optional<ModelRow> model = catalog_->Model();
    if (model && model->shape.embed > 0) tokens = vector.size() / static_cast<std::size_t>(model->shape.embed);
  }
  return ResolveSite(query, tokens);
}

}  // namespace actkin
