#include "tools/command/flags/stream_sites.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "indexer/build/build.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/formats/saved_neighbors_file.h"
#include "storage/formats/sketch_file.h"
#include "storage/formats/vector_file.h"
#include "storage/machine/file.h"
#include "storage/machine/given_input.h"
#include "storage/machine/sha256.h"
#include "tools/output/terminal.h"

namespace actkin {
namespace {

// Of the free disk, what sites may take where the user does not say. The rest is for the catalog of their directory,
// and for others.
constexpr double kShareOfDisk = 0.8;

// Block by block, so that a forward pass ends early; the last t_i first, where prompts find their own rows.
struct StreamOrder {
  bool operator()(const Site& a, const Site& b) const {
    return std::tuple(a.block, -a.t_i, a.stream) < std::tuple(b.block, -b.t_i, b.stream);
  }
};

class SiteStreamer {
 public:
  SiteStreamer(Experiment& experiment, std::span<const NeighborNeed> needs, const StreamOptions& options)
      : experiment_(experiment),
        options_(options),
        folder_(experiment.reader().directory().Partial() / "stream"),
        plan_file_(folder_ / "sites.txt"),
        index_(folder_ / "index.actkin") {
    const ModelRow model = experiment.reader().catalog().Model().value();
    model_ = experiment.reader().directory().Resolve(model.file);
    embed_ = static_cast<std::uint64_t>(model.shape.embed);
    for (const NeighborNeed& need : needs) needs_[need.site].push_back(need);
  }

  void Run() {
    std::vector<Site> sites;
    for (const auto& [site, needs] : needs_) sites.push_back(site);
    const bool is_done = std::ranges::all_of(sites, [this](const Site& site) { return IsDone(site); });
    if (is_done && !std::filesystem::exists(folder_)) return;
    experiment_.Lock();
    std::vector<Site> group = LeftPlan(sites);
    while (true) {
      std::erase_if(sites, [this](const Site& site) { return IsDone(site); });
      if (sites.empty()) break;
      if (group.empty()) group = MakePlan(sites);
      if (!std::ranges::all_of(group, [this](const Site& site) { return IsDone(site); })) {
        BuildSites(group);
        Search(group);
      }
      Clear();
      group.clear();
    }
    Clear();
  }

 private:
  bool IsDone(const Site& site) const {
    return std::ranges::all_of(needs_.at(site), [this](const NeighborNeed& need) { return experiment_.Has(need); });
  }

  // Without its plan a folder is nothing to continue, so that goes first.
  void Clear() const {
    std::filesystem::remove(plan_file_);
    std::filesystem::remove_all(folder_);
  }

  // What a killed run was at, where all of that is still asked for; else nothing, and what it left is gone.
  std::vector<Site> LeftPlan(std::span<const Site> sites) const {
    std::vector<Site> group;
    std::set<std::string> names;
    if (std::filesystem::exists(plan_file_)) {
      std::istringstream lines(ReadFile(plan_file_));
      for (std::string line; std::getline(lines, line);) names.insert(line);
    }
    std::ranges::copy_if(sites, std::back_inserter(group),
                         [&](const Site& site) { return names.contains(Describe(site)); });
    if (group.size() != names.size()) group.clear();
    if (group.empty()) Clear();
    return group;
  }

  std::vector<Site> MakePlan(std::span<const Site> sites) const {
    std::uint64_t for_neighbors = 0;
    for (const Site& site : sites) {
      for (const NeighborNeed& need : needs_.at(site)) {
        if (need.k) for_neighbors += SavedNeighborsWriter::FileBytes(experiment_.set().prompts.size(), *need.k);
      }
    }
    const std::uint64_t free = FreeDiskBytes(experiment_.reader().directory().path());
    const auto share = static_cast<std::uint64_t>(kShareOfDisk * static_cast<double>(free));
    const std::uint64_t room = options_.bytes.value_or(share - std::min(share, for_neighbors));
    std::vector<Site> group;
    std::uint64_t bytes = 0;
    for (const Site& site : sites) {
      const std::uint64_t more = SiteBytes(site.t_i);
      if (bytes + more > room && !group.empty()) break;
      group.push_back(site);
      bytes += more;
    }
    if (bytes + for_neighbors > free) {
      Fail("{}: sites of {} at once and neighbors of {} are to be written, {} are free: free some space{}",
           experiment_.reader().directory().path().string(), HumanBytes(bytes), HumanBytes(for_neighbors),
           HumanBytes(free), options_.bytes ? ", or give a smaller --stream-disk" : "");
    }
    std::string names;
    for (const Site& site : group) names += Describe(site) + "\n";
    std::filesystem::create_directories(folder_);
    ReplaceFile(plan_file_, names);
    experiment_.progress().Note(fmt::format("{} of {} sites to search: {} to {}, {} on disk until they are searched",
                                            group.size(), sites.size(), Describe(group.front()), Describe(group.back()),
                                            HumanBytes(bytes)));
    return group;
  }

  std::uint64_t SiteBytes(int t_i) const {
    std::uint64_t rows = 0;
    for (const LengthRow& row : experiment_.reader().catalog().Lengths()) {
      if (row.length == t_i + 1) rows = row.row_count;
    }
    const std::uint64_t sketches =
        rows < kFewestRowsWithSketches ? 0 : SketchFileWriter::FileBytes(embed_, rows, kUsualLevels);
    return VectorFileWriter::FileBytes(Element::kFloat32, embed_, rows) + sketches;
  }

  void BuildSites(const std::vector<Site>& group) const {
    BuildOptions build;
    build.corpus.inputs = {options_.corpus};
    build.out = index_;
    build.model = model_;
    build.string_length = experiment_.reader().string_length();
    // Cut and begun as the directory is.
    Catalog& catalog = experiment_.reader().catalog();
    if (const TokenizerRow row = catalog.Tokenizer(); row.file) {
      build.tokenizer = experiment_.reader().directory().Resolve(row.file->file);
    }
    build.bos_token_id = catalog.Model().value().bos_token_id;
    if (!build.bos_token_id) build.beginning = Beginning::kNever;
    build.streams.clear();
    build.sites = group;
    build.threads = experiment_.threads();
    Build(build, experiment_.progress());
  }

  void Search(const std::vector<Site>& group) const {
    IndexReader built{IndexDirectory(index_)};
    for (const Site& site : group) {
      for (const NeighborNeed& need : needs_.at(site)) experiment_.FindIn(built, need);
    }
  }

  Experiment& experiment_;
  const StreamOptions& options_;
  const std::filesystem::path folder_;
  const std::filesystem::path plan_file_;  // a site a line
  const std::filesystem::path index_;
  std::filesystem::path model_;
  std::uint64_t embed_ = 0;
  std::map<Site, std::vector<NeighborNeed>, StreamOrder> needs_;
};

}  // namespace

void RequireStreamable(Experiment& experiment, std::span<const NeighborNeed> needs, const StreamOptions& options) {
  IndexReader& reader = experiment.reader();
  const std::string directory = reader.directory().path().string();
  const std::optional<ModelRow> model = reader.catalog().Model();
  bool is_missing = false;
  for (const NeighborNeed& need : needs) {
    if (experiment.CanFind(need)) continue;
    is_missing = true;
    if (!model) FailUsage("--stream-sites: {} has no model, so its sites cannot be built", directory);
    if (need.site.t_i >= model->shape.context) {
      FailUsage("t_i {}: the model's context has {} positions", need.site.t_i, model->shape.context);
    }
  }
  if (is_missing && Sha256(ReadInput(options.corpus)) != reader.corpus().sha256) {
    FailUsage("--stream-sites {}: not the text that {} was made from ({})", InputName(options.corpus), directory,
              Quote(reader.corpus().name));
  }
}

void StreamSites(Experiment& experiment, std::span<const NeighborNeed> needs, const StreamOptions& options) {
  if (!needs.empty() && experiment.reader().catalog().Model()) SiteStreamer(experiment, needs, options).Run();
}

}  // namespace actkin
