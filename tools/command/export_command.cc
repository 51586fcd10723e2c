#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "query/experiment/similar_strings_export.h"
#include "query/predict/saved_schemes.h"
#include "query/reader/activations_export.h"
#include "query/reader/index_reader.h"
#include "query/reader/npy_export.h"
#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/catalog/site_filter.h"
#include "storage/machine/export_folder.h"
#include "tools/command/commands.h"
#include "tools/command/flags/study_flags.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

struct ExportFlags {
  std::string directory;
  std::string layout;
  std::string out;
  std::string stream;
  std::string blocks;
  std::string t_is;
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

// The built sites that the flags mean; without a flag all streams, blocks or positions. A block is none of the
// embedding's.
std::vector<SiteRow> SitesToWrite(IndexReader& reader, const ExportFlags& flags) {
  SiteFilter filter = ParseSiteFilter(flags.stream, flags.blocks, flags.t_is);
  if (filter.streams.empty() && !filter.blocks.empty()) filter.streams = {Stream::kProj, Stream::kFfwd};
  std::vector<SiteRow> sites = ChooseSites(reader.catalog(), filter);
  std::erase_if(sites, [](const SiteRow& row) { return row.site.over_positions(); });
  if (sites.empty()) {
    FailUsage(ErrorCode::kNotFound,
              "no such site over strings is built: --layout activations writes those over positions");
  }
  return sites;
}

// The same of those over positions, whose streams may have any name.
std::vector<SiteRow> PositionSitesToWrite(IndexReader& reader, const ExportFlags& flags) {
  std::vector<Stream> streams;
  std::istringstream list(flags.stream);
  for (std::string name; std::getline(list, name, ',');) streams.push_back(StreamNamed(name));
  const std::vector<int> blocks = flags.blocks.empty() ? std::vector<int>{} : ParseNumberList(flags.blocks, "--block");
  std::vector<SiteRow> all = reader.catalog().Sites();
  std::erase_if(all, [](const SiteRow& row) { return !row.site.over_positions(); });
  const auto has = [](const std::vector<SiteRow>& sites, const auto& is) { return std::ranges::any_of(sites, is); };
  std::vector<SiteRow> chosen = all;
  std::erase_if(chosen, [&](const SiteRow& row) {
    return (!streams.empty() && std::ranges::find(streams, row.site.stream) == streams.end()) ||
           (!blocks.empty() && std::ranges::find(blocks, row.site.block) == blocks.end());
  });
  std::string there;
  for (const SiteRow& row : all) there += fmt::format("{}{}", there.empty() ? "" : ", ", Describe(row.site));
  if (there.empty()) there = "no site over positions";
  for (const Stream stream : streams) {
    if (has(chosen, [&](const SiteRow& row) { return row.site.stream == stream; })) continue;
    FailUsage(ErrorCode::kNotFound, "--stream {}: no such site over positions: there is {}", Name(stream), there);
  }
  for (const int block : blocks) {
    if (has(chosen, [&](const SiteRow& row) { return row.site.block == block; })) continue;
    FailUsage(ErrorCode::kNotFound, "--block {}: no such site over positions: there is {}", block, there);
  }
  return chosen;
}

constexpr char kStandardOutput[] = "-";

bool GoesToStandardOutput(const ExportFlags& flags) { return flags.out == kStandardOutput; }

void StreamSite(IndexReader& reader, const std::vector<SiteRow>& sites, const ExportFlags& flags) {
  if (sites.size() != 1) {
    FailUsage("-: standard output takes one file, these are {}: name one by --stream, --block and --t-i", sites.size());
  }
  if (flags.json) FailUsage("--json: has no meaning where standard output takes what is exported");
  if (StdoutIsTerminal()) FailUsage("-: standard output is a terminal: send the bytes to a file or a pipe");
  ProgressBar progress;
  progress.Begin(Describe(sites[0].site), sites[0].row_count, "rows");
  StreamNpy(
      reader, sites[0].site, [](std::string_view bytes) { Print(std::string(bytes)); },
      [&](std::uint64_t done) { progress.Advance(done, 0); });
  progress.End();
}

void RunNpy(const CLI::App& /*command*/, const ExportFlags& flags) {
  IndexReader reader(GivenDirectory(flags.directory));
  const std::vector<SiteRow> sites = SitesToWrite(reader, flags);
  if (GoesToStandardOutput(flags)) return StreamSite(reader, sites, flags);
  const ExportFolder folder(flags.out);
  nlohmann::ordered_json written = nlohmann::ordered_json::array();
  ProgressBar progress;
  for (const SiteRow& row : sites) {
    const Site& site = row.site;
    const std::filesystem::path path = folder.path() / FileName(site);
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
  if (flags.json) PrintJson(std::move(written));
}

void RunActivations(const CLI::App& /*command*/, const ExportFlags& flags) {
  if (GoesToStandardOutput(flags)) FailUsage("-: activations are a folder of files: give its name");
  IndexReader reader(GivenDirectory(flags.directory));
  const std::vector<SiteRow> sites = PositionSitesToWrite(reader, flags);
  if (sites.empty()) FailUsage(ErrorCode::kNotFound, "{}: no site over positions", Printable(flags.directory));
  const ExportFolder folder(flags.out);
  ActivationsExportSummary summary;
  {
    ProgressBar progress;
    summary = ExportActivations(reader, sites, folder, progress);
  }
  if (flags.json) {
    PrintJson({{"folder", flags.out}, {"sites", sites.size()}, {"files", summary.files}, {"bytes", summary.bytes}});
    return;
  }
  Print(fmt::format("{}  {} sites over {} tokens, {} files, {}\n", Printable(flags.out), sites.size(),
                    Grouped(reader.corpus().token_count), summary.files.size(), HumanBytes(summary.bytes)));
}

void RunSimilarStrings(const CLI::App& command, const ExportFlags& flags) {
  if (GoesToStandardOutput(flags)) FailUsage("-: similar-strings are a folder of files: give its name");
  IndexReader reader(GivenDirectory(flags.directory));
  const int blocks = BlocksOf(reader);
  SimilarStringsRequest request;
  request.metric = ParseL2OrCosine(flags.metric);
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

void Run(const CLI::App& command, const ExportFlags& flags) {
  struct Layout {
    std::string_view name;
    std::vector<const char*> options;
    void (*run)(const CLI::App&, const ExportFlags&);
  };
  const std::vector<Layout> layouts = {
      {"npy", {"--stream", "--block", "--t-i"}, RunNpy},
      {"activations", {"--stream", "--block"}, RunActivations},
      {"similar-strings",
       {"--sample", "--seed", "--prompts", "--unknown", "--prompt-set", "-k", "--metric", "--t-i", "--batch"},
       RunSimilarStrings}};
  const auto layout = std::ranges::find(layouts, flags.layout, &Layout::name);
  if (layout == layouts.end()) FailUsage("--layout {}: expected similar-strings, npy or activations", flags.layout);
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
  CLI::App* command = app.add_subcommand("export", "Writes neighbors or vectors for a notebook");
  auto flags = std::make_shared<ExportFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command
      ->add_option("--layout", flags->layout,
                   "similar-strings: neighbors of prompts, as the study's JSON files; npy: the vectors of each site "
                   "over strings, "
                   "unrotated, as a NumPy array; activations: sites over positions, as a folder that import reads")
      ->required();
  command->add_option("OUT", flags->out, "The folder to write to; npy of one site: - is standard output")->required();
  command->add_option("--stream", flags->stream,
                      "npy: embedding, proj, ffwd or residual, or several separated by commas; activations: any names "
                      "of streams (default: all)");
  command->add_option("--block", flags->blocks,
                      "npy, activations: blocks, such as 1,3 or 0-5; npy: -1 is the last (default: all)");
  command->add_option(
      "--t-i", flags->t_is,
      "npy, similar-strings: positions, such as 7,8,9; -1 is the last (default: all; the longest built)");
  AddPromptOptions(*command, flags->prompts, SampleSeed::kOption, "similar-strings: ");
  command->add_option("-k", flags->k,
                      "similar-strings: how many neighbors (default: 10; a site of fewer rows then gives all of them)");
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
      "  actkin export gpl.actkin --layout activations recorded/\n"
      "  python3 -c \"import numpy; print(numpy.load('vectors/ffwd-b3-t9.npy', mmap_mode='r').shape)\"");
  command->callback([command, flags] { Run(*command, *flags); });
}

}  // namespace actkin
