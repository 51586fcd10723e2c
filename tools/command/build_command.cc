#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "indexer/build/build.h"
#include "indexer/build/forecast.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "tools/command/commands.h"
#include "tools/command/stop_signals.h"
#include "tools/output/json_output.h"
#include "tools/output/table.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

struct BuildFlags {
  std::vector<std::string> corpus;
  std::string field = "text";
  std::string split_documents;
  std::string model;
  std::string out;
  std::string vocabulary_from;
  std::string tokenizer;
  std::string bos;
  std::string bos_token;
  int length = kDefaultStringLength;
  std::string t_i = "-1";
  bool positions = false;
  std::optional<std::int64_t> window;
  std::optional<std::int64_t> stride;
  std::optional<std::int64_t> every;
  std::optional<double> sample;
  std::optional<std::uint64_t> seed;
  std::string blocks;
  std::string streams = "embedding,proj,ffwd";
  std::string rows = "float32";
  int threads = 1;
  bool plan = false;
  bool repair = false;
  bool json = false;
};

std::set<Stream> ParseStreams(const std::string& text) {
  std::set<Stream> streams;
  std::istringstream list(text);
  for (std::string name; std::getline(list, name, ',');) streams.insert(ParseStream(name));
  if (streams.empty()) FailUsage("--streams: expected some of embedding, proj, ffwd and residual");
  return streams;
}

std::optional<PositionOptions> PositionsOf(const BuildFlags& flags) {
  if (!flags.positions) {
    const std::pair<const char*, bool> given[] = {{"--window", flags.window.has_value()},
                                                  {"--stride", flags.stride.has_value()},
                                                  {"--every", flags.every.has_value()},
                                                  {"--sample", flags.sample.has_value()},
                                                  {"--seed", flags.seed.has_value()}};
    for (const auto& [name, is_given] : given) {
      if (is_given) FailUsage("{}: goes with --positions", name);
    }
    return std::nullopt;
  }
  if (flags.seed && !flags.sample) FailUsage("--seed: goes with --sample");
  PositionOptions options{flags.window, flags.stride, {}};
  if (flags.every) {
    if (*flags.every < 1) FailUsage("--every {}: expected a number from 1", *flags.every);
    options.choice.every = static_cast<std::uint64_t>(*flags.every);
  }
  options.choice.sample = flags.sample;
  options.choice.seed = flags.seed.value_or(options.choice.seed);
  return options;
}

nlohmann::ordered_json PlanJson(const BuildForecast& forecast) {
  nlohmann::ordered_json sites = nlohmann::ordered_json::array();
  for (const SiteForecast& site : forecast.sites) {
    const bool over_positions = site.t_i == kOverPositions;
    sites.push_back({{"stream", Name(site.stream)},
                     {"over", over_positions ? "positions" : "strings"},
                     {"t_i", over_positions ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(site.t_i)},
                     {"blocks", site.blocks},
                     {"rows", site.rows},
                     {"dimension", site.dimension},
                     {"bytes", site.bytes}});
  }
  return {{"strings", forecast.strings},
          {"prefixes", forecast.prefixes},
          {"positions", forecast.positions},
          {"window_tokens", forecast.window_tokens},
          {"sites", sites},
          {"catalog_bytes", forecast.catalog_bytes},
          {"corpus_bytes", forecast.corpus_bytes},
          {"model_bytes", forecast.model_bytes},
          {"position_bytes", forecast.position_bytes},
          {"bytes", forecast.bytes()},
          {"peak_bytes", forecast.peak_bytes()},
          {"free_bytes", forecast.free_bytes},
          {"peak_memory", forecast.peak_memory},
          {"catalog_seconds", forecast.catalog_seconds},
          {"capture_seconds", forecast.capture_seconds},
          {"sketch_seconds", forecast.sketch_seconds},
          {"seconds", forecast.seconds()}};
}

void PrintPlan(const BuildForecast& forecast) {
  using enum Table::Align;
  Table table(
      {{"stream"}, {"t_i", kRight}, {"blocks"}, {"rows each", kRight}, {"dimension", kRight}, {"bytes", kRight}});
  for (const SiteForecast& site : forecast.sites) {
    table.Add({BothNames(site.stream), site.t_i == kOverPositions ? "positions" : std::to_string(site.t_i),
               site.stream == Stream::kEmbedding ? "" : FormatNumberList(site.blocks), Grouped(site.rows),
               std::to_string(site.dimension), HumanBytes(site.bytes)});
  }
  if (forecast.position_bytes > 0) {
    table.Add({"which positions have rows", "", "", "", "", HumanBytes(forecast.position_bytes)});
  }
  if (forecast.model_bytes > 0) table.Add({"the model", "", "", "", "", HumanBytes(forecast.model_bytes)});
  if (forecast.corpus_bytes > 0) {
    table.Add({"tokens and suffixes", "", "", "", "", HumanBytes(forecast.corpus_bytes)});
  }
  if (forecast.catalog_bytes > 0) table.Add({"the catalog", "", "", "", "", HumanBytes(forecast.catalog_bytes)});
  Print(table.Text(StdoutIsTerminal()));
  Print(fmt::format("\n{} on disk ({} free), {} of memory\n", HumanBytes(forecast.bytes()),
                    HumanBytes(forecast.free_bytes), HumanBytes(forecast.peak_memory)));
  if (forecast.passing_bytes > 0) {
    Print(fmt::format("{} on disk while rows that are not kept wait for their sketches\n",
                      HumanBytes(forecast.peak_bytes())));
  }
  Print(fmt::format("{} strings, {} distinct prefixes through the model\n", Grouped(forecast.strings),
                    Grouped(forecast.prefixes)));
  if (forecast.positions > 0) {
    Print(fmt::format("{} positions get rows, {} tokens in windows through the model\n", Grouped(forecast.positions),
                      Grouped(forecast.window_tokens)));
  }
  Print(fmt::format("about {} on this machine: catalog {}, forward pass {}, sketches {}\n",
                    HumanSeconds(forecast.seconds()), HumanSeconds(forecast.catalog_seconds),
                    HumanSeconds(forecast.capture_seconds), HumanSeconds(forecast.sketch_seconds)));
  if (forecast.peak_bytes() > forecast.free_bytes) {
    Print(
        fmt::format("It does not fit: name fewer --t-i, --blocks or --streams, {}or make rows smaller with --rows "
                    "float16 or int8\n",
                    forecast.positions > 0 ? "keep fewer positions by --every or --sample, " : ""));
  }
}

void Run(const BuildFlags& flags, bool length_given, bool t_i_given) {
  BuildOptions options;
  options.corpus.inputs.assign(flags.corpus.begin(), flags.corpus.end());
  options.corpus.field = flags.field;
  if (!flags.split_documents.empty()) options.corpus.separator = flags.split_documents;
  options.out = flags.out;
  if (!flags.model.empty()) options.model = flags.model;
  if (!flags.vocabulary_from.empty()) options.vocabulary_from = flags.vocabulary_from;
  if (!flags.tokenizer.empty()) options.tokenizer = flags.tokenizer;
  if (!flags.bos.empty()) options.beginning = ParseBeginning(flags.bos);
  if (!flags.bos_token.empty()) options.bos_token = flags.bos_token;
  if (length_given) options.string_length = flags.length;
  if (t_i_given) options.t_is = ParseNumberList(flags.t_i, "--t-i");
  options.positions = PositionsOf(flags);
  if (!flags.blocks.empty()) options.blocks = ParseNumberList(flags.blocks, "--blocks");
  options.streams = ParseStreams(flags.streams);
  options.element = ParseElement(flags.rows);
  options.repair = flags.repair;
  options.threads = flags.threads;

  EndOnSignal();
  ProgressBar progress;
  if (flags.plan) {
    const BuildForecast forecast = Forecast(options, progress);
    return flags.json ? PrintJson(PlanJson(forecast)) : PrintPlan(forecast);
  }
  const BuildSummary summary = Build(options, progress);
  if (flags.json) {
    PrintJson({{"out", flags.out},
               {"strings", summary.strings},
               {"sites_added", summary.sites_added},
               {"sites_before", summary.sites_before},
               {"files_repaired", summary.files_repaired},
               {"bytes_added", summary.bytes_added},
               {"seconds", summary.seconds}});
    return;
  }
  std::string line = fmt::format("{}: {} strings, {} sites added ({})", Printable(flags.out), Grouped(summary.strings),
                                 summary.sites_added, HumanBytes(summary.bytes_added));
  if (summary.sites_before > 0) line += fmt::format(", {} were there", summary.sites_before);
  if (summary.files_repaired > 0) line += fmt::format(", {} were damaged", summary.files_repaired);
  Print(line + fmt::format(", {}\n", HumanSeconds(summary.seconds)));
  if (options.model && StdoutIsTerminal()) Print(fmt::format("ask it: actkin query {} PROMPT\n", Printable(flags.out)));
}

}  // namespace

void AddBuildCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("build", "Builds an index directory; run again, it continues or adds sites");
  auto flags = std::make_shared<BuildFlags>();
  command
      ->add_option("CORPUS", flags->corpus,
                   "The text, UTF-8, or several: each is a document. - is standard input; a folder has a document in "
                   "each of its files NAME.txt; NAME.jsonl one in each of its lines")
      ->required();
  command->add_option("--model", flags->model,
                      "Hugging Face folder, or checkpoint (.pt or .safetensors); without it strings and counts "
                      "alone");
  command->add_option("--out", flags->out, "The index directory, NAME.actkin")->required();
  CLI::Option* length =
      command->add_option("--length", flags->length, "Tokens of the longest strings (L)")->capture_default_str();
  CLI::Option* t_i =
      command
          ->add_option("--t-i", flags->t_i, "Positions to index the other streams at: 9, 7,8,9 or 0-9; -1 is the last")
          ->capture_default_str();
  command->add_flag("--positions", flags->positions,
                    "Index every position of CORPUS, seen with the tokens before it (beside strings only where --t-i "
                    "is given)");
  command->add_option("--window", flags->window,
                      "Tokens that the model sees at once (default: 256, or what it takes where that is less)");
  command->add_option("--stride", flags->stride, "How far windows advance (default: half of them)");
  command->add_option("--every", flags->every, "Keep the rows of every N-th position only");
  command->add_option("--sample", flags->sample, "Keep the rows of this share of the positions, such as 0.02");
  command->add_option("--seed", flags->seed, "Which ones those are (default: 1)");
  command->add_option("--blocks", flags->blocks, "Blocks to index, such as 1,3 or 0-5; -1 is the last (default: all)");
  command
      ->add_option("--streams", flags->streams,
                   "Which streams to index: embedding, proj, ffwd, residual, or what TransformerLens "
                   "calls them (attn_out, mlp_out, resid_post)")
      ->capture_default_str();
  command
      ->add_option(
          "--rows", flags->rows,
          "float32; float16: half the disk, 11 bits of precision; int8: about a quarter, 8 bits; none: sketches alone, "
          "the model makes again the rows that a search reads (over strings)")
      ->capture_default_str();
  command->add_option("--field", flags->field, "Of a line of NAME.jsonl, what holds the text")->capture_default_str();
  command->add_option("--split-documents", flags->split_documents,
                      "What stands between the documents of a text, such as '<|endoftext|>'");
  command->add_option("--vocabulary-from", flags->vocabulary_from,
                      "The text that the model was trained on, when the checkpoint does not say and CORPUS is another");
  command->add_option("--tokenizer", flags->tokenizer,
                      "A tokenizer.json, whose tokens CORPUS is cut into (default: a token is a character)");
  command->add_option(
      "--bos", flags->bos,
      "auto, always or never: the token that begins a sequence before every string and prompt (default: "
      "auto, as the model's own files have it)");
  command->add_option("--bos-token", flags->bos_token, "Its text, where the model's files do not say");
  command->add_flag("--plan", flags->plan,
                    "Say which sites, how much disk, memory and time it would take, by a short measurement, and stop");
  command->add_flag("--repair", flags->repair,
                    "Check every byte of what is there, and make damaged files again (always: missing and cut ones)");
  AddThreadsOption(*command, flags->threads);
  command->add_flag("--json", flags->json, "Print the summary as JSON");
  command->footer(
      "Examples, with the model that the example of 'actkin train --help' makes:\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --model gpl.safetensors --out gpl.actkin\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --model gpl.safetensors --out gpl.actkin --plan\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --out gpl.actkin --t-i 2,4,7-8   # adds positions\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --out gpl.actkin --positions --every 5     # in its text\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --out gpl.actkin --repair        # what 'actkin verify' found\n"
      "  actkin build /usr/share/common-licenses/GPL-3 --out counts.actkin              # next-token counts only");
  command->callback([flags, length, t_i] { Run(*flags, length->count() > 0, t_i->count() > 0); });
}

}  // namespace actkin
