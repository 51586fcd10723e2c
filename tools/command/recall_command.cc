#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "query/approximate/index_parameters.h"
#include "query/reader/prompt_sample.h"
#include "query/reader/prompt_set.h"
#include "query/reader/recall.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/machine/file.h"
#include "tools/command/commands.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/svg_chart.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct RecallFlags {
  std::string directory;
  std::string index;
  std::vector<std::string> parameters;
  std::uint64_t sample = 200;
  std::uint64_t seed = kDefaultSampleSeed;
  SiteFlags sites;
  std::string metric = "l2";
  std::uint64_t k = 10;
  FilterFlags filter;
  std::string plot;
  int threads = 1;
  bool json = false;
};

// The measurements of one site.
struct SiteRecall {
  SiteRow site;
  SiteIndexRow index;
  std::vector<RecallRow> rows;
  std::optional<RoundingRow> rounding = {};  // of rows of int8
  std::shared_ptr<const RowSet> among = {};  // null: all rows
};

// The rows of one index and its parameters, by k.
struct MeasuredRun {
  std::string label;  // "exact", "efSearch=64", "rows=4000"
  std::map<std::uint64_t, const RecallRow*> by_k;
};

// Searches that stop early are measured as approximate indices are.
bool IsExact(const RecallRow& row) { return row.name == kExactIndexName && row.parameters.empty(); }

std::vector<MeasuredRun> Runs(const SiteRecall& measured) {
  std::vector<MeasuredRun> runs;
  for (const RecallRow& row : measured.rows) {
    const std::string label = !row.parameters.empty() ? row.parameters : IsExact(row) ? row.name : "(no parameters)";
    if (runs.empty() || runs.back().label != label) runs.push_back({label, {}});
    runs.back().by_k[row.k] = &row;
  }
  return runs;
}

std::vector<SiteRow> SitesToMeasure(IndexReader& reader, const RecallFlags& flags) {
  std::vector<Site> sites;
  for (const NeighborQuery& query : ReadSites(reader, flags.sites, {})) {
    if (query.stream == Stream::kEmbedding) {
      FailUsage("--stream embedding: embedding sites have the index 'exact' alone: expected proj, ffwd or residual");
    }
    sites.push_back(reader.ResolveSite(query, 0));
  }
  reader.RequireSites(sites);
  std::vector<SiteRow> rows;
  for (const Site& site : sites) rows.push_back(*reader.catalog().FindSite(site));
  return rows;
}

SiteIndexRow FindIndex(IndexReader& reader, const SiteRow& site, const RecallOptions& options) {
  reader.OpenIndex(site.site, options.index_name, options.metric);  // says what is there when it is not
  for (SiteIndexRow& index : reader.catalog().SiteIndices(site.site_id)) {
    if (index.name != options.index_name || (index.metric && index.metric != options.metric)) continue;
    index.metric = options.metric;
    return index;
  }
  Fail("{} has no index {}", Describe(site.site), options.index_name);
}

std::vector<SiteRecall> Measure(IndexReader& reader, const RecallFlags& flags, const RecallOptions& options,
                                ProgressListener& progress) {
  const std::vector<SiteRow> sites = SitesToMeasure(reader, flags);
  std::vector<SiteRecall> measured;
  for (const SiteRow& site : sites) measured.push_back({site, FindIndex(reader, site, options), {}});
  const std::uint64_t strings = reader.catalog().Lengths().back().string_count;
  for (SiteRecall& one : measured) {
    const std::vector<Prompt> prompts =
        one.site.site.over_positions()
            ? SamplePositionSet(reader, one.site.site, std::min(flags.sample, one.site.row_count), flags.seed).prompts
            : SamplePrompts(reader, std::min(flags.sample, strings), flags.seed);
    std::vector<float> queries;
    for (const Prompt& prompt : prompts) {
      const std::vector<float> vector = reader.QueryVector(prompt, one.site.site);
      queries.insert(queries.end(), vector.begin(), vector.end());
    }
    RecallOptions of_site = options;
    of_site.among = one.among = reader.RowsThatPass(one.site.site, reader.RowsWhere(one.site.site, flags.filter.where),
                                                    flags.filter.max_length);
    if (one.among && one.among->count() < options.ks.front()) {
      FailUsage("{}: {} of its rows pass the filter: ask for recall among at least {}", Describe(one.site.site),
                one.among->count(), options.ks.front());
    }
    if (one.site.element == Element::kInt8) one.rounding = reader.catalog().Rounding(one.site.site_id);
    progress.Begin(Describe(one.site.site), RecallSearches(one.site, prompts.size(), of_site), "searches");
    one.rows =
        MeasureRecall(reader, one.site, queries, of_site, [&](std::uint64_t done) { progress.Advance(done, 0); });
    progress.End();
  }
  return measured;
}

std::string HumanRecall(const SiteRecall& measured, const RecallOptions& options, const RecallFlags& flags) {
  const std::uint64_t k = flags.k;
  const RecallRow& first = measured.rows.front();
  std::string rows = Grouped(measured.site.row_count);
  if (measured.among) rows = fmt::format("{} of {}", Grouped(measured.among->count()), rows);
  std::string text =
      fmt::format("{}  {}  {} rows{}; {} prompts (seed {}), one at a time, threads {}\n", Describe(measured.site.site),
                  Describe(measured.index), rows, DescribeFilter(flags.filter.where, false, 0, flags.filter.max_length),
                  first.prompts, first.seed, first.threads);
  std::vector<Table::Column> columns = {{"parameters"}};
  for (const std::uint64_t n : options.ks) columns.push_back({fmt::format("recall@{}", n), Table::Align::kRight});
  columns.push_back({fmt::format("median ms, k {}", k), Table::Align::kRight});
  columns.push_back({"99th percentile", Table::Align::kRight});
  Table table(std::move(columns));
  for (const MeasuredRun& run : Runs(measured)) {
    std::vector<std::string> cells = {run.label};
    for (const std::uint64_t n : options.ks) {
      cells.push_back(run.by_k.contains(n) ? fmt::format("{:.4f}", run.by_k.at(n)->recall) : "");
    }
    cells.push_back(run.by_k.contains(k) ? fmt::format("{:.3f}", run.by_k.at(k)->median_ms) : "");
    cells.push_back(run.by_k.contains(k) ? fmt::format("{:.3f}", run.by_k.at(k)->p99_ms) : "");
    table.Add(std::move(cells));
  }
  text += table.Text(StdoutColor());
  if (const std::optional<RoundingRow>& rounding = measured.rounding) {
    text += fmt::format(
        "exact is of the rows as they are kept, in int8: of the {} nearest of float32, {:.1f} % are found\n",
        rounding->k, 100 * rounding->recall);
  }
  return text + fmt::format("built in {}, {}\n", HumanSeconds(measured.index.build_seconds),
                            HumanBytes(measured.index.file.bytes));
}

OrderedJson JsonRecall(const SiteRecall& measured, const FilterFlags& filter) {
  OrderedJson runs = OrderedJson::array();
  for (const MeasuredRun& run : Runs(measured)) {
    OrderedJson by_k = OrderedJson::array();
    for (const auto& [k, row] : run.by_k) {
      by_k.push_back({{"k", k}, {"recall", row->recall}, {"median_ms", row->median_ms}, {"p99_ms", row->p99_ms}});
    }
    const RecallRow& row = *run.by_k.begin()->second;
    runs.push_back({{"index", row.name}, {"parameters", row.parameters}, {"k", std::move(by_k)}});
  }
  const RecallRow& first = measured.rows.front();
  const std::optional<RoundingRow>& rounding = measured.rounding;
  OrderedJson json{{"stream", Name(measured.site.site.stream)},
                   {"block", measured.site.site.block},
                   {"t_i", measured.site.site.t_i},
                   {"rows", measured.site.row_count},
                   {"index", measured.index.name},
                   {"metric", Name(*measured.index.metric)},
                   {"bytes", measured.index.file.bytes},
                   {"build_seconds", measured.index.build_seconds},
                   {"prompts", first.prompts},
                   {"seed", first.seed},
                   {"threads", first.threads},
                   {"rounding_recall", rounding ? OrderedJson(rounding->recall) : OrderedJson(nullptr)}};
  if (measured.among) {
    json["rows_that_pass"] = measured.among->count();
    if (!filter.where.empty()) json["where"] = filter.where;
    if (filter.max_length) json["max_length"] = *filter.max_length;
  }
  json["runs"] = std::move(runs);
  return json;
}

std::string RecallChart(const std::vector<SiteRecall>& all, std::uint64_t k) {
  LineChart chart;
  const RecallRow& first = all.front().rows.front();
  chart.title = fmt::format("{}: recall@{} against time", Describe(all.front().index), k);
  chart.subtitle = fmt::format("{} prompts of the corpus, one at a time, threads {}", first.prompts, first.threads);
  chart.x.title = "median ms a query";
  chart.x.scale = Axis::Scale::kLog;
  chart.y.title = fmt::format("recall@{}", k);
  chart.y.high = 1;
  for (const SiteRecall& measured : all) {
    const std::string site = Describe(measured.site.site);
    ChartSeries approximate{fmt::format("{}, {}", measured.index.name, site), {}};
    ChartSeries exact{fmt::format("exact, {}", site), {}, false};
    for (const MeasuredRun& run : Runs(measured)) {
      if (!run.by_k.contains(k)) continue;
      const RecallRow& row = *run.by_k.at(k);
      const bool is_exact = IsExact(row);
      (is_exact ? exact : approximate).points.push_back({row.median_ms, row.recall, is_exact ? "" : row.parameters});
    }
    chart.series.push_back(std::move(approximate));
    chart.series.push_back(std::move(exact));
  }
  return LineChartSvg(chart);
}

// Why it was not done; empty: it was. A directory that cannot be written to can be measured all the same.
std::string Save(const IndexDirectory& directory, const std::vector<SiteRecall>& all) {
  if (std::ranges::any_of(all, [](const SiteRecall& one) { return one.among != nullptr; })) {
    return "the table recall is of searches among all rows";
  }
  try {
    const BuildLock lock(directory);
    CatalogWriter writer(directory);
    for (const SiteRecall& measured : all) writer.SaveRecall(measured.rows);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void RunRecall(const CLI::App& command, const RecallFlags& flags) {
  CheckFilter(command, flags.filter);
  if (flags.k == 0) FailUsage("-k 0: ask for at least 1");
  if (flags.sample == 0) FailUsage("--sample 0: draw at least 1 prompt");
  RecallOptions options;
  options.index_name = flags.index;
  options.metric = ParseL2OrCosine(flags.metric);
  options.parameters = ParseParameterSweep(flags.parameters);
  if (options.index_name == kExactIndexName && options.parameters.front().empty()) {
    FailUsage(
        "--index exact: it is what the others are compared with: say with --param where its searches stop, "
        "rows=1000,4000 or recall=.9,.99");
  }
  options.seed = flags.seed;
  options.threads = flags.threads;
  if (std::ranges::find(options.ks, flags.k) == options.ks.end()) options.ks.push_back(flags.k);
  std::ranges::sort(options.ks);

  const IndexDirectory directory = GivenDirectory(flags.directory);
  ProgressBar progress;
  std::vector<SiteRecall> measured;
  {
    IndexReader reader(directory);
    measured = Measure(reader, flags, options, progress);
  }
  const std::string unsaved = Save(directory, measured);
  if (flags.json) {
    OrderedJson sites = OrderedJson::array();
    for (const SiteRecall& one : measured) sites.push_back(JsonRecall(one, flags.filter));
    PrintJson({{"sites", std::move(sites)}, {"saved", unsaved.empty()}});
  } else {
    for (std::size_t i = 0; i < measured.size(); ++i) {
      Print((i > 0 ? "\n" : "") + HumanRecall(measured[i], options, flags));
    }
  }
  std::size_t rows = 0;
  for (const SiteRecall& one : measured) rows += one.rows.size();
  progress.Note(unsaved.empty() ? fmt::format("{} rows saved in the catalog's table recall", rows)
                                : fmt::format("not saved: {}", unsaved));
  if (!flags.plot.empty()) {
    WriteGivenFile(flags.plot, RecallChart(measured, flags.k));
    progress.Note(fmt::format("{} written", flags.plot));
  }
}

}  // namespace

void AddRecallCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("recall", "Measures an approximate index against exact: recall, time, bytes");
  auto flags = std::make_shared<RecallFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command->add_option("--index", flags->index, "The name of the index, as 'actkin index --add' was given it")
      ->required();
  command->add_option("--param", flags->parameters,
                      "Search parameters to go through: efSearch=16,32,64, or nprobe=4,16,k_factor_rf=1,4 for all "
                      "combinations; of the index exact rows=1000,4000 or recall=.9,.99, where its searches stop");
  command->add_option("--sample", flags->sample, "How many strings of the corpus to ask for")->capture_default_str();
  command->add_option("--seed", flags->seed, "Seed of the sample, which is torch.randperm's")->capture_default_str();
  AddSiteOptions(*command, flags->sites, "proj, ffwd or residual");
  command->add_option("--metric", flags->metric, "l2 or cosine")->capture_default_str();
  command->add_option("-k", flags->k, "Times are of searches for so many neighbors")->capture_default_str();
  AddRowFilterOptions(*command, flags->filter);
  command->add_option("--plot", flags->plot, "Draw recall@k against the median time to this SVG file");
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "recall@n: of the n nearest that exact finds, the share found when n are asked for; at equal distances any row\n"
      "will do. What is measured is kept in the catalog's table recall, but not where rows are filtered.\n"
      "Examples:\n"
      "  actkin index gpl.actkin --add HNSW32 --stream ffwd --block -1 --t-i -1\n"
      "  actkin recall gpl.actkin --index HNSW32 --param efSearch=16,32,64 --plot recall.svg\n"
      "  actkin recall gpl.actkin --index exact --param rows=1000,4000,16000 --stream ffwd --block -1 --t-i -1");
  command->callback([command, flags] { RunRecall(*command, *flags); });
}

}  // namespace actkin
