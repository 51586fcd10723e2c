#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "indexer/train/learn.h"
#include "query/experiment/experiment.h"
#include "query/predict/saved_schemes.h"
#include "query/predict/term_neighbors.h"
#include "query/predict/token_totals.h"
#include "query/reader/index_reader.h"
#include "query/reader/prompt_input.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/machine/sha256.h"
#include "tools/command/commands.h"
#include "tools/command/flags/learning_data.h"
#include "tools/command/flags/prompt_flags.h"
#include "tools/command/flags/site_flags.h"
#include "tools/command/flags/study_flags.h"
#include "tools/command/stop_signals.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

using OrderedJson = nlohmann::ordered_json;

// What the study took: over a sample, and for one prompt.
constexpr double kSampleLearningRate = 3e-4;
constexpr double kPromptLearningRate = 3e-3;

struct LearnFlags {
  std::string directory;
  std::string prompt;
  std::string ids;  // of the prompt, instead of its text
  PromptFlags prompts;
  PoolFlags pool;
  NewSchemeFlags scheme{.name = "learned"};
  LearnPlan plan;
  bool escapes = false;
  bool json = false;
  int threads = 1;
};

// Names what the data is made from.
std::string DescribeData(IndexReader& reader, const std::string& prompts, const PoolRequest& request) {
  const std::optional<ModelRow> model = reader.catalog().Model();
  OrderedJson bands = OrderedJson::array();
  for (const std::optional<Band>& band : request.bands) bands.push_back(band ? FormatBand(*band) : "all");
  return OrderedJson{{"corpus", reader.corpus().sha256},
                     {"model", model ? model->sha256 : ""},
                     {"prompts", prompts},
                     {"metric", Name(request.metric)},
                     {"t_i", request.t_is},
                     {"merge", Name(request.merge)},
                     {"k", request.k.value_or(0)},
                     {"within", bands}}
      .dump();
}

WeightLearningData OnePromptData(IndexReader& reader, const Prompt& prompt, const PoolRequest& request, int blocks,
                                 const LearnFlags& flags) {
  const std::size_t vocabulary = reader.vocabulary().size();
  const TermNeighbors neighbors = FindTermNeighbors(
      reader, prompt, request, blocks, [](std::size_t) { return true; }, flags.pool.prompt_set, flags.threads);
  const CatalogNextTokenCounts counts(reader.catalog(), vocabulary);
  TokenAccumulator sums(vocabulary);
  TokenTotals totals;
  for (const std::vector<PooledNeighbor>& of_term : neighbors.terms) {
    AddNeighbors(of_term, Kernel::kNone, counts, sums);
    totals.AddTerm(sums);
  }
  return LearningDataOf(totals, reader.Forward().NextTokenProbabilities(prompt.tokens));
}

// Nothing can be divided by a sum of nothing.
void RequireCounts(const WeightLearningData& data, const std::function<std::string(std::uint64_t)>& text) {
  for (std::uint64_t prompt = 0; prompt < data.prompts(); ++prompt) {
    if (data.target_begins[prompt] == data.target_begins[prompt + 1]) {
      Fail("prompt {}: nothing follows its neighbors in the corpus: there is nothing to learn from",
           Quote(text(prompt)));
    }
  }
}

std::string HumanReport(const LearnReport& report) {
  std::string line = fmt::format("step {:>7}  loss {:.4f}", Grouped(report.steps), report.training_loss);
  if (report.held_out_loss) line += fmt::format("  held out {:.4f}", *report.held_out_loss);
  return line + "\n";
}

std::string HumanWeights(const Scheme& scheme) {
  Table table({{"weight"}, {"proj", Table::Align::kRight}, {"ffwd", Table::Align::kRight}});
  const auto cell = [&](Stream stream, int block) {
    return fmt::format("{:.4f}", scheme.weights[scheme.terms.Number({stream, block})]);
  };
  for (int block = 0; block < scheme.terms.blocks(); ++block) {
    table.Add({fmt::format("block {}", block), cell(Stream::kProj, block), cell(Stream::kFfwd, block)});
  }
  return fmt::format("embedding  {:.4f}\n{}", scheme.weights[0], table.Text(StdoutColor()));
}

OrderedJson JsonSummary(const LearnSummary& summary, const Scheme& scheme) {
  OrderedJson reports = OrderedJson::array();
  for (const LearnReport& report : summary.reports) {
    OrderedJson row{{"step", report.steps}, {"loss", report.training_loss}};
    if (report.held_out_loss) row["held_out_loss"] = *report.held_out_loss;
    reports.push_back(std::move(row));
  }
  return {{"finished", summary.finished},
          {"steps", summary.steps},
          {"scheme", OrderedJson::parse(SchemeJson(scheme))},
          {"first_weights", summary.first_weights},
          {"losses", std::move(reports)}};
}

void CheckFlags(const CLI::App& command, const LearnFlags& flags) {
  const bool one = command.count("--prompt") + command.count("--ids") > 0;
  if (command.count("--prompt") > 0 && command.count("--ids") > 0) FailUsage("--prompt and --ids: give one of them");
  if (one && (command.count("--sample") > 0 || command.count("--prompts") > 0)) {
    FailUsage("--prompt, --sample and --prompts: give one of them");
  }
  if (one && command.count("--train-fraction") > 0) FailUsage("--train-fraction: has no meaning for one prompt");
  CheckNewScheme(flags.scheme);
  if (!(flags.plan.learning_rate > 0 && std::isfinite(flags.plan.learning_rate))) {
    FailUsage("--lr {}: expected more than 0", flags.plan.learning_rate);
  }
}

void Run(const CLI::App& command, LearnFlags& flags) {
  CheckFlags(command, flags);
  const bool one = command.count("--prompt") + command.count("--ids") > 0;
  LearnOptions options;
  options.plan = flags.plan;
  IndexReader reader(GivenDirectory(flags.directory));
  const int blocks = BlocksOf(reader);
  const PoolRequest request = ReadPoolRequest(command, flags.pool, reader, blocks);
  ProgressBar progress;
  WeightLearningData data;
  std::function<std::string(std::uint64_t)> text;
  std::vector<Prompt> prompts;  // where there is no experiment
  std::optional<BuildLock> lock;
  std::optional<Experiment> experiment;
  if (one) {
    const Prompt prompt = command.count("--ids") > 0
                              ? reader.Encode(ParseTokenIds(flags.ids, "--ids"))
                              : reader.Encode(flags.escapes ? Unescape(flags.prompt) : flags.prompt);
    data = OnePromptData(reader, prompt, request, blocks, flags);
    text = [prompt](std::uint64_t) { return prompt.text; };
    prompts = {prompt};
    options.plan.batch = options.plan.report_batches = options.plan.training_prompts = 1;
    options.plan.data = DescribeData(
        reader, flags.ids.empty() ? prompt.text : fmt::format("{}", fmt::join(prompt.tokens, ",")), request);
    lock.emplace(reader.directory());
  } else {
    flags.prompts.prompt_set = flags.pool.prompt_set;
    experiment.emplace(reader, ChoosePromptSet(command, flags.prompts, reader, progress), flags.threads, progress);
    data = SampleLearningData(*experiment, request, blocks);
    text = [&](std::uint64_t prompt) { return experiment->set().prompts[prompt].text; };
    options.plan.training_prompts = TrainingPrompts(flags.scheme, data.prompts());
    options.plan.data = DescribeData(reader, experiment->set().row.name + " " + experiment->set().row.sha256, request);
    experiment->SaveSet();
  }
  RequireCounts(data, text);
  NoteLengths(experiment ? experiment->set().prompts : prompts, request.t_is, progress);

  const std::string plan =
      fmt::format("{} {} {} {} {} {}", options.plan.data, options.plan.training_prompts, options.plan.steps,
                  options.plan.batch, options.plan.learning_rate, options.plan.seed);
  options.checkpoint = ExperimentPartial(reader.directory(), fmt::format("learn-{}.json", Sha256(plan).substr(0, 16)));
  options.stop = &StopOnSignal();
  const LearnSummary summary = LearnWeights(
      data, options, LoadTorchBackend(),
      [&](const LearnReport& report) {
        if (!flags.json) Print(HumanReport(report));
      },
      progress);
  Scheme scheme;
  scheme.name = flags.scheme.name;
  scheme.terms = Terms(blocks);
  scheme.weights.assign(summary.weights.begin(), summary.weights.end());
  scheme.metric = request.metric;
  scheme.bands = request.bands;
  scheme.k = request.k;
  if (!summary.finished) {
    if (flags.json) PrintJson(JsonSummary(summary, scheme));
    PrintError(
        fmt::format("actkin: interrupted after step {}: run the same command again, it continues\n", summary.steps));
    throw ExitStatus(128 + SIGINT);
  }
  {
    const std::unique_ptr<ExperimentWriter> writer =
        experiment ? experiment->Writer() : std::make_unique<ExperimentWriter>(reader.directory());
    SaveScheme(reader, *writer, scheme, progress);
  }
  std::error_code ignored;
  std::filesystem::remove(options.checkpoint, ignored);
  if (flags.json) {
    PrintJson(JsonSummary(summary, scheme));
    return;
  }
  Print("\n" + HumanWeights(scheme));
  Print(fmt::format("saved as scheme {}\n", Quote(scheme.name)));
}

}  // namespace

void AddLearnCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("learn", "Learns the weights of a scheme from the model's own predictions");
  auto flags = std::make_shared<LearnFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command->add_option("--prompt", flags->prompt, "Learn from this prompt alone, instead of a sample");
  command->add_option("--ids", flags->ids, kIdsHelp);
  AddNewSchemeOptions(*command, flags->scheme, "to learn from");
  AddPoolOptions(*command, flags->pool);
  AddPromptOptions(*command, flags->prompts, SampleSeed::kNoOption);
  const auto count = [command](const char* name, std::uint64_t& value, const char* what) {
    command->add_option(name, value, what)
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
        ->capture_default_str();
  };
  count("--steps", flags->plan.steps, "Updates by AdamW");
  count("--batch", flags->plan.batch, "Prompts of a step, drawn with replacement");
  CLI::Option* rate = command->add_option("--lr", flags->plan.learning_rate,
                                          "Learning rate (default: 3e-4 over a sample, 3e-3 for one prompt)");
  command->add_option("--seed", flags->plan.seed, "Of the first weights, as torch.manual_seed, and of the batches")
      ->capture_default_str();
  command->add_flag("--escapes", flags->escapes, "Read \\n, \\t, \\\" and \\\\ in --prompt");
  command->add_flag("--json", flags->json, "Print JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "One weight for the embedding and one for proj and ffwd of each block. A prompt's loss is the Euclidean norm of\n"
      "what the scheme predicts minus the model's own distribution; a batch's is the sum. Interrupted, the same "
      "command\n"
      "continues.\n"
      "Examples:\n"
      "  actkin learn gpl.actkin --sample 200\n"
      "  actkin learn gpl.actkin --prompt 'the licens' --name one_prompt\n"
      "  actkin evaluate gpl.actkin --sample 200 --scheme learned --half second");
  command->callback([command, flags, rate] {
    if (rate->count() == 0) {
      flags->plan.learning_rate =
          command->count("--prompt") + command->count("--ids") > 0 ? kPromptLearningRate : kSampleLearningRate;
    }
    Run(*command, *flags);
  });
}

}  // namespace actkin
