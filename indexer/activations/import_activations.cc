#include "indexer/activations/import_activations.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "indexer/activations/directory_match.h"
#include "indexer/activations/recorded_corpus.h"
#include "indexer/activations/recorded_matrix.h"
#include "indexer/build/build.h"
#include "indexer/build/corpus_files.h"
#include "indexer/build/existing_directory.h"
#include "indexer/build/repair.h"
#include "indexer/build/row_capture.h"
#include "indexer/build/site_sketches.h"
#include "indexer/build/site_statistics.h"
#include "indexer/model/forward_backend.h"
#include "indexer/text/catalog_build.h"
#include "indexer/text/string_levels.h"
#include "schema/error.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/catalog_writer.h"
#include "storage/directory/directory_files.h"
#include "storage/directory/publish.h"
#include "storage/formats/position_rows.h"
#include "storage/formats/sketch_file.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;

// Read, looked at and written at once, by each thread.
constexpr std::uint64_t kBatchBytes = std::uint64_t{4} << 20;

class Importer {
 public:
  Importer(const ActivationsImport& import, ProgressListener& progress)
      : import_(import), progress_(progress), directory_(import.out) {}

  ActivationsImportSummary Run() {
    const Clock::time_point start = Clock::now();
    RefuseForeignFolder(directory_);
    Read();
    ExistingDirectory existing = ReadExisting(directory_);
    // Who writes nothing yet changes nothing by looking.
    FindDamage(existing);
    RequireFitting(existing);
    made_here_ = !std::filesystem::exists(directory_.path());
    is_new_ = made_here_ || !std::filesystem::exists(directory_.Catalog());
    directory_.Create();
    try {
      const BuildLock lock(directory_);
      existing = ReadExisting(directory_);  // as it is now that nobody else can change it
      RequireFitting(existing);
      RepairShared();
      Import(existing);
    } catch (const Error&) {
      if (refused_) Withdraw();
      throw;
    }
    summary_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return summary_;
  }

 private:
  // A site that is not there yet, or damaged.
  struct Planned {
    const RecordedMatrix* matrix = nullptr;
    RowCapture capture;
    bool damaged = false;
  };

  // Everything but the numbers of the matrices.
  void Read() {
    const std::filesystem::path path = import_.folder / kActivationsFileName;
    file_ = ParseActivationsFile(ReadFile(path), path.string());
    corpus_ = ReadRecordedCorpus(import_.folder, file_);
    summary_.tokens = corpus_.tokens.tokens.size();
    summary_.documents = corpus_.tokens.documents.size();
    PositionLists lists;
    for (const RecordedSite& site : file_.sites) {
      matrices_.push_back(std::make_unique<RecordedMatrix>(import_.folder, site, summary_.tokens, lists));
    }
  }

  void FindDamage(const ExistingDirectory& existing) {
    if (!existing.corpus) return;
    const VerifyDepth depth = import_.repair ? VerifyDepth::kEveryByte : VerifyDepth::kHeaders;
    damaged_ = FindDamagedFiles(directory_, depth, progress_);
  }

  // All that is damaged and not of one site. Made of the same, a file has the same bytes as before.
  void RepairShared() {
    std::vector<DirectoryFile> files;
    if (!damaged_.empty()) {
      const auto connection = OpenCatalog(directory_);
      Catalog catalog(connection->handle());
      files = SharedFiles(catalog);
    }
    for (const DirectoryFile& file : files) {
      if (!damaged_.contains(file.file.file)) continue;
      switch (file.kind) {
        case DirectoryFile::Kind::kTokenizer:
          MakeTokenizerCopy(directory_, corpus_.tokenizer.json, file.file.file);
          break;
        case DirectoryFile::Kind::kCorpusTokens:
          MakeCorpusTokens(directory_, corpus_.tokens, corpus_.tokenizer.tokenizer->size());
          break;
        case DirectoryFile::Kind::kCorpusSuffixes:
          MakeCorpusSuffixes(directory_, progress_);
          break;
        case DirectoryFile::Kind::kPositions:
          if (!RepairPositions(*file.positions)) continue;
          break;
        default:
          continue;
      }
      ++summary_.files_repaired;
    }
  }

  bool RepairPositions(const PositionSetRow& set) {
    const auto has_them = [&](const auto& matrix) { return matrix->positions() && SetName(*matrix) == set.name; };
    const auto found = std::ranges::find_if(matrices_, has_them);
    if (found == matrices_.end()) return false;
    MakePositions(**found);
    return true;
  }

  void RequireFitting(const ExistingDirectory& existing) {
    if (!existing.corpus) {
      string_length_ = NewStringLength();
      return;
    }
    string_length_ = existing.corpus->string_length;
    if (import_.string_length.value_or(string_length_) != string_length_) {
      FailUsage("{}: made with strings of {} tokens, not of {}: give a new directory's name",
                directory_.path().string(), string_length_, *import_.string_length);
    }
    const bool damaged = damaged_.contains(IndexDirectory::CorpusTokens());
    RequireSameTokens({import_.folder, file_, corpus_}, directory_, existing, damaged);
  }

  int NewStringLength() const {
    const auto longest = static_cast<int>(std::min<std::size_t>(corpus_.longest_document, kDefaultStringLength));
    const int length = import_.string_length.value_or(longest);
    if (length < 1 || length > 1000) FailUsage("strings of {} tokens: expected from 1 to 1000", length);
    if (static_cast<std::size_t>(length) > corpus_.longest_document) {
      Fail("{}: the longest document's {} tokens are fewer than the string length {}", import_.folder.string(),
           corpus_.longest_document, length);
    }
    return length;
  }

  void Import(const ExistingDirectory& existing) {
    std::vector<Planned> planned;
    for (const auto& matrix : matrices_) {
      Planned site{matrix.get(), CaptureOf(*matrix)};
      const SitePresence presence = existing.corpus ? Find(*matrix) : SitePresence::kAbsent;
      if (presence == SitePresence::kSame) {
        ++summary_.sites_before;
        // Of an import that was killed when its sites were registered.
        std::filesystem::remove_all(directory_.Capture(site.capture.work.fingerprint));
        continue;
      }
      site.damaged = presence == SitePresence::kDamaged;
      planned.push_back(std::move(site));
    }
    std::unique_ptr<StringLevels> strings;
    if (!existing.corpus) {
      strings = std::make_unique<StringLevels>(corpus_.tokens.tokens, corpus_.tokens.Positions(),
                                               corpus_.tokenizer.tokenizer->size(), string_length_);
    }
    RequireRoom(planned, strings.get());
    std::vector<std::pair<CapturedFile, double>> captured;  // and the seconds that it took
    for (const Planned& site : planned) {
      const Clock::time_point start = Clock::now();
      CapturedFile file = CopyRows(site);
      captured.emplace_back(std::move(file), std::chrono::duration<double>(Clock::now() - start).count());
    }
    if (strings) MakeCatalog(*strings);
    strings.reset();
    Register(planned, captured);
    for (const auto& [file, seconds] : captured) std::filesystem::remove_all(file.path.parent_path());
    MakeSketches();
    AddStatistics(directory_, import_.threads, progress_);
  }

  SitePresence Find(const RecordedMatrix& matrix) {
    const SitePresence presence = FindSite(matrix, directory_, progress_);
    if (presence == SitePresence::kDamaged && !damaged_.contains(IndexDirectory::Vectors(matrix.site()))) {
      progress_.Note(fmt::format("damaged: {}", IndexDirectory::Vectors(matrix.site())));
    }
    return presence;
  }

  RowCapture CaptureOf(const RecordedMatrix& matrix) const {
    RowCapture capture{{matrix.site()}, {matrix.row_count()}, matrix.element(), matrix.dimension(), {}};
    std::string text = fmt::format("import 1 {} {} {} {}\n{}", corpus_.corpus.sha256, Describe(matrix.site()),
                                   Name(matrix.element()), string_length_, matrix.files_text());
    capture.work.fingerprint = Sha256(text).substr(0, 12);
    capture.work.items = matrix.row_count();
    capture.work.batch_items = std::max<std::uint64_t>(1, kBatchBytes / (matrix.dimension() * sizeof(float)));
    return capture;
  }

  void RequireRoom(const std::vector<Planned>& planned, const StringLevels* strings) {
    std::uint64_t needed = 0;
    for (const Planned& site : planned) {
      const RecordedMatrix& matrix = *site.matrix;
      needed += VectorFileWriter::FileBytes(matrix.element(), matrix.dimension(), matrix.row_count());
      if (matrix.row_count() >= kFewestRowsWithSketches && matrix.dimension() <= kMostSketchedDimension) {
        needed += SketchFileWriter::FileBytes(matrix.dimension(), matrix.row_count(), kUsualLevels);
      }
      const std::filesystem::path folder = directory_.Capture(site.capture.work.fingerprint);
      if (!std::filesystem::exists(folder)) continue;
      for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        needed -= std::min(needed, AllocatedBytes(entry.path()));
      }
    }
    if (strings != nullptr) {
      const std::size_t vocabulary_size = corpus_.tokenizer.tokenizer->size();
      needed += EstimateCatalogBytes(corpus_.text_bytes, corpus_.tokens, vocabulary_size, *strings);
      needed += CorpusFileBytes(corpus_.tokens, vocabulary_size);
    }
    const std::uint64_t free = FreeDiskBytes(directory_.path());
    const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
    if (needed > free) {
      refused_ = made_here_;
      Fail(ErrorCode::kOutOfSpace, "{}: needs {:.1f} MB on disk, {:.1f} are free: free some space, and run it again",
           directory_.path().string(), megabytes(needed), megabytes(free));
    }
    if (!planned.empty()) {
      progress_.Note(fmt::format("needs {:.1f} MB on disk ({:.1f} MB free)", megabytes(needed), megabytes(free)));
    }
  }

  CapturedFile CopyRows(const Planned& site) {
    const RecordedMatrix& matrix = *site.matrix;
    if (matrix.type_name() != Name(matrix.element())) {
      progress_.Note(
          fmt::format("{}: its {} become {}", Describe(matrix.site()), matrix.type_name(), Name(matrix.element())));
    }
    const WorkOptions options{import_.threads, import_.checkpoint_seconds, Describe(matrix.site()), "rows"};
    try {
      return CaptureRows(site.capture, directory_, options, progress_,
                         [&]() -> RowMaker {
                           return [&, values = std::vector<float>()](std::uint64_t batch, RowSink& sink) mutable {
                             const RowRange rows = site.capture.work.Items(batch);
                             values.resize(rows.size() * matrix.dimension());
                             matrix.ReadRows(rows, values);
                             sink.Write(0, static_cast<RowNumber>(rows.begin), values);
                           };
                         })
          .front();
    } catch (const Error&) {
      refused_ = matrix.met_infinite();
      throw;
    }
  }

  void MakeCatalog(const StringLevels& strings) {
    const ChosenTokenizer& tokenizer = corpus_.tokenizer;
    const TokenizerRow row = tokenizer.row();
    if (row.file) MakeTokenizerCopy(directory_, tokenizer.json, row.file->file);
    CorpusFilesRow files;
    files.tokens = MakeCorpusTokens(directory_, corpus_.tokens, tokenizer.tokenizer->size());
    files.suffixes = MakeCorpusSuffixes(directory_, progress_);
    const std::filesystem::path partial = directory_.Partial() / directory_.Catalog().filename();
    WriteCatalog(partial, corpus_.corpus, corpus_.tokens, files, *tokenizer.tokenizer, row, strings, progress_);
    RenameDurably(partial, directory_.Catalog());
  }

  // "given 1b2c3d4e": lists of positions have no name of their own.
  static std::string SetName(const RecordedMatrix& matrix) {
    return "given " + Sha256(std::as_bytes(std::span(*matrix.positions()))).substr(0, 8);
  }

  PositionSetRow MakePositions(const RecordedMatrix& matrix) {
    if (!matrix.positions()) return {0, "all", matrix.row_count(), std::nullopt};
    const auto made = position_sets_.find(matrix.positions().get());
    if (made != position_sets_.end()) return made->second;
    const Positions& positions = *matrix.positions();
    const std::string name = SetName(matrix);
    const std::string file = IndexDirectory::Positions(name);
    const std::filesystem::path partial = directory_.Partial() / std::filesystem::path(file).filename();
    const std::uint64_t checksum = WritePositionsFile(partial, summary_.tokens, positions);
    const FileRow published = Publish<PositionsFile>(directory_, partial, file, checksum);
    return position_sets_[&positions] = {0, name, matrix.row_count(), published};
  }

  void Register(const std::vector<Planned>& planned, std::span<const std::pair<CapturedFile, double>> captured) {
    std::vector<NewSite> added;
    std::vector<std::pair<Site, FileRow>> repaired;
    for (std::size_t i = 0; i < planned.size(); ++i) {
      const auto& [file, seconds] = captured[i];
      const FileRow published =
          PublishFile(directory_, file.path, IndexDirectory::Vectors(file.site), file.header_checksum);
      summary_.bytes_added += published.bytes;
      if (planned[i].damaged) {
        repaired.emplace_back(file.site, published);
        continue;
      }
      const RecordedMatrix& matrix = *planned[i].matrix;
      NewSite site;
      site.site = {0, file.site, matrix.dimension(), matrix.row_count(), 0, matrix.element()};
      site.site.window = matrix.recorded().window;
      site.site.stride = matrix.recorded().stride;
      site.vector_files.push_back({{0, file.row_count}, published});
      site.indices.push_back({kExactIndexName, std::nullopt, published, seconds});
      site.positions = MakePositions(matrix);
      site.recorded = RecordedSiteRow{corpus_.corpus.name, file_.bos_token_id};
      added.push_back(std::move(site));
    }
    if (!added.empty()) CatalogWriter(directory_).AddSites(added, {});
    for (const auto& [site, published] : repaired) {
      const auto connection = OpenCatalog(directory_);
      const std::int64_t site_id = Catalog(connection->handle()).FindSite(site).value().site_id;
      CatalogWriter(directory_).SetRows(site_id, published);
    }
    summary_.sites_added = added.size();
    summary_.files_repaired += repaired.size();
  }

  // Where BLAS is not installed the sites are there, and a search reads all of their rows.
  void MakeSketches() {
    for (const auto& matrix : matrices_) {
      if (matrix->row_count() < kFewestRowsWithSketches || matrix->dimension() <= kMostSketchedDimension) continue;
      progress_.Note(fmt::format("{}: {} dimensions, of which there are no sketches: a search reads all rows",
                                 Describe(matrix->site()), matrix->dimension()));
    }
    if (!LacksSketches(directory_, damaged_)) return;
    try {
      LoadForwardBackend();
    } catch (const Error& error) {
      progress_.Note(
          fmt::format("without sketches, which need OpenBLAS, these sites are searched more slowly: {}", error.what()));
      return;
    }
    summary_.bytes_added += AddSketches(directory_, damaged_, import_.threads, progress_);
    for (const auto& matrix : matrices_) {
      if (damaged_.contains(IndexDirectory::Sketches(matrix->site()))) ++summary_.files_repaired;
    }
  }

  // After a refusal: what was written goes.
  void Withdraw() const {
    std::error_code ignored;
    for (const auto& matrix : matrices_) {
      std::filesystem::remove_all(directory_.Capture(CaptureOf(*matrix).work.fingerprint), ignored);
    }
    if (!is_new_) return;
    std::filesystem::remove_all(directory_.Partial(), ignored);
    std::filesystem::remove_all(directory_.path() / "sites", ignored);
    std::filesystem::remove(directory_.Lock(), ignored);
    // What is not ours stays.
    std::filesystem::remove(directory_.path(), ignored);
  }

  const ActivationsImport& import_;
  ProgressListener& progress_;
  const IndexDirectory directory_;
  ActivationsFile file_;
  RecordedCorpus corpus_;
  std::vector<std::unique_ptr<RecordedMatrix>> matrices_;
  std::map<const Positions*, PositionSetRow> position_sets_;  // that were written
  std::set<std::string> damaged_;                             // files that the catalog names
  int string_length_ = 0;
  bool made_here_ = false;  // the directory was made by this run
  bool is_new_ = false;     // it has no catalog yet
  bool refused_ = false;    // what is imported cannot be, whenever it is tried
  ActivationsImportSummary summary_;
};

}  // namespace

ActivationsImportSummary ImportActivations(const ActivationsImport& import, ProgressListener& progress) {
  return Importer(import, progress).Run();
}

}  // namespace actkin
