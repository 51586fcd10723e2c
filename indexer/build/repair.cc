#include "indexer/build/repair.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "indexer/build/corpus_files.h"
#include "indexer/build/position_capture.h"
#include "indexer/build/position_sites.h"
#include "indexer/build/site_files.h"
#include "indexer/build/site_sketches.h"
#include "indexer/build/site_statistics.h"
#include "indexer/model/forward_backend.h"
#include "indexer/text/prefix_tree.h"
#include "indexer/text/tokenizer_choice.h"
#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/publish.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr char kUnfinished[] = "repair-";

bool IsSame(const FileRow& a, const FileRow& b) { return a.bytes == b.bytes && a.checksum == b.checksum; }

class Repairer {
 public:
  Repairer(const IndexDirectory& directory, const RepairSource& source, const CaptureOptions& capture,
           ProgressListener& progress)
      : directory_(directory), source_(source), capture_(capture), progress_(progress) {}

  void Run(const std::set<std::string>& damaged) {
    std::vector<DirectoryFile> files;
    {
      const auto connection = OpenCatalog(directory_);
      Catalog catalog(connection->handle());
      files = ListFiles(catalog);
      sites_ = catalog.Sites();
      position_sets_ = catalog.PositionSets();
    }
    std::map<std::int64_t, std::vector<DirectoryFile>> captured;  // by capture
    for (const DirectoryFile& file : files) {
      if (!damaged.contains(file.file.file)) continue;
      const bool none = file.kind == DirectoryFile::Kind::kSketches && file.site->element == Element::kNone;
      if (file.kind == DirectoryFile::Kind::kVectors || none) {
        captured[RequireCaptured(file)].push_back(file);
      } else {
        RepairFile(file);
      }
    }
    if (captured.empty()) RemoveUnfinished("");
    for (const auto& [capture_id, rows] : captured) RepairRows(capture_id, rows);
  }

 private:
  void RepairFile(const DirectoryFile& file) {
    using Kind = DirectoryFile::Kind;
    switch (file.kind) {
      case Kind::kModel:
        MakeModelCopy(directory_, Model(), source_.inputs.model_metadata);
        return;
      case Kind::kTokenizer:
        MakeTokenizerCopy(directory_, source_.inputs.tokenizer.json);
        return;
      case Kind::kCorpusTokens:
        return RepairTokens(file.file);
      case Kind::kCorpusSuffixes:
        return Replace(file.file, MakeCorpusSuffixes(directory_, progress_));
      case Kind::kRowOrder:
        return Replace(file.file, MakeRowOrder(directory_, Tree(file.t_i), file.t_i));
      case Kind::kPositions:
        return RepairPositions(file);
      case Kind::kCodes: {
        const int t_i = file.site->site.t_i;
        return Replace(file.file, MakeCodes(directory_, Tree(t_i), t_i, Model(), source_.inputs.beginning));
      }
      case Kind::kVectors:
        return;  // together with those of its capture
      case Kind::kSketches:
        return;  // of a site without any they are made at the end of every build
      case Kind::kApproximateIndex:
        return progress_.Note(fmt::format("{}: 'actkin index {} --add {} --metric {}' makes it again", file.file.file,
                                          directory_.path().string(), file.index->name,
                                          Name(file.index->metric.value_or(Metric::kL2))));
      case Kind::kSavedNeighbors:
      case Kind::kSavedBandTotals:
      case Kind::kSavedPredictions:
        return ForgetSaved(file);
    }
  }

  void RepairPositions(const DirectoryFile& file) {
    const std::optional<PositionChoice> choice = PositionChoice::OfName(file.positions->name);
    if (!choice || choice->all()) RefuseForeign(file);
    Replace(file.file, *CorpusPositions(source_.inputs.tokens, {1, 1, *choice}).MakeFile(directory_));
  }

  [[noreturn]] void RefuseForeign(const DirectoryFile& file) const {
    Fail("{}: damaged, and not of a build: the same 'actkin import --repair' makes it again",
         directory_.Resolve(file.file.file).string());
  }

  void ForgetSaved(const DirectoryFile& file) {
    if (file.prompts->imported) {
      return progress_.Note(fmt::format("{}: was imported: the same 'actkin import' makes it again", file.file.file));
    }
    ExperimentWriter(directory_).ForgetFile(directory_, file.file.file);
    progress_.Note(fmt::format("{}: forgotten, the next evaluation makes it again", file.file.file));
  }

  // Suffixes are of their tokens' bytes.
  void RepairTokens(const FileRow& before) {
    const FileRow now = MakeCorpusTokens(directory_, source_.inputs.tokens, source_.inputs.tokenizer.tokenizer->size());
    Replace(before, now);
    if (IsSame(before, now)) return;
    const auto connection = OpenCatalog(directory_);
    Replace(Catalog(connection->handle()).CorpusFiles().suffixes, MakeCorpusSuffixes(directory_, progress_));
  }

  // Of a depth that serves t_i; the last one is kept.
  const PrefixTree& Tree(int t_i) {
    if (!tree_ || tree_->depth() <= t_i) tree_ = std::make_unique<PrefixTree>(source_.strings, t_i + 1);
    return *tree_;
  }

  const ModelTensors& Model() const {
    if (!source_.inputs.checkpoint) Fail("{}: has no model to repair its sites with", directory_.path().string());
    return source_.inputs.model();
  }

  void Replace(const FileRow& before, const FileRow& now) {
    if (!IsSame(before, now)) CatalogWriter(directory_).SetFile(now);
  }

  // Captures of earlier repairs, but the one named.
  void RemoveUnfinished(const std::string& but) {
    const std::string prefix = directory_.Capture(kUnfinished).filename();
    for (const auto& entry : std::filesystem::directory_iterator(directory_.Partial())) {
      const std::string name = entry.path().filename();
      if (name.starts_with(prefix) && entry.path() != directory_.Capture(but))
        std::filesystem::remove_all(entry.path());
    }
  }

  // The capture that a file of rows comes from.
  std::int64_t RequireCaptured(const DirectoryFile& file) const {
    const std::string of_build = file.kind == DirectoryFile::Kind::kSketches ? IndexDirectory::Sketches(file.site->site)
                                                                             : IndexDirectory::Vectors(file.site->site);
    if (file.site->capture_id && file.file.file == of_build) {
      return *file.site->capture_id;
    }
    RefuseForeign(file);
  }

  // Rows come out as they were: which outputs are computed together decides their last digits, and these are the same
  // as then.
  void RepairRows(std::int64_t capture_id, const std::vector<DirectoryFile>& damaged) {
    const SiteRow& first = *damaged.front().site;
    std::vector<Site> sites;
    for (const DirectoryFile& file : damaged) sites.push_back(file.site->site);
    std::vector<CapturedFile> captured;
    if (first.site.over_positions()) {
      captured = CapturePositionsAgain(first, damaged.front(), std::move(sites));
    } else {
      const Element element = first.element == Element::kNone ? Element::kFloat32 : first.element;
      CapturePlan plan{std::move(sites), {}, element, first.dimension, ""};
      for (const SiteRow& site : sites_) {
        if (site.capture_id == capture_id) plan.computed.push_back(site.site);
      }
      captured = CaptureAgain(std::move(plan));
    }
    for (std::size_t i = 0; i < damaged.size(); ++i) {
      const SiteRow& site = *damaged[i].site;
      if (site.element == Element::kNone) {
        RepairSketches(site, captured[i], damaged[i].file);
        continue;
      }
      const FileRow now = PublishFile(directory_, captured[i].path, damaged[i].file.file, captured[i].header_checksum);
      if (IsSame(damaged[i].file, now)) continue;
      progress_.Note(fmt::format("{}: computed again with other last digits: add the approximate indices of {} again",
                                 now.file, Describe(site.site)));
      CatalogWriter(directory_).SetRows(site.site_id, now);
    }
    RemoveUnfinished("");
  }

  // Of rows that are not kept.
  void RepairSketches(const SiteRow& site, const CapturedFile& captured, const FileRow& before) {
    std::vector<VectorFile> files;
    files.emplace_back(captured.path);
    const RowSource rows(std::move(files));
    const auto unheard = [](std::uint64_t) {};
    const FileRow now = MakeSketches(directory_, site.site, rows, capture_.threads, unheard);
    if (IsSame(before, now)) return;
    CatalogWriter(directory_)
        .SetExactIndex(site.site_id, now, 0, StatisticsOfSketched(directory_, now, rows, capture_.threads, unheard));
  }

  std::vector<CapturedFile> CaptureAgain(CapturePlan plan) {
    std::string text = fmt::format("{}\n{}", source_.inputs.Fingerprint(), Name(plan.element));
    for (const Site& site : plan.sites) text += "\n" + Describe(site);
    text += "\nbeside";
    for (const Site& site : plan.computed) text += "\n" + Describe(site);
    plan.fingerprint = kUnfinished + Sha256(text).substr(0, 12);
    RemoveUnfinished(plan.fingerprint);
    const PrefixTree tree(source_.strings, std::ranges::max(plan.computed, {}, &Site::t_i).t_i + 1);
    const std::unique_ptr<Transformer> model = LoadForwardBackend().NewTransformer(Model());
    return Capture(plan, tree, *model, directory_, capture_, progress_);
  }

  // Rows over positions do not depend on what is computed beside them.
  std::vector<CapturedFile> CapturePositionsAgain(const SiteRow& site, const DirectoryFile& file,
                                                  std::vector<Site> sites) {
    const auto set = std::ranges::find(position_sets_, *site.position_set_id, &PositionSetRow::position_set_id);
    const std::optional<PositionPlan> seen = set == position_sets_.end() ? std::nullopt : PlanOfSite(site, *set);
    if (!seen) RefuseForeign(file);
    PositionCapturePlan plan{std::move(sites), site.element, site.dimension, ""};
    plan.fingerprint = kUnfinished + PositionFingerprint(source_.inputs, *seen, site.element, plan.sites);
    RemoveUnfinished(plan.fingerprint);
    const CorpusPositions positions(source_.inputs.tokens, *seen);
    const std::unique_ptr<Transformer> model = LoadForwardBackend().NewTransformer(Model());
    return CapturePositions(plan, positions.seen(), *model, directory_, capture_, progress_);
  }

  const IndexDirectory& directory_;
  const RepairSource& source_;
  const CaptureOptions& capture_;
  ProgressListener& progress_;
  std::vector<SiteRow> sites_;
  std::vector<PositionSetRow> position_sets_;
  std::unique_ptr<PrefixTree> tree_;
};

}  // namespace

std::set<std::string> FindDamagedFiles(const IndexDirectory& directory, VerifyDepth depth, ProgressListener& progress) {
  std::vector<Finding> findings;
  Verify(
      directory, depth,
      [&](const Finding& finding) {
        if (finding.kind == Finding::Kind::kDamaged) findings.push_back(finding);
      },
      progress);
  std::set<std::string> files;
  for (const Finding& finding : findings) {
    if (finding.what.starts_with("catalog.db")) {
      Fail("{}: {}: {}: a build cannot repair the catalog: restore it from a copy, or give `out` a new name",
           directory.path().string(), finding.what, finding.line);
    }
    progress.Note(fmt::format("damaged: {}", finding.line));
    files.insert(finding.what);
  }
  return files;
}

void Repair(const IndexDirectory& directory, const std::set<std::string>& damaged, const RepairSource& source,
            const CaptureOptions& capture, ProgressListener& progress) {
  for (const std::string& file : damaged) {
    const std::filesystem::path path = directory.path() / file;
    if (std::filesystem::is_directory(path)) {
      Fail("{}: a folder in a file's place: move it away and run the same command again", path.string());
    }
  }
  Repairer(directory, source, capture, progress).Run(damaged);
}

}  // namespace actkin
