#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "query/index_reader.h"
#include "query/npy_export.h"
#include "query/saved_schemes.h"
#include "query/similar_strings_export.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/csv_export.h"
#include "storage/export_folder.h"
#include "tools/commands.h"
#include "tools/json_output.h"
#include "tools/study_flags.h"
#include "tools/terminal.h"

namespace actkin {
namespace {

struct Flags {
  std::string directory;
  std::string layout;
  std::string out;
  std::string stream;
  std::string blocks;
  std::string t_is;
  std::string tables;
  PromptFlags prompts;
  std::int64_t k = 10;
  std::string metric = "l2";
  std::uint64_t batch = 100;
  bool json = false;
  int threads = 1;
};

std::string FileName(const Site& site) {
  if (site.stream == Stream::kEmbedding) return fmt::format("embedding-t{}.npy", site.t_i);
  return fmt::format("{}-b{}-t{}.npy", Name(site.stream), site.block, site.t_i);
}

// The built sites that the flags mean; without a flag all streams, blocks or positions.
std::vector<Site> ChooseSites(IndexReader& reader, const Flags& flags) {
  const auto contains = [](const std::vector<int>& numbers, int number) {
    return numbers.empty() || std::ranges::find(numbers, number) != numbers.end();
  };
  const std::vector<int> blocks = flags.blocks.empty() ? std::vector<int>() : ParseNumberList(flags.blocks, "--block");
  std::vector<int> t_is = flags.t_is.empty() ? std::vector<int>() : ParseNumberList(flags.t_is, "--t-i");
  for (int& t_i : t_is) t_i += t_i < 0 ? reader.string_length() : 0;
  std::vector<Site> sites;
  for (const SiteRow& row : reader.catalog().Sites()) {
    const bool stream = flags.stream.empty() || row.site.stream == ParseStream(flags.stream);
    const bool block = row.site.stream == Stream::kEmbedding ? flags.blocks.empty() : contains(blocks, row.site.block);
    if (stream && block && contains(t_is, row.site.t_i)) sites.push_back(row.site);
  }
  if (sites.empty())
    FailUsage("no site is built that --stream, --block and --t-i name: 'actkin info {}' shows them", flags.directory);
  return sites;
}

void RunNpy(const CLI::App& /*command*/, const Flags& flags) {
  IndexReader reader(GivenDirectory(flags.directory));
  if (!flags.stream.empty()) ParseStream(flags.stream);
  const std::vector<Site> sites = ChooseSites(reader, flags);
  const ExportFolder folder(flags.out);
  nlohmann::ordered_json written = nlohmann::ordered_json::array();
  ProgressBar progress;
  for (const Site& site : sites) {
    const std::filesystem::path path = folder.path() / FileName(site);
    const SiteRow row = *reader.catalog().FindSite(site);
    progress.Begin(Describe(site), row.row_count, "rows");
    ExportNpy(reader, site, path, [&](std::uint64_t done) { progress.Advance(done, 0); });
    progress.End();
    written.push_back({{"file", path.string()},
                       {"stream", Name(site.stream)},
                       {"block", site.block},
                       {"t_i", site.t_i},
                       {"rows", row.row_count},
                       {"dimension", row.dimension},
                       {"first_string_id", row.first_string_id}});
    if (!flags.json) {
      Print(fmt::format("{}  {} x {} float32; row i is string_id {} + i\n", Printable(path.string()),
                        Grouped(row.row_count), row.dimension, row.first_string_id));
    }
  }
  if (flags.json) PrintJson(written);
}

// "a,b": the names between the commas.
std::vector<std::string> SplitNames(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream parts(list);
  for (std::string name; std::getline(parts, name, ',');) names.push_back(name);
  return names;
}

void RunCsv(const CLI::App& /*command*/, const Flags& flags) {
  const std::unique_ptr<SqliteConnection> catalog = OpenCatalog(GivenDirectory(flags.directory));
  const ExportFolder folder(flags.out);
  ProgressBar progress;
  const std::vector<CsvFile> files = ExportCsv(*catalog, SplitNames(flags.tables), folder, progress);
  nlohmann::ordered_json written = nlohmann::ordered_json::array();
  for (const CsvFile& file : files) {
    written.push_back({{"file", file.path.string()}, {"table", file.table}, {"rows", file.rows}});
    if (!flags.json) Print(fmt::format("{}  {} rows\n", Printable(file.path.string()), Grouped(file.rows)));
  }
  if (flags.json) PrintJson(written);
}

void RunSimilarStrings(const CLI::App& command, const Flags& flags) {
  IndexReader reader(GivenDirectory(flags.directory));
  const int blocks = BlocksOf(reader);
  SimilarStringsRequest request;
  request.metric = ParseMetric(flags.metric);
  if (command.count("-k") > 0) request.k = CheckCount(flags.k);
  request.t_is = flags.t_is.empty() ? DefaultTIs(reader) : ResolveTIs(reader, ParseNumberList(flags.t_is, "--t-i"));
  request.batch = flags.batch;
  ProgressBar progress;
  Experiment experiment(reader, ChoosePromptSet(command, flags.prompts, reader, progress), flags.threads, progress);
  const ExportFolder folder(flags.out);
  const SimilarStringsSummary summary = ExportSimilarStrings(experiment, blocks, request, folder);
  if (flags.json) {
    PrintJson({{"folder", flags.out},
               {"prompt_set", experiment.set().row.name},
               {"prompts", experiment.set().prompts.size()},
               {"batches", summary.batches},
               {"files", summary.files},
               {"files_before", summary.files_before}});
    return;
  }
  Print(fmt::format(
      "{}  {} prompts in {} batches, {} files{}\n", Printable(flags.out), Grouped(experiment.set().prompts.size()),
      Grouped(summary.batches), Grouped(summary.files),
      summary.files_before == 0 ? "" : fmt::format(", {} of them there before", Grouped(summary.files_before))));
}

void Run(const CLI::App& command, const Flags& flags) {
  struct Layout {
    std::string_view name;
    std::vector<const char*> options;
    void (*run)(const CLI::App&, const Flags&);
  };
  const std::vector<Layout> layouts = {
      {"csv", {"--tables"}, RunCsv},
      {"npy", {"--stream", "--block", "--t-i"}, RunNpy},
      {"similar-strings",
       {"--sample", "--seed", "--prompts", "--prompt-set", "-k", "--metric", "--t-i", "--batch"},
       RunSimilarStrings}};
  const auto layout = std::ranges::find(layouts, flags.layout, &Layout::name);
  if (layout == layouts.end()) FailUsage("--layout {}: expected similar-strings, csv or npy", flags.layout);
  for (const Layout& other : layouts) {
    for (const char* option : other.options) {
      const bool own = std::ranges::find(layout->options, std::string_view(option)) != layout->options.end();
      if (command.count(option) > 0 && !own) FailUsage("{}: has no meaning with --layout {}", option, flags.layout);
    }
  }
  layout->run(command, flags);
}

}  // namespace

void AddExportCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Writes neighbors, vectors or tables for a notebook");
  auto flags = std::make_shared<Flags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command
      ->add_option(
          "--layout", flags->layout,
          "similar-strings: neighbors of prompts, as the study's JSON files; npy: the vectors of each site, unrotated, "
          "as a NumPy array; csv: the catalog's tables and views")
      ->required();
  command->add_option("OUT", flags->out, "The folder to write to")->required();
  command->add_option("--stream", flags->stream, "npy: embedding, proj or ffwd (default: all)");
  command->add_option("--block", flags->blocks, "npy: blocks, such as 0-5 (default: all)");
  command->add_option("--t-i", flags->t_is,
                      "npy, similar-strings: positions, such as 7,8,9 (default: all; the longest built)");
  command->add_option("--tables", flags->tables, "csv: tables and views, such as string,next_token_map (default: all)");
  AddPromptOptions(*command, flags->prompts, SampleSeed::kOption, "similar-strings: ");
  command->add_option("-k", flags->k, "similar-strings: how many neighbors")->capture_default_str();
  command->add_option("--metric", flags->metric, "similar-strings: l2 (Euclidean distance) or cosine (similarity)")
      ->capture_default_str();
  command->add_option("--batch", flags->batch, "similar-strings: prompts of a file")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print what was written as JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "Killed, an export of similar strings goes on with the same command.\n"
      "Examples:\n"
      "  actkin export gpl.actkin --layout similar-strings similar/ --sample 200 -k 10\n"
      "  actkin export gpl.actkin --layout npy vectors/ --stream ffwd --block 3 --t-i 9\n"
      "  python3 -c \"import numpy; print(numpy.load('vectors/ffwd-b3-t9.npy', mmap_mode='r').shape)\"\n"
      "  actkin export gpl.actkin --layout csv tables/ --tables next_token_map,token");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
