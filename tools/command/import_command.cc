#include <memory>
#include <nlohmann/json.hpp>

#include "indexer/activations/import_activations.h"
#include "query/experiment/similar_strings_import.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/text.h"
#include "tools/command/commands.h"
#include "tools/command/flags/study_flags.h"
#include "tools/command/stop_signals.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

struct ImportFlags {
  std::string directory;
  std::string layout;
  std::string folder;
  std::string metric;
  std::string name;
  int length = 0;
  bool repair = false;
  bool json = false;
  int threads = 1;
};

void RunSimilarStrings(const ImportFlags& flags) {
  ImportRequest request{flags.folder, std::nullopt, flags.name};
  if (!flags.metric.empty()) request.metric = ParseL2OrCosine(flags.metric);
  IndexReader reader(GivenDirectory(flags.directory));
  ImportSummary summary;
  {
    ProgressBar progress;
    summary = ImportSimilarStrings(reader, request, progress);
  }
  if (flags.json) {
    PrintJson({{"prompt_set", summary.prompt_set},
               {"prompts", summary.prompts},
               {"k", summary.k},
               {"metric", Name(summary.metric)},
               {"blocks", summary.blocks},
               {"t_i", summary.t_is},
               {"files", summary.files}});
    return;
  }
  Print(fmt::format("prompt set {}: {} prompts, {} neighbors of each, {} blocks, t_i {}, {}\n",
                    Quote(summary.prompt_set), Grouped(summary.prompts), Grouped(summary.k), summary.blocks,
                    JoinNumbers(summary.t_is), Name(summary.metric)));
}

void RunActivations(const ImportFlags& flags) {
  ActivationsImport import{flags.folder, flags.directory, std::nullopt, flags.repair, flags.threads};
  if (flags.length != 0) import.string_length = flags.length;
  EndOnSignal();
  ActivationsImportSummary summary;
  {
    ProgressBar progress;
    summary = ImportActivations(import, progress);
  }
  if (flags.json) {
    PrintJson({{"out", flags.directory},
               {"tokens", summary.tokens},
               {"documents", summary.documents},
               {"sites_added", summary.sites_added},
               {"sites_before", summary.sites_before},
               {"files_repaired", summary.files_repaired},
               {"bytes_added", summary.bytes_added},
               {"seconds", summary.seconds}});
    return;
  }
  std::string line =
      fmt::format("{}: {} tokens in {} {}, {} sites added ({})", Printable(flags.directory), Grouped(summary.tokens),
                  Grouped(summary.documents), summary.documents == 1 ? "document" : "documents", summary.sites_added,
                  HumanBytes(summary.bytes_added));
  if (summary.sites_before > 0) line += fmt::format(", {} were there", summary.sites_before);
  if (summary.files_repaired > 0) line += fmt::format(", {} files were damaged", summary.files_repaired);
  Print(line + fmt::format(", {}\n", HumanSeconds(summary.seconds)));
}

void Run(const CLI::App& command, const ImportFlags& flags) {
  const bool activations = flags.layout == "activations";
  if (!activations && flags.layout != "similar-strings") {
    FailUsage("--layout {}: expected activations or similar-strings", flags.layout);
  }
  for (const auto& [option, of_activations] :
       {std::pair("--length", true), {"--repair", true}, {"--metric", false}, {"--name", false}}) {
    if (command.count(option) > 0 && of_activations != activations) {
      FailUsage("{}: has no meaning with --layout {}", option, flags.layout);
    }
  }
  activations ? RunActivations(flags) : RunSimilarStrings(flags);
}

}  // namespace

void AddImportCommand(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("import", "Reads activations that were recorded elsewhere, or neighbors for evaluate");
  auto flags = std::make_shared<ImportFlags>();
  command
      ->add_option("DIRECTORY", flags->directory,
                   "The index directory, NAME.actkin; it need not have a model. activations: a new one, or one whose "
                   "tokens are the same")
      ->required();
  command
      ->add_option("--layout", flags->layout,
                   "activations: matrices with a row a token, which activations.json names; similar-strings: the "
                   "study's JSON files, as export writes them")
      ->required();
  command->add_option("FOLDER", flags->folder, "The folder of the files")->required();
  command
      ->add_option("--length", flags->length,
                   "activations: tokens of the longest strings (L) of a new directory (default: 10, or what the "
                   "longest document has)")
      ->check(CLI::Range(1, 1000));
  command->add_option("--metric", flags->metric,
                      "similar-strings: l2 or cosine (default: as the distances are sorted, ascending or descending)");
  command->add_option("--name", flags->name,
                      "similar-strings: of the prompt set that they become (default: made from the folder's and the "
                      "prompts)");
  command->add_flag("--repair", flags->repair,
                    "activations: check every byte of what is there, and make damaged files again (always: missing and "
                    "cut ones)");
  command->add_flag("--json", flags->json, "Print what was read as JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "FOLDER/activations.json, files relative to it:\n"
      "  {\"tokens\": \"ids.npy\", \"document_lengths\": [420, 14], \"tokenizer\": \"tokenizer.json\",\n"
      "   \"sites\": [{\"stream\": \"resid_post\", \"block\": 5, \"files\": [\"a.npy\", \"b.npy\"], \"positions\": "
      "\"p.npy\"}]}\n"
      "  documents: d.npy, a number a token that never falls, instead of document_lengths; neither: one document.\n"
      "  document_names: a list of texts. token_texts: a JSON list of texts by id, instead of a tokenizer.json.\n"
      "  bos_token_id: of a token that stood before every window and is none of tokens.\n"
      "  stream: any name; block: its number. files: .npy, or .safetensors with the \"tensor\" of that name; float32,\n"
      "  float16 or bfloat16 (becomes float32), rows x dimension, parts follow each other. positions: .npy, of each "
      "row,\n"
      "  rising; without: a row a token.\n"
      "What does not fit together is refused by file and number. Killed, an import goes on with the same command.\n"
      "Neighbors: every neighbor must be a string of the corpus; the prompts need not be.\n"
      "Examples, after those of 'actkin export --help':\n"
      "  actkin import again.actkin --layout activations recorded/\n"
      "  actkin import gpl.actkin --layout similar-strings similar/ --name theirs\n"
      "  actkin evaluate gpl.actkin --prompt-set theirs --scheme all");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
