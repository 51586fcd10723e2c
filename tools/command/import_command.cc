#include <memory>
#include <nlohmann/json.hpp>

#include "query/experiment/similar_strings_import.h"
#include "query/reader/index_reader.h"
#include "schema/error.h"
#include "schema/text.h"
#include "tools/command/commands.h"
#include "tools/command/study_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

struct Flags {
  std::string directory;
  std::string layout;
  std::string folder;
  std::string metric;
  std::string name;
  bool json = false;
  int threads = 1;
};

void Run(const Flags& flags) {
  if (flags.layout != "similar-strings") FailUsage("--layout {}: expected similar-strings", flags.layout);
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

}  // namespace

void AddImportCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("import", "Reads neighbors from elsewhere, for predict and evaluate");
  auto flags = std::make_shared<Flags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin; it need not have a model")
      ->required();
  command->add_option("--layout", flags->layout, "similar-strings: the study's JSON files, as export writes them")
      ->required();
  command->add_option("FOLDER", flags->folder, "The folder of the files")->required();
  command->add_option("--metric", flags->metric,
                      "l2 or cosine (default: as the distances are sorted, ascending or descending)");
  command->add_option("--name", flags->name,
                      "Of the prompt set that they become (default: made from the folder's and the prompts)");
  command->add_flag("--json", flags->json, "Print what was read as JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "Every neighbor must be a string of the corpus; the prompts need not be.\n"
      "Example, after the one of 'actkin export --help':\n"
      "  actkin import gpl.actkin --layout similar-strings similar/ --name theirs\n"
      "  actkin evaluate gpl.actkin --prompt-set theirs --scheme all");
  command->callback([flags] { Run(*flags); });
}

}  // namespace actkin
