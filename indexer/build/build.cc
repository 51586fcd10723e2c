#include "indexer/build/build.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

#include "indexer/build/capture.h"
#include "indexer/build/repair.h"
#include "indexer/build/site_files.h"
#include "indexer/build/sketch_encoder.h"
#include "indexer/model/checkpoint.h"
#include "indexer/model/torch_backend.h"
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
#include "storage/formats/sketch_file.h"
#include "storage/machine/file.h"
#include "storage/machine/given_input.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What the directory already holds.
struct Existing {
  std::optional<CorpusRow> corpus;  // none: there is no catalog
  std::optional<ModelRow> model;
  std::optional<TokenizerRow> tokenizer;
  std::vector<TokenRow> tokens;
  std::vector<Site> sites;
  std::set<int> row_orders;  // t_is
};

Existing ReadExisting(const IndexDirectory& directory) {
  Existing existing;
  if (!std::filesystem::exists(directory.Catalog())) return existing;
  const auto connection = OpenCatalog(directory);
  Catalog catalog(connection->handle());
  existing.corpus = catalog.Corpus();
  existing.model = catalog.Model();
  existing.tokenizer = catalog.Tokenizer();
  existing.tokens = catalog.Tokens();
  for (const SiteRow& row : catalog.Sites()) existing.sites.push_back(row.site);
  for (int t_i = 0; t_i < existing.corpus->string_length; ++t_i) {
    if (catalog.RowOrder(t_i)) existing.row_orders.insert(t_i);
  }
  return existing;
}

// A folder that is not an index directory, and not empty, is somebody else's.
void RefuseForeignFolder(const IndexDirectory& directory) {
  const std::filesystem::path& path = directory.path();
  if (!std::filesystem::exists(path)) return;
  if (!std::filesystem::is_directory(path)) {
    Fail("{}: expected an index directory, this is a file: give --out a new name", path.string());
  }
  if (std::filesystem::exists(directory.Catalog()) || std::filesystem::exists(directory.Lock())) return;
  if (!std::filesystem::is_empty(path)) {
    Fail("{}: a folder with other things in it: give --out a new name, such as {}.actkin", path.string(),
         (path / path.filename()).string());
  }
}

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
    Existing existing = ReadExisting(directory_);
    ReadInputs(existing);
    PlanSites();
    directory_.Create();
    const BuildLock lock(directory_);
    existing = ReadExisting(directory_);  // as it is now that nobody else can change it
    CheckSame(existing);
    if (existing.corpus) FindDamage(existing);
    strings_ = std::make_unique<StringLevels>(tokens_.tokens, tokenizer_.tokenizer->size(), string_length_);
    summary_.strings = strings_->FirstStringId(string_length_ + 1) - 1;
    const std::filesystem::path capture = checkpoint_ ? directory_.Capture(Plan().fingerprint) : "";
    DropPresentSites(existing);
    // Of a build that was killed when its sites were registered.
    if (!capture.empty() && captured_sites_.empty()) std::filesystem::remove_all(capture);
    CheckDisk(existing);
    if (!existing.corpus) MakeCatalog();
    if (checkpoint_ && !existing.model) AddModel();
    if (existing.corpus) RepairDamage();
    if (checkpoint_) AddSites(existing);
    AddSketches();
    NoteLeftovers();
    summary_.seconds = SecondsSince(start);
    return summary_;
  }

 private:
  // Everything that can be refused before anything is written.
  void ReadInputs(const Existing& existing) {
    string_length_ =
        options_.string_length.value_or(existing.corpus ? existing.corpus->string_length : kDefaultStringLength);
    if (string_length_ < 1 || string_length_ > 1000) {
      FailUsage("--length {}: expected a number of tokens from 1 to 1000", string_length_);
    }
    corpus_ = ReadCorpus(options_.corpus);
    if (options_.model) {
      checkpoint_ = ReadCheckpoint(*options_.model);
      if (!checkpoint_->wrapper.empty()) {
        progress_.Note(fmt::format("{}: its tensors are named {}NAME: read without {}", options_.model->string(),
                                   QuoteIfEscaped(checkpoint_->wrapper), QuoteIfEscaped(checkpoint_->wrapper)));
      }
    } else if (existing.model) {
      checkpoint_ = ReadCheckpoint(directory_.Resolve(existing.model->file));
    }
    const std::string input = InputName(options_.corpus);
    tokenizer_ = ChooseTokenizer({options_.tokenizer, options_.vocabulary_from, ModelOfTokens()}, corpus_, input,
                                 directory_, existing.tokenizer);
    tokens_ = Tokenize(corpus_, *tokenizer_.tokenizer, string_length_, input);
    if (!tokens_.same_text) {
      progress_.Note(fmt::format("{}: the tokenizer's normalizer changes it: strings show what their tokens stand for",
                                 input));
    }
    if (checkpoint_) model_bytes_ = SerializeCheckpoint(*checkpoint_, tokenizer_.characters);
    CheckSame(existing);
  }

  std::optional<TokenizedModel> ModelOfTokens() const {
    if (!checkpoint_) return std::nullopt;
    return TokenizedModel{options_.model ? options_.model->string() : IndexDirectory::Model(),
                          static_cast<std::uint64_t>(checkpoint_->shape.vocabulary_size), checkpoint_->vocabulary};
  }

  // Refuses another corpus, length, model or vocabulary than the directory was made with.
  void CheckSame(const Existing& existing) const {
    const std::string out = directory_.path().string();
    if (!existing.corpus) return;
    if (existing.corpus->sha256 != corpus_.sha256) {
      Fail("{}: made from another corpus ({}, sha256 {}...): give --out a new name for {}", out,
           Quote(existing.corpus->name), existing.corpus->sha256.substr(0, 12), InputName(options_.corpus));
    }
    if (existing.corpus->string_length != string_length_) {
      Fail("{}: made with --length {}: give --out a new name for --length {}", out, existing.corpus->string_length,
           string_length_);
    }
    if (existing.model && existing.model->sha256 != Sha256(model_bytes_)) {
      if (!options_.model) {
        Fail(
            "{}: damaged: its SHA-256 is not the catalog's: name the checkpoint that the directory was made with by "
            "--model, and the copy is made again",
            directory_.Resolve(existing.model->file).string());
      }
      Fail("{}: made with another checkpoint: give --out a new name for {}", out, options_.model->string());
    }
    RequireSameTokenizer(tokenizer_, directory_, *existing.tokenizer, existing.tokens);
  }

  int Position(int t_i) const {
    const int position = t_i < 0 ? string_length_ + t_i : t_i;
    if (position < 0 || position >= string_length_) {
      FailUsage("--t-i {}: strings have {} tokens, so t_i goes from 0 to {}", t_i, string_length_, string_length_ - 1);
    }
    if (position >= checkpoint_->shape.context) {
      const int context = checkpoint_->shape.context;
      FailUsage(
          "--t-i {} of strings of {} tokens: the model's context has {} positions: give --length {}, or --t-i from 0 "
          "to {}",
          t_i, string_length_, context, context, context - 1);
    }
    return position;
  }

  int CheckBlock(int block) const {
    const auto blocks = checkpoint_->shape.blocks;
    const std::int64_t number = block < 0 ? blocks + block : block;
    if (number < 0 || number >= blocks) FailUsage("--blocks {}: the model has blocks 0-{}", block, blocks - 1);
    return static_cast<int>(number);
  }

  void PlanSites() {
    if (!checkpoint_) return;
    std::set<int> t_is;
    std::set<int> blocks;
    if (!options_.sites.empty()) {
      for (const Site& site : options_.sites)
        captured_sites_.push_back({site.stream, CheckBlock(site.block), Position(site.t_i)});
      return;
    }
    for (const int t_i : options_.t_is) t_is.insert(Position(t_i));
    if (options_.blocks) {
      for (const int block : *options_.blocks) blocks.insert(CheckBlock(block));
    } else {
      for (int block = 0; block < checkpoint_->shape.blocks; ++block) blocks.insert(block);
    }
    for (const Stream stream : options_.streams) {
      if (stream == Stream::kEmbedding) {
        // All of them together are smaller than one site of the others.
        const int positions = static_cast<int>(std::min<std::int64_t>(string_length_, checkpoint_->shape.context));
        for (int t_i = 0; t_i < positions; ++t_i) embedding_sites_.push_back({stream, 0, t_i});
        continue;
      }
      for (const int block : blocks) {
        for (const int t_i : t_is) captured_sites_.push_back({stream, block, t_i});
      }
    }
  }

  void FindDamage(const Existing& existing) {
    const VerifyDepth depth = options_.repair ? VerifyDepth::kEveryByte : VerifyDepth::kHeaders;
    damaged_ = FindDamagedFiles(directory_, depth, progress_);
    // Small, and read anyway.
    if (existing.model && checkpoint_ && !damaged_.contains(existing.model->file) &&
        ReadFile(directory_.Resolve(existing.model->file)) != model_bytes_) {
      progress_.Note(fmt::format("damaged: {}", existing.model->file));
      damaged_.insert(existing.model->file);
    }
    if (existing.tokenizer->file && !damaged_.contains(existing.tokenizer->file->file) &&
        ReadFile(directory_.Resolve(existing.tokenizer->file->file)) != tokenizer_.json) {
      progress_.Note(fmt::format("damaged: {}", existing.tokenizer->file->file));
      damaged_.insert(existing.tokenizer->file->file);
    }
    summary_.files_repaired = damaged_.size();
  }

  void RepairDamage() {
    const RepairSource source{*strings_, checkpoint_ ? &*checkpoint_ : nullptr, model_bytes_, tokenizer_.json,
                              Fingerprint()};
    Repair(directory_, damaged_, source, {options_.threads, options_.checkpoint_seconds, 0}, progress_);
  }

  void DropPresentSites(const Existing& existing) {
    const auto present = [&](const Site& site) {
      return std::ranges::find(existing.sites, site) != existing.sites.end();
    };
    const std::size_t planned = embedding_sites_.size() + captured_sites_.size();
    std::erase_if(embedding_sites_, present);
    std::erase_if(captured_sites_, present);
    summary_.sites_before = planned - embedding_sites_.size() - captured_sites_.size();
  }

  std::uint64_t SiteBytes() const {
    std::uint64_t bytes = 0;
    if (!checkpoint_) return bytes;
    const auto embed = static_cast<std::uint64_t>(checkpoint_->shape.embed);
    const auto vocabulary = static_cast<std::uint64_t>(checkpoint_->shape.vocabulary_size);
    for (const Site& site : captured_sites_) {
      const std::uint64_t rows = strings_->RowCount(site.t_i + 1);
      bytes += rows * embed * ElementBytes(options_.element);
      if (rows >= kFewestRowsWithSketches) bytes += SketchFileWriter::FileBytes(embed, rows);
    }
    for (const Site& site : embedding_sites_) {
      const auto length = static_cast<std::uint64_t>(site.t_i) + 1;
      bytes += strings_->RowCount(site.t_i + 1) * length * (vocabulary <= 256 ? 1 : 2);
      bytes += (vocabulary + length) * embed * sizeof(float);
    }
    return bytes;
  }

  void CheckDisk(const Existing& existing) {
    std::uint64_t needed = SiteBytes();
    std::uint64_t already = 0;
    if (checkpoint_ && !captured_sites_.empty()) {
      const std::filesystem::path folder = directory_.Capture(Plan().fingerprint);
      if (std::filesystem::exists(folder)) {
        for (const auto& file : std::filesystem::directory_iterator(folder)) already += AllocatedBytes(file.path());
      }
    }
    if (!existing.corpus) needed += EstimateCatalogBytes(corpus_, tokens_, tokenizer_.tokenizer->size(), *strings_);
    if (checkpoint_ && !existing.model) needed += model_bytes_.size();
    if (needed == 0) return;
    const std::uint64_t free = FreeDiskBytes(directory_.path());
    const std::uint64_t remaining = needed - std::min(already, needed);
    if (remaining > free) {
      Fail(ErrorCode::kOutOfSpace,
           "{}: needs {} more on disk, {} are free: free some space, name fewer --t-i, --blocks or --streams, or halve "
           "the rows with --rows float16",
           directory_.path().string(), Gigabytes(remaining), Gigabytes(free));
    }
    progress_.Note(fmt::format("needs {} on disk ({} free)", Gigabytes(needed), Gigabytes(free)));
  }

  void MakeCatalog() {
    const std::filesystem::path partial = directory_.Partial() / directory_.Catalog().filename();
    if (!tokenizer_.json.empty()) MakeTokenizerCopy(directory_, tokenizer_.json);
    WriteCatalog(partial, corpus_, tokens_, *tokenizer_.tokenizer, tokenizer_.row(), *strings_, progress_);
    RenameDurably(partial, directory_.Catalog());
  }

  void AddModel() {
    const FileRow file = MakeModelCopy(directory_, model_bytes_);
    CatalogWriter(directory_).SetModel({file.file, file.checksum, checkpoint_->shape, std::nullopt});
  }

  std::string Fingerprint() const {
    return fmt::format("1 {} {} {}", corpus_.sha256, Sha256(model_bytes_), string_length_);
  }

  CapturePlan Plan() const {
    CapturePlan plan{captured_sites_, {}, options_.element, static_cast<std::uint64_t>(checkpoint_->shape.embed), {}};
    std::string text = fmt::format("{} {}", Fingerprint(), Name(options_.element));
    for (const Site& site : captured_sites_) text += "\n" + Describe(site);
    plan.fingerprint = Sha256(text).substr(0, 12);
    return plan;
  }

  LengthRow Length(int t_i) const {
    return {t_i + 1, strings_->level(t_i + 1).size(), strings_->RowCount(t_i + 1), strings_->FirstStringId(t_i + 1)};
  }

  NewSite NewSiteRow(const Site& site, std::uint64_t dimension) const {
    NewSite row;
    row.site = {0,
                site,
                dimension,
                strings_->RowCount(site.t_i + 1),
                strings_->FirstStringId(site.t_i + 1),
                site.stream == Stream::kEmbedding ? Element::kFloat32 : options_.element};
    return row;
  }

  void AddSites(const Existing& existing) {
    if (embedding_sites_.empty() && captured_sites_.empty()) return;
    int depth = 0;
    std::set<int> t_is;
    for (const auto* sites : {&embedding_sites_, &captured_sites_}) {
      for (const Site& site : *sites) t_is.insert(site.t_i);
    }
    depth = *t_is.rbegin() + 1;
    const PrefixTree tree(*strings_, depth);

    std::vector<NewSite> sites;
    std::vector<std::pair<LengthRow, FileRow>> row_orders;
    std::vector<CapturedFile> captured;
    double capture_seconds = 0;
    if (!captured_sites_.empty()) {
      const Clock::time_point start = Clock::now();
      captured = RunCapture(tree);
      capture_seconds = SecondsSince(start);
    }
    for (const int t_i : t_is) {
      if (!existing.row_orders.contains(t_i)) row_orders.emplace_back(Length(t_i), MakeRowOrder(directory_, tree, t_i));
    }
    if (!embedding_sites_.empty()) {
      progress_.Begin("embeddings", embedding_sites_.size(), "sites");
      for (std::size_t i = 0; i < embedding_sites_.size(); ++i) {
        sites.push_back(MakeEmbeddingSite(tree, embedding_sites_[i]));
        progress_.Advance(i + 1, 0);
      }
      progress_.End();
    }
    for (const CapturedFile& file : captured) {
      NewSite row = NewSiteRow(file.site, static_cast<std::uint64_t>(checkpoint_->shape.embed));
      const FileRow published =
          PublishFile(directory_, file.path, IndexDirectory::Vectors(file.site), file.header_checksum);
      row.vector_files.push_back({{0, file.row_count}, published});
      row.indices.push_back(
          {kExactIndexName, std::nullopt, published, capture_seconds / static_cast<double>(captured.size())});
      sites.push_back(std::move(row));
    }
    for (const NewSite& site : sites) summary_.bytes_added += site.indices[0].file.bytes;
    summary_.sites_added = sites.size();
    CatalogWriter(directory_).AddSites(sites, row_orders);
    if (!captured.empty()) std::filesystem::remove_all(captured[0].path.parent_path());
  }

  std::vector<CapturedFile> RunCapture(const PrefixTree& tree) {
    const CapturePlan plan = Plan();
    const std::unique_ptr<Transformer> model = LoadTorchBackend().NewTransformer(checkpoint_->state);
    const CaptureOptions capture{options_.threads, options_.checkpoint_seconds, 0};
    const int capture_depth = std::ranges::max(captured_sites_, {}, &Site::t_i).t_i + 1;
    if (capture_depth == tree.depth()) return Capture(plan, tree, *model, directory_, capture, progress_);
    return Capture(plan, PrefixTree(*strings_, capture_depth), *model, directory_, capture, progress_);
  }

  // Of every site that has none yet: those just added, and those whose build was stopped before it came to them.
  void AddSketches() {
    std::vector<SiteWithoutSketches> sites = SitesWithoutSketches();
    if (sites.empty()) return;
    std::uint64_t total = 0;
    for (const SiteWithoutSketches& site : sites) total += 4 * site.row.row_count;
    const RowAlgebra& algebra = LoadTorchBackend().row_algebra();
    std::uint64_t done = 0;
    progress_.Begin("sketches", total, "rows");
    for (const SiteWithoutSketches& site : sites) {
      const Clock::time_point start = Clock::now();
      const std::string name = IndexDirectory::Sketches(site.row.site);
      const std::filesystem::path partial = directory_.Partial() / std::filesystem::path(name).filename();
      std::vector<VectorFile> files;
      for (const std::filesystem::path& file : site.files) files.emplace_back(file);
      const std::uint64_t checksum = WriteSketches(partial, files, algebra, options_.threads, [&](std::uint64_t rows) {
        done += rows;
        progress_.Advance(done, 0);
      });
      if (SketchFile(partial).header_checksum() != checksum) Fail("{}: did not read back as written", partial.string());
      const FileRow published = PublishFile(directory_, partial, name, checksum);
      summary_.bytes_added += published.bytes;
      CatalogWriter(directory_).SetExactIndex(site.row.site_id, published, SecondsSince(start));
    }
    progress_.End();
  }

  struct SiteWithoutSketches {
    SiteRow row;
    std::vector<std::filesystem::path> files;
  };

  std::vector<SiteWithoutSketches> SitesWithoutSketches() const {
    const auto connection = OpenCatalog(directory_);
    Catalog catalog(connection->handle());
    std::vector<SiteWithoutSketches> sites;
    for (const SiteRow& row : catalog.Sites()) {
      if (row.site.stream == Stream::kEmbedding || row.row_count < kFewestRowsWithSketches) continue;
      SiteWithoutSketches site{row, {}};
      bool has_sketches = true;
      if (damaged_.contains(IndexDirectory::Sketches(row.site))) has_sketches = false;
      for (const VectorFileRow& file : catalog.VectorFiles(row.site_id)) {
        site.files.push_back(directory_.Resolve(file.file.file));
        for (const SiteIndexRow& index : catalog.SiteIndices(row.site_id)) {
          if (index.file.file == file.file.file) has_sketches = false;
        }
      }
      if (!has_sketches) sites.push_back(std::move(site));
    }
    return sites;
  }

  NewSite MakeEmbeddingSite(const PrefixTree& tree, const Site& site) {
    const Clock::time_point start = Clock::now();
    const FileRow file = MakeCodes(directory_, tree, site.t_i, checkpoint_->state);
    NewSite row = NewSiteRow(
        site, (static_cast<std::uint64_t>(site.t_i) + 1) * static_cast<std::uint64_t>(checkpoint_->shape.embed));
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
  int string_length_ = 0;
  Corpus corpus_;
  std::optional<Checkpoint> checkpoint_;
  ChosenTokenizer tokenizer_;
  CorpusTokens tokens_;
  std::string model_bytes_;  // of the directory's copy
  std::unique_ptr<StringLevels> strings_;
  std::vector<Site> embedding_sites_;
  std::vector<Site> captured_sites_;
  std::set<std::string> damaged_;  // files that the catalog names
  BuildSummary summary_;
};

}  // namespace

BuildSummary Build(const BuildOptions& options, ProgressListener& progress) { return Builder(options, progress).Run(); }

}  // namespace actkin
