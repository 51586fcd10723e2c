#include "query/reader/activations_export.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"
#include "storage/directory/open_site_rows.h"
#include "storage/exchange/activations_file.h"
#include "storage/exchange/npy_file.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{8} << 20;
constexpr char kIdsFile[] = "ids.npy";
constexpr char kTextsFile[] = "texts.json";

// "ffwd-b5-positions" of "sites/ffwd-b5-positions.vectors"
std::string Stem(const std::string& name) { return std::filesystem::path(name).stem().string(); }

// What a NumPy array holds the numbers as.
Element Exported(Element element) { return element == Element::kFloat16 ? element : Element::kFloat32; }

class Exporter {
 public:
  Exporter(IndexReader& reader, std::span<const SiteRow> sites, const ExportFolder& folder, ProgressListener& progress)
      : reader_(reader), catalog_(reader.catalog()), sites_(sites), folder_(folder), progress_(progress) {}

  ActivationsExportSummary Run() {
    if (sites_.empty()) FailUsage("{}: no site over positions", reader_.directory().path().string());
    file_.bos_token_id = Beginning();
    RequireRoom();
    WriteTokens();
    WriteTokenizer();
    for (const SiteRow& site : sites_) WriteSite(site);
    const std::string json = SerializeActivationsFile(file_);
    WriteFile(kActivationsFileName, {{json.data(), json.size()}});
    return std::move(summary_);
  }

 private:
  // What stood before every window, of every site.
  std::optional<TokenId> Beginning() {
    std::optional<std::optional<TokenId>> beginning;
    for (const SiteRow& site : sites_) {
      std::optional<TokenId> token;
      if (const auto recorded = catalog_.RecordedSite(site.site_id)) {
        token = recorded->bos_token_id;
      } else if (const auto model = catalog_.Model()) {
        token = model->bos_token_id;
      }
      if (beginning && *beginning != token) {
        Fail("{} and {} have not the same token before their windows: name sites that have", Describe(sites_[0].site),
             Describe(site.site));
      }
      beginning = token;
    }
    return *beginning;
  }

  void RequireRoom() {
    std::uint64_t needed = reader_.corpus().token_count * sizeof(std::int32_t);
    for (const SiteRow& site : sites_) needed += site.row_count * site.dimension * ElementBytes(Exported(site.element));
    const std::uint64_t free = FreeDiskBytes(folder_.path());
    if (needed <= free) return;
    Fail(ErrorCode::kOutOfSpace, "{}: needs {} bytes, {} are free", folder_.path().string(), needed, free);
  }

  void WriteFile(const std::string& name, std::span<const std::string_view> pieces) {
    ExportedFile exported(folder_.path() / name);
    std::uint64_t offset = 0;
    for (const std::string_view piece : pieces) {
      exported.file().WriteAt(offset, piece);
      offset += piece.size();
    }
    exported.Publish();
    NoteWritten(name, offset);
  }
  void WriteFile(const std::string& name, std::initializer_list<std::string_view> pieces) {
    WriteFile(name, std::span(pieces.begin(), pieces.size()));
  }

  void NoteWritten(const std::string& name, std::uint64_t bytes) {
    summary_.files.push_back(name);
    summary_.bytes += bytes;
  }

  void WriteTokens() {
    const std::shared_ptr<const CorpusTokensFile> tokens = reader_.CorpusTokens();
    const std::uint64_t count = tokens->token_count();
    ExportedFile exported(folder_.path() / kIdsFile);
    const std::string header = NpyHeader("<i4", std::array{count});
    exported.file().WriteAt(0, header);
    const std::uint64_t piece = kPieceBytes / sizeof(std::int32_t);
    std::vector<std::int32_t> ids;
    for (std::uint64_t first = 0; first < count; first += piece) {
      ids.clear();
      for (std::uint64_t position = first; position < std::min(first + piece, count); ++position) {
        ids.push_back(static_cast<std::int32_t>(tokens->Token(position)));
      }
      exported.file().WriteAt(header.size() + first * sizeof(std::int32_t), ids.data(),
                              ids.size() * sizeof(std::int32_t));
    }
    exported.Publish();
    NoteWritten(kIdsFile, header.size() + count * sizeof(std::int32_t));
    file_.tokens = kIdsFile;
    file_.document_lengths.emplace();
    file_.document_names.emplace();
    for (const DocumentRow& document : catalog_.Documents()) {
      file_.document_lengths->push_back(document.token_count);
      file_.document_names->push_back(document.name);
    }
  }

  void WriteTokenizer() {
    const TokenizerRow row = catalog_.Tokenizer();
    if (!row.file) {
      const std::string json = nlohmann::json(catalog_.TokenTexts()).dump();
      WriteFile(kTextsFile, {json});
      file_.token_texts = kTextsFile;
      return;
    }
    const MappedFile mapped(reader_.directory().Resolve(row.file->file));
    const std::string_view bytes(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
    const std::string name = row.texts_alone ? kTextsFile : IndexDirectory::Tokenizer();
    WriteFile(name, {bytes});
    (row.texts_alone ? file_.token_texts : file_.tokenizer) = name;
  }

  void WriteSite(const SiteRow& site) {
    const RowSource rows = OpenSiteRows(reader_.directory(), catalog_, site);
    const std::string name = Stem(IndexDirectory::Vectors(site.site)) + ".npy";
    ExportedFile exported(folder_.path() / name);
    const std::string header =
        NpyHeader(site.element == Element::kFloat16 ? "<f2" : "<f4", std::array{rows.row_count(), rows.dimension()});
    exported.file().WriteAt(0, header);
    const std::uint64_t row_bytes = rows.dimension() * ElementBytes(Exported(rows.element()));
    const std::uint64_t piece = std::max<std::uint64_t>(1, kPieceBytes / row_bytes);
    std::string bytes;
    std::vector<float> numbers;
    progress_.Begin(Describe(site.site), rows.row_count(), "rows");
    for (std::uint64_t first = 0; first < rows.row_count(); first += piece) {
      const std::uint64_t end = std::min(first + piece, rows.row_count());
      bytes.resize((end - first) * row_bytes);
      if (rows.element() == Exported(rows.element())) {
        for (std::uint64_t row = first; row < end; ++row) {
          std::memcpy(bytes.data() + (row - first) * row_bytes, rows.Stored(static_cast<RowNumber>(row)), row_bytes);
        }
      } else {
        numbers.resize((end - first) * rows.dimension());
        rows.Read(RowRange{first, end}, numbers);
        std::memcpy(bytes.data(), numbers.data(), bytes.size());
      }
      exported.file().WriteAt(header.size() + first * row_bytes, bytes);
      progress_.Advance(end, 0);
    }
    progress_.End();
    exported.Publish();
    NoteWritten(name, header.size() + rows.row_count() * row_bytes);
    file_.sites.push_back(
        {site.site.stream, site.site.block, {name}, std::nullopt, WritePositions(site), site.window, site.stride});
  }

  // The file of a site's positions, written once; none where they are all.
  std::optional<std::string> WritePositions(const SiteRow& site) {
    const PositionSetRow set = catalog_.PositionSet(site.position_set_id.value());
    if (!set.file) return std::nullopt;
    const auto [known, is_new] = positions_.try_emplace(
        set.position_set_id,
        positions_.empty() ? "positions.npy" : fmt::format("positions-{}.npy", positions_.size() + 1));
    if (!is_new) return known->second;
    const std::shared_ptr<const RowMap> map = reader_.OpenRowMap(site.site);
    std::vector<std::int64_t> positions;
    positions.reserve(map->row_count());
    for (std::uint64_t row = 0; row < map->row_count(); ++row) {
      positions.push_back(static_cast<std::int64_t>(map->Number(static_cast<RowNumber>(row))));
    }
    const std::string header = NpyHeader("<i8", std::array{map->row_count()});
    WriteFile(known->second,
              {header, {reinterpret_cast<const char*>(positions.data()), positions.size() * sizeof(std::int64_t)}});
    return known->second;
  }

  IndexReader& reader_;
  Catalog& catalog_;
  const std::span<const SiteRow> sites_;
  const ExportFolder& folder_;
  ProgressListener& progress_;
  ActivationsFile file_;
  std::map<std::int64_t, std::string> positions_;  // files of position sets, by id
  ActivationsExportSummary summary_;
};

}  // namespace

ActivationsExportSummary ExportActivations(IndexReader& reader, std::span<const SiteRow> sites,
                                           const ExportFolder& folder, ProgressListener& progress) {
  return Exporter(reader, sites, folder, progress).Run();
}

}  // namespace actkin
