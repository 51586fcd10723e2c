#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "query/experiment/evaluation.h"
#include "query/experiment/experiment.h"
#include "query/experiment/tune.h"
#include "query/predict/saved_schemes.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/catalog/experiment_writer.h"
#include "tools/command/commands.h"
#include "tools/command/flags/filter_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/flags/study_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct TuneFlags {
  std::string directory;
  PromptFlags prompts;
  NewSchemeFlags scheme{.name = "tuned"};
  std::string streams = "ffwd";
  std::string t_is;
  PositionFlags positions;
  bool json = false;
  int threads = 1;
};

std::set<Stream> ParseStreams(const std::string& text) {
  std::set<Stream> streams;
  std::istringstream list(text);
  for (std::string name; std::getline(list, name, ',');) {
    const Stream stream = ParseStream(name);
    const bool weighed = stream == Stream::kEmbedding || stream == Stream::kProj || stream == Stream::kFfwd;
    if (!weighed) FailUsage("--streams {}: schemes weigh embedding, proj and ffwd alone", QuoteIfEscaped(name));
    streams.insert(stream);
  }
  if (streams.empty()) FailUsage("--streams: expected some of embedding, proj and ffwd");
  return streams;
}

std::string HumanScheme(const Scheme& scheme) {
  Table table({{"neighbors"}, {"cosine at least", Table::Align::kRight}, {"weight", Table::Align::kRight}});
  for (std::size_t term = 0; term < scheme.terms.size(); ++term) {
    if (!scheme.Uses(term)) continue;
    table.Add({Describe(scheme.terms[term]), fmt::format("{:.4f}", scheme.bands[term]->low),
               fmt::format("{:.4g}", scheme.weights[term])});
  }
  return table.Text(StdoutColor());
}

std::string HumanAgreement(const TuneResult& result) {
  std::vector<Table::Column> columns{{""}, {"prompts", Table::Align::kRight}, {"Hellinger", Table::Align::kRight}};
  for (std::size_t n = 1; n <= kLongestTopList; ++n)
    columns.push_back({fmt::format("top {}", n), Table::Align::kRight});
  Table table(columns);
  const auto add = [&](const char* name, const Agreement& agreement) {
    if (agreement.samples == 0) return;
    std::vector<std::string> line{name, Grouped(agreement.samples), fmt::format("{:.4f}", agreement.hellinger_mean)};
    for (const double share : agreement.top_n_any_order) line.push_back(fmt::format("{:.3f}", share));
    table.Add(std::move(line));
  };
  add("searched with", result.training);
  add("held out", result.held_out);
  return table.Text(StdoutColor());
}

OrderedJson JsonAgreement(const Agreement& agreement) {
  if (agreement.samples == 0) return nullptr;
  return {{"samples", agreement.samples},
          {"hellinger_mean", agreement.hellinger_mean},
          {"top_n", agreement.top_n},
          {"top_n_any_order", agreement.top_n_any_order}};
}

EvaluationRow CatalogRow(const TuneResult& result, const Agreement& agreement, std::uint64_t first_prompt,
                         const TuneRequest& request) {
  EvaluationRow row = EvaluationOf(result.scheme, agreement, first_prompt, Reference::kModel);
  row.metric = Metric::kCosine;
  row.t_is = request.t_is;
  row.exclude_self = request.exclude_self;
  row.exclude_window = request.exclude_window;
  row.max_length = request.max_length;
  row.condition = request.where;
  return row;
}

// The sites whose rows are asked over positions.
std::vector<Site> PositionSites(const std::set<Stream>& streams, int blocks) {
  std::vector<Site> sites;
  const Terms terms(blocks);
  for (std::size_t term = 0; term < terms.size(); ++term) {
    if (streams.contains(terms[term].stream)) sites.push_back({terms[term].stream, terms[term].block, kOverPositions});
  }
  return sites;
}

// What is asked, and of which prompts.
PromptSet ReadRequest(const CLI::App& command, const TuneFlags& flags, IndexReader& reader, int blocks,
                      ProgressListener& progress, TuneRequest& request) {
  request.where = flags.positions.filter.where;
  request.max_length = flags.positions.filter.max_length;
  request.over_positions = AsksPositions(flags.positions, !flags.t_is.empty(), reader);
  request.exclude_self = LeavesOutSelf(flags.positions, request.over_positions);
  if (!request.over_positions) {
    request.t_is = flags.t_is.empty() ? DefaultTIs(reader) : ResolveTIs(reader, ParseNumberList(flags.t_is, "--t-i"));
    return ChoosePromptSet(command, flags.prompts, reader, progress);
  }
  constexpr std::array kRefused{"--t-i", "--prompts"};
  RefuseWithPositions(command, kRefused);
  request.exclude_window = static_cast<std::uint64_t>(flags.positions.filter.exclude_window);
  const std::vector<Site> sites = PositionSites(request.streams, blocks);
  reader.RequireSites(sites);
  return ChoosePositionSet(command, flags.prompts, reader, sites.back());
}

void Run(const CLI::App& command, const TuneFlags& flags) {
  CheckNewScheme(flags.scheme);
  CheckFilter(command, flags.positions.filter);
  TuneRequest request;
  request.streams = ParseStreams(flags.streams);
  request.name = flags.scheme.name;
  IndexReader reader(GivenDirectory(flags.directory));
  const int blocks = BlocksOf(reader);
  ProgressBar progress;
  Experiment experiment(reader, ReadRequest(command, flags, reader, blocks, progress, request), flags.threads,
                        progress);
  const std::uint64_t prompts = experiment.set().prompts.size();
  request.training_prompts = TrainingPrompts(flags.scheme, prompts);
  const TuneResult result = Tune(experiment, blocks, request);
  if (!request.over_positions) NoteLengths(experiment.set().prompts, request.t_is, progress);

  const std::unique_ptr<ExperimentWriter> writer = experiment.Writer();
  SaveScheme(reader, *writer, result.scheme, progress);
  std::vector<EvaluationRow> evaluations{CatalogRow(result, result.training, 0, request)};
  if (result.held_out.samples > 0) {
    evaluations.push_back(CatalogRow(result, result.held_out, request.training_prompts, request));
  }
  writer->SaveEvaluations(experiment.SaveSet(), evaluations);

  if (flags.json) {
    OrderedJson json{{"prompt_set", experiment.set().row.name},
                     {"t_i", request.over_positions ? OrderedJson(nullptr) : OrderedJson(request.t_is)}};
    if (request.over_positions) AddRows(request.exclude_self, request.exclude_window, json);
    AddFilter(request.where, !request.over_positions && request.exclude_self, 0, request.max_length, json);
    json.update({{"scheme", OrderedJson::parse(SchemeJson(result.scheme))},
                 {"training", JsonAgreement(result.training)},
                 {"held_out", JsonAgreement(result.held_out)}});
    PrintJson(std::move(json));
    return;
  }
  const std::string filter =
      DescribeFilter(request.where, request.exclude_self, request.exclude_window, request.max_length);
  if (request.over_positions) {
    Print(fmt::format("{}, over positions{}\n\n", DescribePositions(experiment.set()), filter));
  } else if (!filter.empty()) {
    Print(fmt::format("{} prompts of {}, t_i {}{}\n\n", Grouped(prompts), Printable(experiment.set().row.name),
                      FormatNumberList(request.t_is), filter));
  }
  Print(HumanScheme(result.scheme) +
        "\nmean Hellinger distance; top n: the first n tokens, as a set, are the model's\n" + HumanAgreement(result));
  Print(fmt::format("saved as scheme {}\n", Quote(result.scheme.name)));
}

}  // namespace

void AddTuneCommand(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("tune", "Searches how similar neighbors must be, and what they weigh, block by block");
  auto flags = std::make_shared<TuneFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  AddPromptOptions(*command, flags->prompts);
  AddNewSchemeOptions(*command, flags->scheme, "to search with");
  command->add_option("--streams", flags->streams, "Whose neighbors to use, of embedding,proj,ffwd")
      ->capture_default_str();
  command->add_option("--t-i", flags->t_is,
                      "Positions of proj and ffwd, such as 9 or 7-9; -1 is the longest (default: the longest built)");
  AddPositionOptions(*command, flags->positions);
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "By cosine similarity; every row at least so similar counts, however many there are. Killed, the same command\n"
      "continues. The result is a scheme with bands, its figures are in the catalog's table evaluation.\n"
      "Examples:\n"
      "  actkin tune gpl.actkin --sample 1000\n"
      "  actkin tune gpl.actkin --positions --sample 1000 --streams proj,ffwd\n"
      "  actkin tune gpl.actkin --sample 1000 --where 'occurrences > 1' --exclude-self\n"
      "  actkin predict gpl.actkin 'the licens' --scheme tuned");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
