#include "indexer/build/repair.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "indexer/build/corpus_files.h"
#include "indexer/build/site_files.h"
#include "indexer/model/torch_backend.h"
#include "indexer/text/prefix_tree.h"
#include "indexer/text/tokenizer_choice.h"
#include "schema/error.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/catalog/experiment_catalog.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/directory/publish.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr char kUnfinished[] = "repair-";

// What the catalog says of the damaged files.
struct Damage {
  bool model = false;
  bool tokenizer = false;
  CorpusFilesRow corpus;  // as the catalog has them
  bool corpus_tokens = false;
  bool corpus_suffixes = false;
  std::vector<std::pair<int, FileRow>> row_orders;  // by t_i
  std::vector<std::pair<SiteRow, FileRow>> embeddings;
  std::vector<std::pair<SiteRow, FileRow>> rows;
  std::vector<SiteRow> captured;  // all sites with rows, damaged or not
  std::vector<std::pair<SiteRow, SiteIndexRow>> approximate;
  std::vector<std::string> saved;     // by evaluations
  std::vector<std::string> imported;  // neighbors that came from elsewhere
};

Damage Sort(const IndexDirectory& directory, const std::set<std::string>& files) {
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  const auto is_damaged = [&](const FileRow& row) { return files.contains(row.file); };
  Damage damage;
  const std::optional<ModelRow> model = catalog.Model();
  damage.model = model && files.contains(model->file);
  const TokenizerRow tokenizer = catalog.Tokenizer();
  damage.tokenizer = tokenizer.file && is_damaged(*tokenizer.file);
  damage.corpus = catalog.CorpusFiles();
  damage.corpus_tokens = is_damaged(damage.corpus.tokens);
  damage.corpus_suffixes = is_damaged(damage.corpus.suffixes);
  for (const LengthRow& length : catalog.Lengths()) {
    const std::optional<FileRow> row = catalog.RowOrder(length.length - 1);
    if (row && is_damaged(*row)) damage.row_orders.emplace_back(length.length - 1, *row);
  }
  for (const SiteRow& site : catalog.Sites()) {
    if (!site.site.of_codes()) damage.captured.push_back(site);
    const std::vector<VectorFileRow> vectors = catalog.VectorFiles(site.site_id);
    for (const VectorFileRow& row : vectors) {
      if (!is_damaged(row.file)) continue;
      if (vectors.size() > 1 || row.file.file != IndexDirectory::Vectors(site.site)) {
        Fail("{}: damaged, and not of a build: bring it again", directory.Resolve(row.file.file).string());
      }
      damage.rows.emplace_back(site, row.file);
    }
    for (SiteIndexRow& index : catalog.SiteIndices(site.site_id)) {
      if (!is_damaged(index.file)) continue;
      if (index.name != kExactIndexName) {
        damage.approximate.emplace_back(site, std::move(index));
      } else if (site.site.of_codes()) {
        damage.embeddings.emplace_back(site, index.file);
      }
    }
  }
  ExperimentCatalog experiments(catalog);
  for (const PromptSetRow& set : experiments.PromptSets()) {
    std::vector<std::string>& lost = set.imported ? damage.imported : damage.saved;
    for (const auto& row : experiments.SavedNeighbors(set.prompt_set_id)) {
      if (is_damaged(row.file)) lost.push_back(row.file.file);
    }
    for (const auto& row : experiments.SavedBandTotals(set.prompt_set_id)) {
      if (is_damaged(row.file)) lost.push_back(row.file.file);
    }
    const std::optional<FileRow> predictions = experiments.SavedPredictions(set.prompt_set_id);
    if (predictions && is_damaged(*predictions)) lost.push_back(predictions->file);
  }
  return damage;
}

bool IsSame(const FileRow& a, const FileRow& b) { return a.bytes == b.bytes && a.checksum == b.checksum; }

class Repairer {
 public:
  Repairer(const IndexDirectory& directory, const RepairSource& source, const CaptureOptions& capture,
           ProgressListener& progress)
      : directory_(directory), source_(source), capture_(capture), progress_(progress) {}

  void Run(const Damage& damage) {
    if (damage.model) MakeModelCopy(directory_, Model(), source_.inputs.model_metadata);
    if (damage.tokenizer) MakeTokenizerCopy(directory_, source_.inputs.tokenizer.json);
    RepairCorpus(damage);
    for (const auto& [t_i, row] : damage.row_orders) Replace(row, MakeRowOrder(directory_, Tree(t_i), t_i));
    for (const auto& [site, row] : damage.embeddings) {
      Replace(row, MakeCodes(directory_, Tree(site.site.t_i), site.site.t_i, Model(), source_.inputs.beginning));
    }
    RemoveUnfinished("");
    for (const auto& [site, row] : damage.rows) RepairRows(damage, site, row);
    for (const auto& [site, index] : damage.approximate) {
      progress_.Note(fmt::format("{}: 'actkin index {} --add {} --metric {}' makes it again", index.file.file,
                                 directory_.path().string(), index.name, Name(index.metric.value_or(Metric::kL2))));
    }
    for (const std::string& file : damage.saved) {
      ExperimentWriter(directory_).ForgetFile(directory_, file);
      progress_.Note(fmt::format("{}: forgotten, the next evaluation makes it again", file));
    }
    for (const std::string& file : damage.imported) {
      progress_.Note(fmt::format("{}: was imported: the same 'actkin import' makes it again", file));
    }
  }

 private:
  // Suffixes are of their tokens' bytes.
  void RepairCorpus(const Damage& damage) {
    bool suffixes = damage.corpus_suffixes;
    if (damage.corpus_tokens) {
      const FileRow now =
          MakeCorpusTokens(directory_, source_.inputs.tokens, source_.inputs.tokenizer.tokenizer->size());
      suffixes |= !IsSame(damage.corpus.tokens, now);
      Replace(damage.corpus.tokens, now);
    }
    if (suffixes) Replace(damage.corpus.suffixes, MakeCorpusSuffixes(directory_, progress_));
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

  // Rows come out as they were when they are computed beside the same sites as then. Those were, most likely, all that
  // the directory has; else those of the same position.
  void RepairRows(const Damage& damage, const SiteRow& site, const FileRow& before) {
    std::vector<Site> all;
    std::vector<Site> of_position;
    for (const SiteRow& other : damage.captured) {
      if (other.element != site.element) continue;
      all.push_back(other.site);
      if (other.site.t_i == site.site.t_i) of_position.push_back(other.site);
    }
    FileRow now = CaptureRows(site, all);
    if (!IsSame(before, now) && of_position != all) now = CaptureRows(site, of_position);
    if (!IsSame(before, now)) {
      progress_.Note(fmt::format("{}: computed again with other last digits: add the approximate indices of {} again",
                                 now.file, Describe(site.site)));
      CatalogWriter(directory_).SetRows(site.site_id, now);
    }
    RemoveUnfinished("");
  }

  FileRow CaptureRows(const SiteRow& site, const std::vector<Site>& computed) {
    CapturePlan plan{{site.site}, computed, site.element, site.dimension, ""};
    std::string text = fmt::format("{}\n{}\n{}", source_.inputs.Fingerprint(), Name(site.element), Describe(site.site));
    for (const Site& other : computed) text += "\n" + Describe(other);
    plan.fingerprint = kUnfinished + Sha256(text).substr(0, 12);
    RemoveUnfinished(plan.fingerprint);
    const PrefixTree tree(source_.strings, std::ranges::max(computed, {}, &Site::t_i).t_i + 1);
    const std::unique_ptr<Transformer> model = LoadTorchBackend().NewTransformer(Model());
    const CapturedFile file = Capture(plan, tree, *model, directory_, capture_, progress_).front();
    return PublishFile(directory_, file.path, IndexDirectory::Vectors(site.site), file.header_checksum);
  }

  const IndexDirectory& directory_;
  const RepairSource& source_;
  const CaptureOptions& capture_;
  ProgressListener& progress_;
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
      Fail("{}: {}: {}: a build cannot repair the catalog: restore it from a copy, or give --out a new name",
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
  Repairer(directory, source, capture, progress).Run(Sort(directory, damaged));
}

}  // namespace actkin
