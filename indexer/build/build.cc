#include "indexer/build/build.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

#include "indexer/build/build_inputs.h"
#include "indexer/build/capture.h"
#include "indexer/build/corpus_files.h"
#include "indexer/build/existing_directory.h"
#include "indexer/build/forecast.h"
#include "indexer/build/position_sites.h"
#include "indexer/build/repair.h"
#include "indexer/build/site_files.h"
#include "indexer/build/site_sketches.h"
#include "indexer/build/site_statistics.h"
#include "indexer/model/checkpoint.h"
#include "indexer/model/forward_backend.h"
#include "indexer/text/catalog_build.h"
#include "indexer/text/corpus.h"
#include "indexer/text/prefix_tree.h"
#include "indexer/text/string_levels.h"
#include "indexer/text/tokenizer_choice.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/directory/publish.h"
#include "storage/machine/file.h"
#include "storage/machine/given_input.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string Gigabytes(std::uint64_t bytes) {
  return bytes < 100'000'000 ? fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6)
                             : fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

class Builder {
 public:
  Builder(const BuildOptions& options, ProgressListener& progress)
      : options_(options), progress_(progress), directory_(options.out) {}

  BuildSummary Run() {
    const Clock::time_point start = Clock::now();
    RefuseForeignFolder(directory_);
    ExistingDirectory existing = ReadExisting(directory_);
    inputs_ = ReadBuildInputs(options_, directory_, existing, progress_);
    plan_ = PlanSites(options_, inputs_, existing);
    directory_.Create();
    const BuildLock lock(directory_);
    existing = ReadExisting(directory_);  // as it is now that nobody else can change it
    RequireSameInputs(inputs_, options_, directory_, existing);
    if (existing.corpus) FindDamage(existing);
    strings_ = std::make_unique<StringLevels>(inputs_.tokens.tokens, inputs_.tokens.Positions(),
                                              inputs_.tokenizer.tokenizer->size(), inputs_.string_length);
    summary_.strings = strings_->FirstStringId(inputs_.string_length + 1) - 1;
    RequireSamePositions(directory_, existing, plan_.seen, plan_.positions);
    if (!plan_.positions.empty()) positions_.emplace(inputs_.tokens, plan_.seen);
    const SitePlan asked = plan_;
    summary_.sites_before = DropPresentSites(existing, plan_);
    RemoveRegistered(asked);
    CheckDisk(existing);
    if (!existing.corpus) MakeCatalog();
    if (inputs_.checkpoint && !existing.model) AddModel();
    if (existing.corpus) RepairDamage();
    if (inputs_.checkpoint) AddSites(existing);
    summary_.bytes_added += AddSketches(directory_, damaged_, options_.threads, progress_);
    AddStatistics(directory_, options_.threads, progress_);
    NoteLeftovers();
    summary_.seconds = SecondsSince(start);
    return summary_;
  }

 private:
  // Captures of a build that was killed when its sites were registered.
  void RemoveRegistered(const SitePlan& asked) {
    if (!inputs_.checkpoint) return;
    if (plan_.captured.empty()) std::filesystem::remove_all(directory_.Capture(Plan(asked.captured).fingerprint));
    if (positions_ && plan_.positions.empty()) {
      std::filesystem::remove_all(directory_.Capture(PositionCapture(asked.positions).fingerprint));
    }
  }

  void FindDamage(const ExistingDirectory& existing) {
    const VerifyDepth depth = options_.repair ? VerifyDepth::kEveryByte : VerifyDepth::kHeaders;
    damaged_ = FindDamagedFiles(directory_, depth, progress_);
    // Small, and read anyway.
    if (existing.model && inputs_.checkpoint && !damaged_.contains(existing.model->file) &&
        Sha256(MappedFile(directory_.Resolve(existing.model->file)).bytes()) != inputs_.model_sha256) {
      progress_.Note(fmt::format("damaged: {}", existing.model->file));
      damaged_.insert(existing.model->file);
    }
    if (existing.tokenizer->file && !damaged_.contains(existing.tokenizer->file->file) &&
        ReadFile(directory_.Resolve(existing.tokenizer->file->file)) != inputs_.tokenizer.json) {
      progress_.Note(fmt::format("damaged: {}", existing.tokenizer->file->file));
      damaged_.insert(existing.tokenizer->file->file);
    }
    summary_.files_repaired = damaged_.size();
  }

  void RepairDamage() { Repair(directory_, damaged_, {inputs_, *strings_}, How(), progress_); }

  // Of an unfinished capture.
  std::uint64_t CapturedBytes(const std::string& fingerprint) const {
    std::uint64_t bytes = 0;
    const std::filesystem::path folder = directory_.Capture(fingerprint);
    if (!std::filesystem::exists(folder)) return 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) bytes += AllocatedBytes(file.path());
    return bytes;
  }

  void CheckDisk(const ExistingDirectory& existing) {
    const BuildForecast forecast = ForecastBytes(options_, inputs_, plan_, *strings_, existing);
    std::uint64_t already = 0;
    if (!plan_.captured.empty()) already += CapturedBytes(Plan(plan_.captured).fingerprint);
    if (!plan_.positions.empty()) already += CapturedBytes(PositionCapture(plan_.positions).fingerprint);
    const std::uint64_t needed = forecast.peak_bytes();
    if (needed == 0) return;
    const std::uint64_t remaining = needed - std::min(already, needed);
    if (remaining > forecast.free_bytes) {
      for (const SiteForecast& site : forecast.sites) {
        progress_.Note(fmt::format("{} {}, {} {} of {} rows: {}", Name(site.stream),
                                   site.t_i == kOverPositions ? "over positions" : fmt::format("t_i {}", site.t_i),
                                   site.blocks.size(), site.blocks.size() == 1 ? "block" : "blocks", site.rows,
                                   Gigabytes(site.bytes)));
      }
      Fail(ErrorCode::kOutOfSpace,
           "{}: needs {} more on disk, {} are free: free some space, name fewer `t_i`, `blocks` or `streams`, {}or "
           "make rows smaller with `rows` float16 or int8",
           directory_.path().string(), Gigabytes(remaining), Gigabytes(forecast.free_bytes),
           plan_.positions.empty() ? "" : "keep fewer positions by `every` or `sample`, ");
    }
    progress_.Note(fmt::format("needs {} on disk ({} free)", Gigabytes(needed), Gigabytes(forecast.free_bytes)));
  }

  void MakeCatalog() {
    const std::filesystem::path partial = directory_.Partial() / directory_.Catalog().filename();
    if (!inputs_.tokenizer.json.empty()) MakeTokenizerCopy(directory_, inputs_.tokenizer.json);
    CorpusFilesRow files;
    files.tokens = MakeCorpusTokens(directory_, inputs_.tokens, inputs_.tokenizer.tokenizer->size());
    files.suffixes = MakeCorpusSuffixes(directory_, progress_);
    WriteCatalog(partial, inputs_.corpus, inputs_.tokens, files, *inputs_.tokenizer.tokenizer, inputs_.tokenizer.row(),
                 *strings_, progress_);
    RenameDurably(partial, directory_.Catalog());
  }

  void AddModel() {
    const FileRow file = MakeModelCopy(directory_, inputs_.model(), inputs_.model_metadata);
    CatalogWriter(directory_).SetModel({file.file, file.checksum, inputs_.shape(), inputs_.beginning});
  }

  std::uint64_t Embed() const { return static_cast<std::uint64_t>(inputs_.shape().embed); }

  CapturePlan Plan(const std::vector<Site>& sites) const {
    CapturePlan plan{sites, {}, CapturedElement(), Embed(), {}};
    std::string text = fmt::format("{} {}", inputs_.Fingerprint(), Name(options_.element));
    for (const Site& site : sites) text += "\n" + Describe(site);
    plan.fingerprint = Sha256(text).substr(0, 12);
    return plan;
  }

  PositionCapturePlan PositionCapture(const std::vector<Site>& sites) const {
    return {sites, CapturedElement(), Embed(),
            PositionFingerprint(inputs_, positions_->plan(), options_.element, sites)};
  }

  // Rows that are not kept are captured as they are.
  Element CapturedElement() const { return options_.element == Element::kNone ? Element::kFloat32 : options_.element; }

  LengthRow Length(int t_i) const {
    return {t_i + 1, strings_->level(t_i + 1).size(), strings_->RowCount(t_i + 1), strings_->FirstStringId(t_i + 1)};
  }

  NewSite NewSiteRow(const Site& site, std::uint64_t dimension) const {
    NewSite row;
    row.site = {
        0,
        site,
        dimension,
        strings_->RowCount(site.t_i + 1),
        strings_->FirstStringId(site.t_i + 1),
        site.of_codes() ? Element::kFloat32 : ElementOf(options_.element, strings_->RowCount(site.t_i + 1), dimension)};
    return row;
  }

  // What a build adds, all registered at once.
  struct Added {
    std::vector<NewSite> sites;
    std::vector<std::pair<LengthRow, FileRow>> row_orders;
    std::vector<std::filesystem::path> captures;  // folders that are empty by then
  };

  void AddSites(const ExistingDirectory& existing) {
    if (plan_.embedding.empty() && plan_.captured.empty() && plan_.positions.empty()) return;
    const std::unique_ptr<Transformer> model = plan_.captured.empty() && plan_.positions.empty()
                                                   ? nullptr
                                                   : LoadForwardBackend().NewTransformer(inputs_.model());
    Added added;
    if (!plan_.embedding.empty() || !plan_.captured.empty()) AddOverStrings(existing, model.get(), added);
    if (!plan_.positions.empty()) AddOverPositions(existing, *model, added);
    for (const NewSite& site : added.sites) summary_.bytes_added += site.indices[0].file.bytes;
    summary_.sites_added = added.sites.size();
    CatalogWriter(directory_).AddSites(added.sites, added.row_orders);
    for (const std::filesystem::path& folder : added.captures) std::filesystem::remove_all(folder);
  }

  void AddOverStrings(const ExistingDirectory& existing, const Transformer* model, Added& added) {
    std::set<int> t_is;
    for (const auto* sites : {&plan_.embedding, &plan_.captured}) {
      for (const Site& site : *sites) t_is.insert(site.t_i);
    }
    const PrefixTree tree(*strings_, *t_is.rbegin() + 1);
    std::vector<CapturedFile> captured;
    const Clock::time_point start = Clock::now();
    if (!plan_.captured.empty()) captured = RunCapture(tree, *model);
    const double capture_seconds = SecondsSince(start);
    for (const int t_i : t_is) {
      if (!existing.row_orders.contains(t_i)) {
        added.row_orders.emplace_back(Length(t_i), MakeRowOrder(directory_, tree, t_i));
      }
    }
    if (!plan_.embedding.empty()) {
      progress_.Begin("embeddings", plan_.embedding.size(), "sites");
      for (std::size_t i = 0; i < plan_.embedding.size(); ++i) {
        added.sites.push_back(MakeEmbeddingSite(tree, plan_.embedding[i]));
        progress_.Advance(i + 1, 0);
      }
      progress_.End();
    }
    AddCaptured(captured, capture_seconds, added, [&](const Site& site) { return NewSiteRow(site, Embed()); });
  }

  void AddOverPositions(const ExistingDirectory& existing, const Transformer& model, Added& added) {
    const Clock::time_point start = Clock::now();
    const std::vector<CapturedFile> captured =
        CapturePositions(PositionCapture(plan_.positions), positions_->seen(), model, directory_, How(), progress_);
    const double capture_seconds = SecondsSince(start);
    const PositionSetRow set = PositionSet(existing);
    AddCaptured(captured, capture_seconds, added,
                [&](const Site& site) { return positions_->NewSiteRow(site, Embed(), options_.element, set); });
  }

  // The one that is there, else a new one.
  PositionSetRow PositionSet(const ExistingDirectory& existing) const {
    const std::string name = positions_->plan().choice.Name();
    for (const PositionSetRow& set : existing.position_sets) {
      if (set.name == name) return set;
    }
    return {0, name, positions_->row_count(), positions_->MakeFile(directory_)};
  }

  // Moves captured files to their names.
  template <typename MakeRow>
  void AddCaptured(const std::vector<CapturedFile>& captured, double seconds, Added& added, const MakeRow& make_row) {
    for (const CapturedFile& file : captured) {
      NewSite row = make_row(file.site);
      if (row.site.element == Element::kNone) {
        row.pass = static_cast<int>(added.captures.size());
        AddSketchesAlone(file, seconds / static_cast<double>(captured.size()), row);
        added.sites.push_back(std::move(row));
        continue;
      }
      const FileRow published =
          PublishFile(directory_, file.path, IndexDirectory::Vectors(file.site), file.header_checksum);
      row.pass = static_cast<int>(added.captures.size());
      row.rounding = file.rounding;
      row.vector_files.push_back({{0, file.row_count}, published});
      row.indices.push_back({kExactIndexName, std::nullopt, published, seconds / static_cast<double>(captured.size())});
      added.sites.push_back(std::move(row));
    }
    if (!captured.empty()) added.captures.push_back(captured[0].path.parent_path());
  }

  // Of rows that are not kept: the capture's file goes with its folder.
  void AddSketchesAlone(const CapturedFile& file, double capture_seconds, NewSite& site) {
    const Clock::time_point start = Clock::now();
    std::vector<VectorFile> files;
    files.emplace_back(file.path);
    std::uint64_t done = 0;
    const RowSource rows(std::move(files));
    const auto advance = [&](std::uint64_t more) { progress_.Advance(done += more, 0); };
    progress_.Begin("sketches of " + Describe(file.site), 4 * file.row_count, "rows");
    const FileRow sketches = MakeSketches(directory_, file.site, rows, options_.threads, advance);
    site.indices.push_back({kExactIndexName, std::nullopt, sketches, capture_seconds + SecondsSince(start)});
    site.statistics = StatisticsOfSketched(directory_, sketches, rows, options_.threads, advance);
    progress_.End();
  }

  CaptureOptions How() const { return {options_.threads, options_.checkpoint_seconds, 0, inputs_.beginning}; }

  std::vector<CapturedFile> RunCapture(const PrefixTree& tree, const Transformer& model) {
    const CapturePlan plan = Plan(plan_.captured);
    const int capture_depth = std::ranges::max(plan_.captured, {}, &Site::t_i).t_i + 1;
    if (capture_depth == tree.depth()) return Capture(plan, tree, model, directory_, How(), progress_);
    return Capture(plan, PrefixTree(*strings_, capture_depth), model, directory_, How(), progress_);
  }

  NewSite MakeEmbeddingSite(const PrefixTree& tree, const Site& site) {
    const Clock::time_point start = Clock::now();
    const FileRow file = MakeCodes(directory_, tree, site.t_i, inputs_.model(), inputs_.beginning);
    NewSite row = NewSiteRow(
        site, (static_cast<std::uint64_t>(site.t_i) + 1) * static_cast<std::uint64_t>(inputs_.shape().embed));
    row.indices.push_back({kExactIndexName, std::nullopt, file, SecondsSince(start)});
    return row;
  }

  void NoteLeftovers() {
    for (const auto& entry : std::filesystem::directory_iterator(directory_.Partial())) {
      progress_.Note(fmt::format("{} is left of another build: run that one again to finish it, or delete this",
                                 entry.path().string()));
    }
  }

  const BuildOptions& options_;
  ProgressListener& progress_;
  const IndexDirectory directory_;
  BuildInputs inputs_;
  SitePlan plan_;                             // of what is not there yet
  std::optional<CorpusPositions> positions_;  // where sites over positions are asked for
  std::unique_ptr<StringLevels> strings_;
  std::set<std::string> damaged_;  // files that the catalog names
  BuildSummary summary_;
};

}  // namespace

BuildSummary Build(const BuildOptions& options, ProgressListener& progress) { return Builder(options, progress).Run(); }

}  // namespace actkin
