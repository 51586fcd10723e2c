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
#include "tools/command/evaluation_report.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/prompt_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/flags/stream_sites.h"
#include "tools/command/flags/study_flags.h"
#include "tools/output/json_output.h"
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

EvaluationRow CatalogRow(const EvaluationResult& result, const RowRange& prompts, const std::string& within,
                         Reference reference) {
  EvaluationRow row = EvaluationOf(result.run.scheme, result.agreement, prompts.begin, reference);
  row.metric = result.run.request.metric;
  row.t_is = result.run.request.t_is;
  row.exclude_self = result.run.request.exclude_self;
  row.exclude_window = result.run.request.exclude_window;
  row.max_length = result.run.request.max_length;
  row.condition = result.run.request.where;
  row.merge = result.run.request.merge;
  row.k = NeighborsCounted(result.run.request);
  row.within = within;
  return row;
}

void SaveResults(Experiment& experiment, std::span<const EvaluationResult> results, const RowRange& prompts,
                 const std::string& within, Reference reference) {
  std::vector<EvaluationRow> rows;
  for (const EvaluationResult& result : results) rows.push_back(CatalogRow(result, prompts, within, reference));
  experiment.Writer()->SaveEvaluations(experiment.SaveSet(), rows);
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
  std::vector<EvaluationResult> results;
  for (std::size_t i = 0; i < runs.size(); ++i) results.push_back({runs[i], agreements[i]});
  SaveResults(experiment, results, prompts, flags.within, reference);
  if (!flags.plot.empty()) WriteGivenFile(flags.plot, EvaluationChart(results, flags.within, prompts.size()));
  if (!flags.json) return Print(HumanEvaluations(results, flags.within));
  OrderedJson json_runs = OrderedJson::array();
  for (const EvaluationResult& result : results) json_runs.push_back(JsonEvaluation(result, flags.within));
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
  std::vector<EvaluationResult> results;
  for (const std::vector<EvaluationRun>& runs : runs_of_requests) {
    const std::vector<Agreement> agreements = Evaluate(experiment, blocks, runs, prompts);
    std::vector<EvaluationResult> cell;
    for (std::size_t i = 0; i < runs.size(); ++i) cell.push_back({runs[i], agreements[i]});
    SaveResults(experiment, cell, prompts, flags.within, reference);
    if (!flags.json) Print(HumanEvaluations(cell, flags.within));
    results.insert(results.end(), cell.begin(), cell.end());
  }
  if (!flags.plot.empty()) WriteGivenFile(flags.plot, EvaluationChart(results, flags.within, prompts.size()));
  if (!flags.json) return;
  OrderedJson runs = OrderedJson::array();
  for (const EvaluationResult& result : results) runs.push_back(JsonEvaluation(result, flags.within));
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
