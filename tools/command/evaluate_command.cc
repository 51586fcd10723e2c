#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "query/experiment/evaluation.h"
#include "query/experiment/experiment.h"
#include "query/experiment/position_evaluation.h"
#include "query/predict/saved_schemes.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/machine/file.h"
#include "tools/command/commands.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/prompt_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/flags/stream_sites.h"
#include "tools/command/flags/study_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/svg_chart.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct EvaluateFlags {
  std::string directory;
  PromptFlags prompts;
  std::string half;
  std::vector<std::string> schemes;
  std::string k = "10";
  std::string metric = "l2";
  bool center = false;
  std::vector<std::string> t_is;
  std::string merge = "nearest";
  std::string within;
  std::string stream_sites;
  double stream_disk = 0;
  std::string plot;
  PositionFlags positions;
  int threads = 1;
  bool json = false;
};

struct Result {
  EvaluationRun run;
  Agreement agreement;
};

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream list(text);
  for (std::string part; std::getline(list, part, ',');) parts.push_back(part);
  if (parts.empty()) parts.emplace_back();
  return parts;
}

RowRange ChooseHalf(const std::string& half, std::uint64_t prompts) {
  if (half.empty()) return {0, prompts};
  if (half != "first" && half != "second") FailUsage("--half {}: expected first or second", Quote(half));
  if (prompts < 2) FailUsage("--half {}: there is one prompt", half);
  return half == "first" ? RowRange{0, prompts / 2} : RowRange{prompts / 2, prompts};
}

// One cell of the grid that the flags span: everything but the schemes.
std::vector<PoolRequest> ReadRequests(const CLI::App& command, const EvaluateFlags& flags, IndexReader& reader,
                                      int blocks, bool over_positions) {
  std::vector<std::vector<int>> t_is;
  for (const std::string& list : flags.t_is) t_is.push_back(ResolveTIs(reader, ParseNumberList(list, "--t-i")));
  if (t_is.empty()) t_is.push_back(over_positions ? std::vector<int>() : DefaultTIs(reader));
  std::vector<std::optional<std::uint64_t>> counts;
  for (const int k : ParseNumberList(flags.k, "-k")) counts.emplace_back(CheckCount(k));
  if (command.count("-k") == 0) counts = {std::nullopt};
  std::vector<PoolRequest> requests;
  for (const std::string& metric : SplitList(flags.metric)) {
    for (const std::vector<int>& positions : t_is) {
      for (const std::string& merge : SplitList(flags.merge)) {
        for (const std::optional<std::uint64_t>& k : counts) {
          PoolRequest& request = requests.emplace_back();
          request.metric = Centered(ParseMetric(metric), flags.center);
          request.metric_is_open = command.count("--metric") == 0 && !flags.center;
          request.t_is = positions;
          request.over_positions = over_positions;
          request.where = flags.positions.filter.where;
          request.exclude_self = LeavesOutSelf(flags.positions, over_positions);
          request.exclude_window = static_cast<std::uint64_t>(flags.positions.filter.exclude_window);
          request.max_length = flags.positions.filter.max_length;
          request.merge = ParseMerge(merge);
          request.k = k;
          if (!flags.within.empty()) request.bands = ParseBlockBands(flags.within, blocks);
        }
      }
    }
  }
  return requests;
}

std::vector<EvaluationRun> RunsOf(const std::vector<Scheme>& schemes, const PoolRequest& request) {
  std::vector<EvaluationRun> runs;
  for (const Scheme& scheme : schemes) {
    runs.push_back({scheme, request});
    if (scheme.kind == Scheme::Kind::kNeighbors) ApplyScheme(scheme, runs.back().request);
  }
  return runs;
}

// How many neighbors: none where all rows of a band count.
std::optional<std::uint64_t> CountShown(const PoolRequest& request) {
  if (request.k || !request.bands.empty()) return request.k;
  return kDefaultPoolCount;
}

// What a run was, part by part: "l2", "k 10", "t_i 7-9, without itself", "nearest merge", "within 0.9:". Empty where a
// part says nothing.
std::vector<std::string> PartsOf(const EvaluationRun& run, const std::string& within) {
  const std::optional<std::uint64_t> k = CountShown(run.request);
  return {std::string(Name(run.request.metric)), fmt::format("k {}", k ? Grouped(*k) : "all"),
          (run.request.over_positions ? "over positions" : fmt::format("t_i {}", FormatNumberList(run.request.t_is))) +
              DescribeFilter(run.request.where, run.request.exclude_self, run.request.exclude_window,
                             run.request.max_length),
          run.request.t_is.size() > 1 ? fmt::format("{} merge", Name(run.request.merge)) : "",
          !within.empty()             ? "within " + within
          : run.request.bands.empty() ? ""
                                      : "within its bands"};
}

std::string JoinParts(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!part.empty()) text += (text.empty() ? "" : "  ") + part;
  }
  return text;
}

std::string Heading(const EvaluationRun& run, const std::string& within) { return JoinParts(PartsOf(run, within)); }

std::string HumanTable(const std::vector<Result>& results, const std::string& within) {
  std::vector<Table::Column> columns{{Heading(results.front().run, within)}, {""}};
  for (std::size_t n = 1; n <= kLongestTopList; ++n) {
    columns.push_back({fmt::format("n {}", n), Table::Align::kRight});
  }
  columns.push_back({"Hellinger", Table::Align::kRight});
  Table table(columns);
  for (const Result& result : results) {
    const Agreement& agreement = result.agreement;
    const auto add = [&](const std::string& name, const char* order, const auto& fractions, const std::string& last) {
      std::vector<std::string> line{name, order};
      for (const double fraction : fractions) line.push_back(fmt::format("{:.3f}", fraction));
      line.push_back(last);
      table.Add(std::move(line));
    };
    add(QuoteIfEscaped(result.run.scheme.name), "nth token equal", agreement.top_n,
        fmt::format("{:.3f}", agreement.hellinger_mean));
    add("", "first n as a set", agreement.top_n_any_order, "");
  }
  return table.Text(StdoutColor());
}

// Runs with the same heading beside each other: schemes that bring their own metric, bands or k stand apart.
std::string HumanTables(const std::vector<Result>& results, const std::string& within) {
  std::vector<std::vector<Result>> tables;
  for (const Result& result : results) {
    const auto same = [&](const std::vector<Result>& table) {
      return Heading(table.front().run, within) == Heading(result.run, within);
    };
    auto table = std::ranges::find_if(tables, same);
    if (table == tables.end()) table = tables.insert(table, std::vector<Result>());
    table->push_back(result);
  }
  std::string text;
  for (const std::vector<Result>& table : tables) text += "\n" + HumanTable(table, within);
  return text;
}

OrderedJson JsonRun(const Result& result, const std::string& within) {
  const PoolRequest& request = result.run.request;
  const std::optional<std::uint64_t> k = CountShown(request);
  OrderedJson json{{"scheme", result.run.scheme.name},
                   {"k", k ? OrderedJson(*k) : OrderedJson(nullptr)},
                   {"metric", Name(request.metric)},
                   {"t_i", request.over_positions ? OrderedJson(nullptr) : OrderedJson(request.t_is)},
                   {"merge", Name(request.merge)},
                   {"within", within.empty() ? OrderedJson(nullptr) : OrderedJson(within)},
                   {"top_n", result.agreement.top_n},
                   {"top_n_any_order", result.agreement.top_n_any_order},
                   {"hellinger_mean", result.agreement.hellinger_mean}};
  if (request.over_positions) {
    AddRows(request.exclude_self, request.exclude_window, json);
    AddFilter(request.where, false, 0, request.max_length, json);
  } else {
    AddFilter(request.where, request.exclude_self, 0, request.max_length, json);
  }
  return json;
}

EvaluationRow CatalogRow(const Result& result, const RowRange& prompts, const std::string& within,
                         Reference reference) {
  EvaluationRow row = EvaluationOf(result.run.scheme, result.agreement, prompts.begin, reference);
  row.metric = result.run.request.metric;
  row.t_is = result.run.request.t_is;
  row.exclude_self = result.run.request.exclude_self;
  row.exclude_window = result.run.request.exclude_window;
  row.max_length = result.run.request.max_length;
  row.condition = result.run.request.where;
  row.merge = result.run.request.merge;
  row.k = CountShown(result.run.request);
  row.within = within;
  return row;
}

void SaveResults(Experiment& experiment, std::span<const Result> results, const RowRange& prompts,
                 const std::string& within, Reference reference) {
  std::vector<EvaluationRow> rows;
  for (const Result& result : results) rows.push_back(CatalogRow(result, prompts, within, reference));
  experiment.Writer()->SaveEvaluations(experiment.SaveSet(), rows);
}

// The runs that a chart shows: the best ones by Hellinger distance, each distribution once (prompt_only is the same
// whatever the neighbors, and a merge of one position changes nothing), in their own order.
std::vector<const Result*> ChartedResults(const std::vector<Result>& results) {
  constexpr std::size_t kMostCurves = 8;
  std::vector<const Result*> charted;
  const auto same = [](const Result& a, const Result& b) {
    if (a.run.scheme.name != b.run.scheme.name) return false;
    if (a.run.scheme.kind == Scheme::Kind::kPromptOnly) return true;
    const PoolRequest& one = a.run.request;
    const PoolRequest& other = b.run.request;
    return one.metric == other.metric && one.k == other.k && one.t_is == other.t_is &&
           (one.merge == other.merge || one.t_is.size() == 1);
  };
  for (const Result& result : results) {
    if (std::ranges::none_of(charted, [&](const Result* other) { return same(*other, result); })) {
      charted.push_back(&result);
    }
  }
  if (charted.size() <= kMostCurves) return charted;
  std::vector<double> distances;
  for (const Result* result : charted) distances.push_back(result->agreement.hellinger_mean);
  std::ranges::sort(distances);
  std::erase_if(charted,
                [&](const Result* result) { return result->agreement.hellinger_mean > distances[kMostCurves - 1]; });
  return charted;
}

// One curve a run. What all runs have in common is in the subtitle, what tells them apart in the legend.
std::string Chart(const std::vector<Result>& results, const std::string& within, std::uint64_t samples) {
  const std::vector<const Result*> charted = ChartedResults(results);
  std::vector<std::vector<std::string>> parts;
  for (const Result* result : charted) {
    std::vector<std::string>& of_one = parts.emplace_back(std::vector{result->run.scheme.name});
    const std::vector<std::string> more = PartsOf(result->run, within);
    if (result->run.scheme.kind == Scheme::Kind::kPromptOnly) {
      of_one.resize(1 + more.size());
    } else {
      of_one.insert(of_one.end(), more.begin(), more.end());
    }
  }
  const auto is_common = [&](std::size_t part) {
    std::string first;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (charted[i]->run.scheme.kind == Scheme::Kind::kPromptOnly && part > 0) continue;
      if (first.empty()) first = parts[i][part];
      if (parts[i][part] != first) return false;
    }
    return true;
  };
  std::vector<std::string> common{fmt::format("{} prompts", Grouped(samples))};
  for (std::size_t part = 0; part < parts[0].size(); ++part) {
    if (!is_common(part)) continue;
    std::string shared;
    for (std::vector<std::string>& of_one : parts) {
      if (!of_one[part].empty()) shared = of_one[part];
      of_one[part].clear();
    }
    common.push_back(shared);
  }
  LineChart chart;
  chart.title = "The first n tokens are the model's, as a set";
  chart.subtitle = JoinParts(common);
  if (charted.size() < results.size()) chart.subtitle += fmt::format("  the best {} runs", charted.size());
  chart.x.title = "n (H: mean Hellinger distance)";
  chart.x.whole_numbers = true;
  chart.x.low = 1;
  chart.x.high = kLongestTopList;
  chart.y.title = "fraction of prompts";
  chart.y.low = 0;
  chart.y.high = 1;
  for (std::size_t i = 0; i < charted.size(); ++i) {
    ChartSeries& series = chart.series.emplace_back();
    const Agreement& agreement = charted[i]->agreement;
    const std::string name = JoinParts(parts[i]);
    series.name = fmt::format("{}{}H {:.3f}", name, name.empty() ? "" : "  ", agreement.hellinger_mean);
    for (std::size_t n = 0; n < kLongestTopList; ++n) {
      series.points.push_back({static_cast<double>(n + 1), agreement.top_n_any_order[n]});
    }
  }
  return LineChartSvg(chart);
}

StreamOptions ReadStreamOptions(const CLI::App& command, const EvaluateFlags& flags) {
  StreamOptions options{flags.stream_sites, std::nullopt};
  if (command.count("--stream-disk") == 0) return options;
  if (flags.stream_sites.empty()) FailUsage("--stream-disk: goes with --stream-sites");
  if (!(flags.stream_disk >= 0) || flags.stream_disk > 1e9) {
    FailUsage("--stream-disk {}: expected a number of GB", flags.stream_disk);
  }
  options.bytes = static_cast<std::uint64_t>(flags.stream_disk * 1e9);
  return options;
}

// Refuses what can be refused before anything is written. Returns what is needed of sites that are not built.
std::vector<NeighborNeed> RequireNeeds(Experiment& experiment, std::span<const NeighborNeed> needs,
                                       const StreamOptions& options) {
  std::vector<NeighborNeed> streamed;
  std::vector<NeighborNeed> built;
  for (const NeighborNeed& need : needs) {
    if (options.corpus.empty() || need.site.stream == Stream::kEmbedding) {
      built.push_back(need);
    } else if (!experiment.reader().catalog().FindSite(need.site)) {
      streamed.push_back(need);
    }
  }
  experiment.Require(built);
  RequireStreamable(experiment, streamed, options);
  return streamed;
}

// Over positions, of a sample of them: of all runs in one pass over the prompts.
void RunOverPositions(const CLI::App& command, const EvaluateFlags& flags, IndexReader& reader) {
  constexpr std::array kRefused{"--t-i", "--prompts", "--stream-sites", "--merge"};
  RefuseWithPositions(command, kRefused);
  const int blocks = BlocksOf(reader);
  const ChosenSchemes chosen = ChooseSchemes(reader, flags.schemes);
  ProgressBar progress;
  std::vector<EvaluationRun> runs;
  for (const PoolRequest& request : ReadRequests(command, flags, reader, blocks, /*over_positions=*/true)) {
    std::ranges::copy(RunsOf(SchemesFor(chosen, request, progress), request), std::back_inserter(runs));
  }
  const std::vector<Site> sites = PositionSitesOf(runs, blocks);
  if (sites.empty()) FailUsage("over positions: none of the schemes has neighbors");
  reader.RequireSites(sites);
  Experiment experiment(reader, ChoosePositionSet(command, flags.prompts, reader, sites.back()), flags.threads,
                        progress);
  const RowRange prompts = ChooseHalf(flags.half, experiment.set().prompts.size());
  const Reference reference = ReferenceOf(experiment);
  if (reference == Reference::kCorpus) {
    progress.Note("no model: predictions are compared with what came next at the positions");
  }
  SaveFileSchemes(reader, chosen, progress);
  if (!flags.json) {
    Print(fmt::format("{}{}\n", DescribePositions(experiment.set()),
                      flags.half.empty() ? "" : fmt::format(", the {} half: {}", flags.half, Grouped(prompts.size()))));
  }
  const std::vector<Agreement> agreements = EvaluatePositions(experiment, blocks, runs, prompts);
  std::vector<Result> results;
  for (std::size_t i = 0; i < runs.size(); ++i) results.push_back({runs[i], agreements[i]});
  SaveResults(experiment, results, prompts, flags.within, reference);
  if (!flags.plot.empty()) WriteGivenFile(flags.plot, Chart(results, flags.within, prompts.size()));
  if (!flags.json) return Print(HumanTables(results, flags.within));
  OrderedJson json_runs = OrderedJson::array();
  for (const Result& result : results) json_runs.push_back(JsonRun(result, flags.within));
  PrintJson(OrderedJson{{"samples", prompts.size()},
                        {"prompt_set", experiment.set().row.name},
                        {"compared_with", Name(reference)},
                        {"runs", std::move(json_runs)}});
}

void Run(const CLI::App& command, const EvaluateFlags& flags) {
  CheckFilter(command, flags.positions.filter);
  IndexReader reader(GivenDirectory(flags.directory));
  if (AsksPositions(flags.positions, !flags.t_is.empty(), reader)) return RunOverPositions(command, flags, reader);
  const int blocks = BlocksOf(reader);
  const ChosenSchemes chosen = ChooseSchemes(reader, flags.schemes);
  const std::vector<PoolRequest> requests = ReadRequests(command, flags, reader, blocks, /*over_positions=*/false);
  ProgressBar progress;
  Experiment experiment(reader, ChoosePromptSet(command, flags.prompts, reader, progress), flags.threads, progress);
  const RowRange prompts = ChooseHalf(flags.half, experiment.set().prompts.size());

  // Of everything at once, so that a site is searched once, for the largest k.
  const StreamOptions stream = ReadStreamOptions(command, flags);
  std::vector<std::vector<EvaluationRun>> runs_of_requests;
  std::vector<EvaluationRun> all_runs;
  for (const PoolRequest& request : requests) {
    runs_of_requests.push_back(RunsOf(SchemesFor(chosen, request, progress), request));
    std::ranges::copy(runs_of_requests.back(), std::back_inserter(all_runs));
  }
  const std::vector<NeighborNeed> needs = NeedsOf(experiment, blocks, all_runs);
  const FilterFlags& filter = flags.positions.filter;
  if (needs.empty() && (!filter.where.empty() || filter.max_length || filter.exclude_self)) {
    FailUsage("--{}: none of the schemes has neighbors", !filter.where.empty() ? "where"
                                                         : filter.max_length   ? "max-length"
                                                                               : "exclude-self");
  }
  const std::vector<NeighborNeed> streamed = RequireNeeds(experiment, needs, stream);
  const Reference reference = ReferenceOf(experiment);
  if (reference == Reference::kCorpus) {
    progress.Note("no model: predictions are compared with what follows the prompts in the corpus");
  }
  SaveFileSchemes(reader, chosen, progress);
  std::vector<int> t_is;
  for (const PoolRequest& request : requests) t_is.insert(t_is.end(), request.t_is.begin(), request.t_is.end());
  NoteLengths(experiment.set().prompts, t_is, progress);

  if (!flags.json) {
    Print(fmt::format("{} prompts of {}{}\n", Grouped(prompts.size()), Printable(experiment.set().row.name),
                      flags.half.empty() ? "" : ", its " + flags.half + " half"));
    for (const BatchPrompt& skipped : experiment.set().skipped) Print(fmt::format("left out: {}\n", skipped.error));
  }
  StreamSites(experiment, streamed, stream);
  for (const NeighborNeed& need : needs) experiment.Find(need);
  std::vector<Result> results;
  for (const std::vector<EvaluationRun>& runs : runs_of_requests) {
    const std::vector<Agreement> agreements = Evaluate(experiment, blocks, runs, prompts);
    std::vector<Result> cell;
    for (std::size_t i = 0; i < runs.size(); ++i) cell.push_back({runs[i], agreements[i]});
    SaveResults(experiment, cell, prompts, flags.within, reference);
    if (!flags.json) Print(HumanTables(cell, flags.within));
    results.insert(results.end(), cell.begin(), cell.end());
  }
  if (!flags.plot.empty()) WriteGivenFile(flags.plot, Chart(results, flags.within, prompts.size()));
  if (!flags.json) return;
  OrderedJson runs = OrderedJson::array();
  for (const Result& result : results) runs.push_back(JsonRun(result, flags.within));
  OrderedJson json{{"samples", prompts.size()},
                   {"prompt_set", experiment.set().row.name},
                   {"compared_with", Name(reference)},
                   {"runs", std::move(runs)}};
  for (const BatchPrompt& skipped : experiment.set().skipped) {
    json["skipped"].push_back({{"prompt", JsonPrompt(skipped.input)}, {"error", skipped.error}});
  }
  PrintJson(std::move(json));
}

}  // namespace

void AddEvaluateCommand(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("evaluate", "How well schemes reproduce the model's own predictions, over many prompts");
  auto flags = std::make_shared<EvaluateFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  AddPromptOptions(*command, flags->prompts);
  command->add_option("--half", flags->half, "Evaluate on the first or the second half of the prompts alone");
  AddSchemeOption(*command, flags->schemes);
  command->add_option("-k", flags->k,
                      "How many neighbors, such as 10 or 1,10,100,1000 (default: the scheme's, else 10; a site of "
                      "fewer rows then gives all of them)");
  command->add_option("--metric", flags->metric,
                      "l2, cosine, dot or several: l2,cosine (default: the scheme's, else l2)");
  command->add_flag("--center", flags->center, "With cosine: of prompts and rows less the mean of each site's rows");
  command
      ->add_option("--t-i", flags->t_is,
                   "Positions of proj and ffwd that are merged, such as 9 or 7-9; -1 is the longest; repeated, each "
                   "set on its own "
                   "(default: the longest built)")
      ->allow_extra_args(false);
  command->add_option("--merge", flags->merge, "nearest, farthest or nearest,farthest")->capture_default_str();
  command->add_option(
      "--within", flags->within,
      "LOW:HIGH, only neighbors of proj and ffwd at such a distance (l2) or of such a similarity (cosine), or one band "
      "a block, separated by commas; without -k all of them");
  command->add_option("--stream-sites", flags->stream_sites,
                      "The corpus; - is standard input. Sites that are not built are built for now: searched for their "
                      "neighbors, then dropped");
  command->add_option(
      "--stream-disk", flags->stream_disk,
      "GB that such sites may take at once (default: most of what is free); the fewer, the more passes");
  AddPositionOptions(*command, flags->positions);
  command->add_option("--plot", flags->plot, "Draw the curves, as SVG");
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "Neighbors are searched once and saved in the index directory; killed, the same command continues. Results are "
      "in\n"
      "the catalog's tables evaluation and evaluation_top_n. In the tables, the fraction of prompts whose list and "
      "the\n"
      "model's list agree: 'nth token equal' (JSON \"top_n\", n = 1 to 10): the nth token is the model's nth; 'first n "
      "as "
      "a\n"
      "set' (JSON \"top_n_any_order\"): the first n are the model's first n in whatever order; 'Hellinger' (JSON\n"
      "\"hellinger_mean\"): the mean distance of the two distributions, 0 to 1. JSON: {\"samples\", \"prompt_set\",\n"
      "\"compared_with\": \"model\" or \"corpus\", \"runs\": [{\"scheme\", \"k\" (null: all rows of the bands), "
      "\"metric\",\n"
      "\"t_i\", \"merge\", \"within\", \"top_n\", \"top_n_any_order\", \"hellinger_mean\",\n"
      "and where they were asked for \"where\", \"max_length\", \"exclude_self\"}], \"skipped\" with\n"
      "--unknown skip: [{\"prompt\", \"error\"}]}.\n"
      "Examples:\n"
      "  actkin evaluate gpl.actkin --sample 200 --scheme all\n"
      "  actkin evaluate gpl.actkin --sample 200 -k 1,10,100 --metric l2,cosine --plot curves.svg\n"
      "  actkin evaluate gpl.actkin --sample 200 --t-i 9 --t-i 7-9 --merge nearest,farthest --json\n"
      "  actkin evaluate gpl.actkin --sample 200 --where 'occurrences > 1' --exclude-self\n"
      "  actkin evaluate gpl.actkin --sample 200 --t-i 3-9 --stream-sites /usr/share/common-licenses/GPL-3");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
