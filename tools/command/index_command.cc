#include <memory>
#include <nlohmann/json.hpp>

#include "indexer/build/approximate_build.h"
#include "query/approximate/index_parameters.h"
#include "schema/error.h"
#include "tools/command/commands.h"
#include "tools/command/stop_signals.h"
#include "tools/output/json_output.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

struct IndexFlags {
  std::string directory;
  std::string add;
  std::string drop;
  std::string streams;
  std::string blocks;
  std::string t_is;
  std::string metric;
  std::string parameters;
  int threads = 1;
  bool json = false;
};

void Run(const IndexFlags& flags) {
  if (flags.add.empty() == flags.drop.empty()) FailUsage("give one of --add and --drop, with the name of an index");
  const IndexDirectory directory(flags.directory);
  const SiteFilter sites = ParseSiteFilter(flags.streams, flags.blocks, flags.t_is);
  nlohmann::ordered_json changed = nlohmann::ordered_json::array();
  ProgressBar progress;
  std::uint64_t bytes = 0;
  const auto report = [&](const Site& site, const SiteIndexRow& index) {
    bytes += index.file.bytes;
    changed.push_back({{"stream", Name(site.stream)},
                       {"block", site.block},
                       {"t_i", site.t_i},
                       {"name", index.name},
                       {"metric", Name(*index.metric)},
                       {"bytes", index.file.bytes},
                       {"build_seconds", index.build_seconds}});
    if (!flags.json) {
      Print(fmt::format("{} {}: {}, {}{}\n", flags.add.empty() ? "dropped" : "added", Describe(index), Describe(site),
                        HumanBytes(index.file.bytes),
                        flags.add.empty() ? "" : ", built in " + HumanSeconds(index.build_seconds)));
    }
  };
  if (flags.add.empty()) {
    if (!flags.parameters.empty()) FailUsage("--param {}: is for --add", flags.parameters);
    std::optional<Metric> metric;
    if (!flags.metric.empty()) metric = ParseL2OrCosine(flags.metric);
    DropApproximateIndex(directory, flags.drop, metric, sites, report);
  } else {
    EndOnSignal();
    const Metric metric = flags.metric.empty() ? Metric::kL2 : ParseL2OrCosine(flags.metric);
    AddApproximateIndex(directory, {flags.add, metric, ParseIndexParameters(flags.parameters), flags.threads}, sites,
                        progress, report);
  }
  if (flags.json) {
    PrintJson({{flags.add.empty() ? "dropped" : "added", std::move(changed)}});
  }
}

}  // namespace

void AddIndexCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("index", "Adds or drops approximate indices of sites that are built");
  auto flags = std::make_shared<IndexFlags>();
  command->add_option("DIRECTORY", flags->directory, "The index directory, NAME.actkin")->required();
  command->add_option("--add", flags->add, "A faiss::index_factory string, such as HNSW32 or IVF1024,PQ48np");
  command->add_option("--drop", flags->drop, "The name of an index that was added");
  command->add_option("--stream", flags->streams, "proj, ffwd or residual (default: proj and ffwd)");
  command->add_option("--block", flags->blocks, "Blocks, such as 1,3 or 0-5; -1 is the last (default: all)");
  command->add_option("--t-i", flags->t_is, "Positions, such as 9 or 7-9; -1 is the last (default: all)");
  command->add_option("--metric", flags->metric, "l2 or cosine (default: l2; for --drop both)");
  command->add_option("--param", flags->parameters, "Parameters to build with, such as efConstruction=200");
  command->add_flag("--json", flags->json, "Print what was added or dropped as JSON");
  AddThreadsOption(*command, flags->threads);
  command->footer(
      "Examples:\n"
      "  actkin index gpl.actkin --add HNSW32 --block -1 --t-i -1       # links over the sites' own rows\n"
      "  actkin index gpl.actkin --add HNSW16 --param efConstruction=200 --stream proj --block -1 --t-i -1\n"
      "  actkin index gpl.actkin --add IVF64,PQ16np --stream ffwd --block 3 --t-i 9 --metric cosine\n"
      "  actkin query gpl.actkin 'the licens' --index HNSW32 --param efSearch=64\n"
      "  actkin index gpl.actkin --drop HNSW32");
  command->callback([flags] { Run(*flags); });
}

}  // namespace actkin
