#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/site_statistics.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/sketch_size.h"
#include "storage/formats/vector_file.h"
#include "tools/command/commands.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct ShownSite {
  SiteRow row;
  std::vector<SiteIndexRow> indices;
  std::optional<PositionSetRow> positions = {};
  std::uint64_t bytes = 0;  // of its vector files and indices, each file once
  std::optional<RecordedSiteRow> recorded = {};
  std::optional<SiteStatisticsRow> statistics = {};
  SketchSize sketches = {};
  std::optional<RoundingRow> rounding = {};  // of rows of int8
};

struct DirectoryInfo {
  CorpusRow corpus;
  std::size_t documents = 0;
  TokenizerRow tokenizer;
  std::size_t tokens = 0;  // of the tokenizer
  std::optional<ModelRow> model;
  std::vector<LengthRow> lengths;
  std::vector<ShownSite> sites;
  std::uint64_t catalog_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::vector<std::string> unfinished;
};

// Whether an approximate index is large enough to hold the site's rows a second time. A graph has links alone.
bool HoldsRows(const SiteRow& site, const SiteIndexRow& index) {
  return index.name != kExactIndexName && !IndexDirectory::IsGraph(index.file.file) && site.element != Element::kNone &&
         index.file.bytes >= site.row_count * StoredRowBytes(site.element, site.dimension);
}

// A line for what was recorded elsewhere, by where it came from.
std::string Recordings(const DirectoryInfo& info) {
  std::map<std::pair<std::string, std::optional<TokenId>>, std::size_t> sites;
  for (const ShownSite& site : info.sites) {
    if (site.recorded) ++sites[{site.recorded->source, site.recorded->bos_token_id}];
  }
  std::string text;
  for (const auto& [recording, count] : sites) {
    const auto& [source, beginning] = recording;
    text += fmt::format("recorded {} {} from {}, {} before their windows\n", count, count == 1 ? "site" : "sites",
                        Printable(source), beginning ? fmt::format("token {}", *beginning) : "no token");
  }
  return text;
}

// A line for each approximate index, over the sites that have it.
std::string ApproximateIndices(const DirectoryInfo& info) {
  struct Sum {
    std::size_t sites = 0;
    std::uint64_t bytes = 0;
    double build_seconds = 0;
    bool holds_rows = false;
  };
  std::map<std::string, Sum> sums;
  for (const ShownSite& site : info.sites) {
    for (const SiteIndexRow& index : site.indices) {
      if (index.name == kExactIndexName) continue;
      Sum& sum = sums[Describe(index)];
      ++sum.sites;
      sum.bytes += index.file.bytes;
      sum.build_seconds += index.build_seconds;
      sum.holds_rows |= HoldsRows(site.row, index);
    }
  }
  if (sums.empty()) return "";
  Table table({{"approximate index"},
               {"sites", Table::Align::kRight},
               {"bytes", Table::Align::kRight},
               {"built in", Table::Align::kRight},
               {"holds"}});
  for (const auto& [name, sum] : sums) {
    table.Add({name, std::to_string(sum.sites), HumanBytes(sum.bytes), HumanSeconds(sum.build_seconds),
               sum.holds_rows ? "a second copy of the rows" : "no copy of the rows"});
  }
  return "\n" + table.Text(StdoutColor());
}

// A line for the sites whose rows are rounded: how far their answers are float32's.
std::string Roundings(const DirectoryInfo& info) {
  double lowest = 1;
  double highest = 0;
  std::uint64_t k = 0;
  for (const ShownSite& site : info.sites) {
    if (!site.rounding) continue;
    lowest = std::min(lowest, site.rounding->recall);
    highest = std::max(highest, site.rounding->recall);
    k = std::max(k, site.rounding->k);
  }
  if (k == 0) return "";
  const std::string share = lowest == highest ? fmt::format("{:.1f} %", 100 * lowest)
                                              : fmt::format("{:.1f} to {:.1f} %", 100 * lowest, 100 * highest);
  return fmt::format(
      "\nrows of int8: of the {} nearest of float32, {} are found (l2, a sample of each site at build)\n", k, share);
}

// Which positions have rows, and how they were seen: "all, 256 by 128".
std::string Seen(const ShownSite& site) {
  std::string text = Printable(site.positions->name);
  if (site.row.window && site.row.stride) text += fmt::format(", {} by {}", *site.row.window, *site.row.stride);
  return text;
}

double QuantileOf(const SiteStatisticsRow& statistics, std::string_view pairs, double quantile) {
  for (const SiteDistanceRow& row : statistics.distances) {
    if (row.pairs == pairs && row.quantile == quantile) return row.distance;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

// Three digits, or all before the point; empty where there is no such number.
std::string Short(std::optional<double> number) {
  if (!number || !std::isfinite(*number)) return "";
  if (*number >= 1000 && *number < 1e15) return Grouped(static_cast<std::uint64_t>(std::llround(*number)));
  return fmt::format("{:.3g}", *number);
}

std::string ShortCosine(std::optional<double> cosine) {
  // No sign of what rounds to 0.
  return cosine ? fmt::format("{:.2f}", std::abs(*cosine) < 0.005 ? 0.0 : *cosine) : "";
}

std::string Percent(double share) {
  if (share == 0) return "none";
  return share < 0.0001 ? "< 0.01 %" : fmt::format("{:.2g} %", 100 * share);
}

// "16+48+64"
std::string Levels(const SketchSize& sketches) {
  std::string text;
  for (const std::size_t codes : sketches.levels) text += (text.empty() ? "" : "+") + std::to_string(codes);
  return text;
}

// A line a site: how long its rows are, how much alike, how far apart; and what its sketches take.
std::string Statistics(const DirectoryInfo& info) {
  if (std::ranges::none_of(info.sites, [](const ShownSite& site) { return site.statistics.has_value(); })) return "";
  Table table({{"rows of"},
               {"mean length", Table::Align::kRight},
               {"median", Table::Align::kRight},
               {"longest", Table::Align::kRight},
               {"over 10 medians", Table::Align::kRight},
               {"cosine", Table::Align::kRight},
               {"centered", Table::Align::kRight},
               {"nearest at", Table::Align::kRight},
               {"others at", Table::Align::kRight},
               {"sketches", Table::Align::kRight},
               {"bytes a row", Table::Align::kRight}});
  std::size_t worth = 0;
  double lowest = 1;
  double highest = -1;
  for (const ShownSite& site : info.sites) {
    if (!site.statistics) continue;
    const SiteStatisticsRow& statistics = *site.statistics;
    const double times = statistics.median_length > 0 ? statistics.longest / statistics.median_length : 1;
    table.Add({Describe(site.row.site), Short(statistics.mean_length), Short(statistics.median_length),
               times >= 10 ? fmt::format("{} ({:.0f} x)", Short(statistics.longest), times) : Short(statistics.longest),
               Percent(statistics.long_share), ShortCosine(statistics.cosine), ShortCosine(statistics.centered_cosine),
               Short(QuantileOf(statistics, kNearestPairs, 0.5)), Short(QuantileOf(statistics, kRandomPairs, 0.5)),
               Levels(site.sketches),
               site.sketches.levels.empty() ? "" : fmt::format("{:.0f}", site.sketches.bytes_per_row)});
    if (!IsWorthCentering(statistics)) continue;
    ++worth;
    lowest = std::min(lowest, *statistics.cosine);
    highest = std::max(highest, *statistics.cosine);
  }
  std::string text = "\n" + table.Text(StdoutColor());
  if (worth > 0) {
    text += fmt::format("any two rows of {} are alike ({}{}): ask them --metric cosine with --center\n",
                        worth == 1 ? "one site" : fmt::format("{} sites", worth), ShortCosine(lowest),
                        worth > 1 ? " to " + ShortCosine(highest) : "");
  }
  return text;
}

OrderedJson JsonStatistics(const SiteStatisticsRow& statistics) {
  const auto optional = [](std::optional<double> number) {
    return number ? OrderedJson(*number) : OrderedJson(nullptr);
  };
  OrderedJson distances = OrderedJson::object();
  for (const SiteDistanceRow& row : statistics.distances) {
    distances[row.pairs].push_back({{"quantile", row.quantile}, {"distance", row.distance}});
  }
  return {{"mean_length", statistics.mean_length},
          {"median_length", statistics.median_length},
          {"longest", statistics.longest},
          {"long_share", statistics.long_share},
          {"cosine", optional(statistics.cosine)},
          {"centered_cosine", optional(statistics.centered_cosine)},
          {"worth_centering", IsWorthCentering(statistics)},
          {"distances", std::move(distances)}};
}

DirectoryInfo ReadInfo(const IndexDirectory& directory) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  DirectoryInfo info;
  info.corpus = catalog.Corpus();
  info.documents = catalog.Documents().size();
  info.tokenizer = catalog.Tokenizer();
  info.tokens = catalog.TokenCount();
  info.model = catalog.Model();
  info.lengths = catalog.Lengths();
  for (const SiteRow& row : catalog.Sites()) {
    ShownSite site{row, catalog.SiteIndices(row.site_id)};
    site.recorded = catalog.RecordedSite(row.site_id);
    site.statistics = ReadSiteStatistics(catalog, row.site_id);
    site.sketches = SketchSizeOf(directory, catalog, row);
    if (row.element == Element::kInt8) site.rounding = catalog.Rounding(row.site_id);
    if (row.position_set_id) site.positions = catalog.PositionSet(*row.position_set_id);
    for (const DirectoryFile& file : SiteFiles(catalog, row)) site.bytes += file.file.bytes;
    info.sites.push_back(std::move(site));
  }
  info.catalog_bytes = std::filesystem::file_size(directory.Catalog());
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path(), error)) {
    if (entry.is_regular_file()) info.total_bytes += entry.file_size();
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory.Partial(), error)) {
    info.unfinished.push_back(entry.path().filename().string());
  }
  return info;
}

std::string HumanInfo(const std::string& path, const DirectoryInfo& info) {
  std::uint64_t strings = 0;
  for (const LengthRow& length : info.lengths) strings += length.string_count;
  std::string text = fmt::format("{}  {}\n", Printable(path), HumanBytes(info.total_bytes));
  text += fmt::format("corpus   {}, {}{} characters, sha256 {}\n", Printable(info.corpus.name),
                      info.documents == 1 ? "" : Grouped(info.documents) + " documents, ",
                      Grouped(info.corpus.characters), info.corpus.sha256.substr(0, 12));
  if (info.tokenizer.file) {
    text += fmt::format("tokens   {} in the corpus, {} in {}\n", Grouped(info.corpus.token_count), Grouped(info.tokens),
                        Printable(info.tokenizer.file->file));
  } else {
    text += fmt::format("tokens   {} characters\n", Grouped(info.tokens));
  }
  text += fmt::format("strings  {} of 1 to {} tokens, {} of them of {}\n", Grouped(strings), info.corpus.string_length,
                      Grouped(info.lengths.back().string_count), info.corpus.string_length);
  if (info.model) {
    const ModelShape& shape = info.model->shape;
    text +=
        fmt::format("model    {} blocks, {} heads, {} dimensions, {} tokens, context {}, sha256 {}\n", shape.blocks,
                    shape.heads, shape.embed, shape.vocabulary_size, shape.context, info.model->sha256.substr(0, 12));
  } else {
    text += info.sites.empty() ? "model    none: strings and next-token counts only\n" : "model    none\n";
  }
  if (info.model && info.model->bos_token_id) {
    text += fmt::format("begins   token {} stands before every string and prompt\n", *info.model->bos_token_id);
  }
  text += Recordings(info);
  text += fmt::format("catalog  {}\n", HumanBytes(info.catalog_bytes));

  // A line for the sites that differ only in their block.
  std::map<std::tuple<Stream, std::string, int, std::string>, std::vector<const ShownSite*>> lines;
  for (const ShownSite& site : info.sites) {
    std::string indices;
    for (const SiteIndexRow& index : site.indices) {
      indices += (indices.empty() ? "" : ", ") + Describe(index);
    }
    lines[{site.row.site.stream, site.positions ? Seen(site) : "", site.row.site.t_i, indices}].push_back(&site);
  }
  if (!lines.empty()) {
    Table table({{"stream"},
                 {"blocks"},
                 {"t_i or positions", Table::Align::kRight},
                 {"rows", Table::Align::kRight},
                 {"dimension", Table::Align::kRight},
                 {"element"},
                 {"index"},
                 {"bytes", Table::Align::kRight}});
    for (const auto& [key, sites] : lines) {
      const auto& [stream, seen, t_i, indices] = key;
      std::vector<int> blocks;
      std::uint64_t bytes = 0;
      for (const ShownSite* site : sites) {
        blocks.push_back(site->row.site.block);
        bytes += site->bytes;
      }
      const SiteRow& row = sites.front()->row;
      table.Add({BothNames(stream), stream == Stream::kEmbedding ? "" : FormatNumberList(blocks),
                 t_i == kOverPositions ? seen : std::to_string(t_i), Grouped(row.row_count), Grouped(row.dimension),
                 std::string(Name(row.element)), indices, HumanBytes(bytes)});
    }
    text += "\n" + table.Text(StdoutColor()) + ApproximateIndices(info) + Roundings(info) + Statistics(info);
  }
  for (const std::string& name : info.unfinished) text += fmt::format("unfinished: partial/{}\n", Printable(name));
  return text;
}

OrderedJson JsonInfo(const std::string& path, const DirectoryInfo& info) {
  OrderedJson json{{"directory", path},
                   {"bytes", info.total_bytes},
                   {"catalog_bytes", info.catalog_bytes},
                   {"corpus",
                    {{"name", info.corpus.name},
                     {"sha256", info.corpus.sha256},
                     {"characters", info.corpus.characters},
                     {"string_length", info.corpus.string_length},
                     {"tokens", info.corpus.token_count},
                     {"documents", info.documents}}},
                   {"tokenizer",
                    {{"kind", info.tokenizer.kind()},
                     {"file", info.tokenizer.file ? OrderedJson(info.tokenizer.file->file) : OrderedJson(nullptr)},
                     {"tokens", info.tokens}}},
                   {"model", nullptr}};
  if (info.model) {
    const ModelShape& shape = info.model->shape;
    json["model"] = {
        {"file", info.model->file},
        {"sha256", info.model->sha256},
        {"vocabulary_size", shape.vocabulary_size},
        {"blocks", shape.blocks},
        {"heads", shape.heads},
        {"embed", shape.embed},
        {"context", shape.context},
        {"bos_token_id", info.model->bos_token_id ? OrderedJson(*info.model->bos_token_id) : OrderedJson(nullptr)}};
  }
  json["lengths"] = OrderedJson::array();
  for (const LengthRow& length : info.lengths) {
    json["lengths"].push_back(
        {{"length", length.length}, {"strings", length.string_count}, {"rows", length.row_count}});
  }
  json["sites"] = OrderedJson::array();
  for (const ShownSite& site : info.sites) {
    OrderedJson indices = OrderedJson::array();
    for (const SiteIndexRow& index : site.indices) {
      indices.push_back({{"name", index.name},
                         {"metric", index.metric ? OrderedJson(Name(*index.metric)) : OrderedJson(nullptr)},
                         {"file", index.file.file},
                         {"bytes", index.file.bytes},
                         {"holds_rows", HoldsRows(site.row, index)},
                         {"build_seconds", index.build_seconds}});
    }
    json["sites"].push_back({{"stream", Name(site.row.site.stream)},
                             {"block", site.row.site.block},
                             {"over", site.positions ? kRowsOfPositions : kRowsOfStrings},
                             {"t_i", site.positions ? OrderedJson(nullptr) : OrderedJson(site.row.site.t_i)},
                             {"positions", site.positions ? OrderedJson(site.positions->name) : OrderedJson(nullptr)},
                             {"window", site.row.window ? OrderedJson(*site.row.window) : OrderedJson(nullptr)},
                             {"stride", site.row.stride ? OrderedJson(*site.row.stride) : OrderedJson(nullptr)},
                             {"rows", site.row.row_count},
                             {"dimension", site.row.dimension},
                             {"element", Name(site.row.element)},
                             {"bytes", site.bytes},
                             {"indices", std::move(indices)}});
    json["sites"].back()["statistics"] = site.statistics ? JsonStatistics(*site.statistics) : OrderedJson(nullptr);
    json["sites"].back()["sketches"] =
        site.sketches.levels.empty()
            ? OrderedJson(nullptr)
            : OrderedJson{{"levels", site.sketches.levels}, {"bytes_per_row", site.sketches.bytes_per_row}};
    if (const std::optional<RoundingRow>& rounding = site.rounding) {
      json["sites"].back()["rounding"] = {{"sampled_rows", rounding->sampled_rows},
                                          {"queries", rounding->queries},
                                          {"k", rounding->k},
                                          {"recall", rounding->recall}};
    }
    if (const std::optional<RecordedSiteRow>& recorded = site.recorded) {
      const std::optional<TokenId>& beginning = recorded->bos_token_id;
      json["sites"].back()["recorded"] = {{"source", recorded->source},
                                          {"bos_token_id", beginning ? OrderedJson(*beginning) : OrderedJson(nullptr)}};
    }
  }
  json["unfinished"] = info.unfinished;
  return json;
}

}  // namespace

void AddInfoCommand(CLI::App& app) {
  struct Flags {
    std::string directory;
    bool json = false;
    int threads = 1;
  };
  CLI::App* command = app.add_subcommand("info", "What an index directory holds");
  auto flags = std::make_shared<Flags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer("Example:\n  actkin info gpl.actkin");
  command->callback([flags] {
    const DirectoryInfo info = ReadInfo(GivenDirectory(flags->directory));
    if (flags->json) {
      PrintJson(JsonInfo(flags->directory, info));
    } else {
      Print(HumanInfo(flags->directory, info));
    }
  });
}

}  // namespace actkin
