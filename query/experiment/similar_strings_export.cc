#include "query/experiment/similar_strings_export.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "query/predict/scheme.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/exchange/similar_strings_file.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr char kRequestFile[] = ".actkin-export.json";
// Bytes that a token's text takes in a file, at most: a character may be escaped, as a pair of surrogates, and so may
// every byte of a piece.
std::uint64_t TokenBytesInFile(Catalog& catalog) {
  constexpr std::uint64_t kOfACharacter = 12;
  constexpr std::uint64_t kOfAByte = 6;
  if (!catalog.Tokenizer().file) return kOfACharacter;
  std::uint64_t most = kOfACharacter;
  for (const TokenRow& row : catalog.Tokens()) most = std::max(most, kOfAByte * row.bytes.size());
  return most;
}

// Bytes that a neighbor takes in a file, at most, of a string whose text takes so many: both are on lines of their own.
constexpr std::uint64_t NeighborBytes(std::uint64_t text_bytes) { return text_bytes + 10 + 40; }

// The texts of the strings of one length: looked up one by one, or where many are wanted all of them, in memory.
class StringTexts {
 public:
  StringTexts(Catalog& catalog, const LengthRow& length, bool all) : catalog_(catalog), first_(length.first_string_id) {
    if (!all) return;
    ends_.reserve(length.string_count);
    catalog.ForEachString(first_, first_ + length.string_count, [this](const StringRow& row) {
      text_ += row.text;
      ends_.push_back(text_.size());
    });
    if (ends_.size() != length.string_count) {
      FailDamaged("the catalog is damaged: strings of length {} are missing", length.length);
    }
  }

  std::string Of(StringOrdinal ordinal) const {
    if (ends_.empty()) return catalog_.String(first_ + ordinal).text;
    if (ordinal >= ends_.size()) {
      FailDamaged("saved neighbors are damaged: there is no string {}: 'actkin verify' says more", ordinal);
    }
    const std::size_t begin = ordinal == 0 ? 0 : ends_[ordinal - 1];
    return text_.substr(begin, ends_[ordinal] - begin);
  }

 private:
  Catalog& catalog_;
  const StringId first_;
  std::string text_;
  std::vector<std::size_t> ends_;
};

class SimilarStringsExporter {
 public:
  SimilarStringsExporter(Experiment& experiment, int blocks, const SimilarStringsRequest& request,
                         const ExportFolder& folder)
      : experiment_(experiment), request_(request), folder_(folder.path()) {
    sites_.push_back({Stream::kEmbedding, 0, experiment.set().row.length - 1});
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      for (int block = 0; block < blocks; ++block) {
        for (const int t_i : request.t_is) sites_.push_back({stream, block, t_i});
      }
    }
    summary_.batches = (Prompts().size() + request.batch - 1) / request.batch;
    PoolRequest pool;
    pool.metric = request.metric;
    pool.t_is = request.t_is;
    pool.k = request.k;
    CheckRequest();
    experiment.Require(experiment.NeedsOf(pool, blocks, [](std::size_t) { return true; }));
  }

  SimilarStringsSummary Run() {
    ClaimFolder();
    for (const Site& site : sites_) {
      if (MissingFiles(site) > 0) experiment_.Neighbors({site, request_.metric, CountIn(site), std::nullopt});
    }
    const std::uint64_t all = sites_.size() * summary_.batches + 1;
    for (const Site& site : sites_) summary_.files_before += summary_.batches - MissingFiles(site);
    summary_.files = summary_.files_before;
    experiment_.progress().Begin("export", all, "files");
    for (const Site& site : sites_) WriteSite(site);
    // Last, so that a folder with a map is whole.
    const std::filesystem::path map = folder_ / kBatchMapFile;
    if (std::filesystem::exists(map)) {
      ++summary_.files_before;
    } else {
      std::vector<std::string> texts;
      for (const Prompt& prompt : Prompts()) texts.push_back(prompt.text);
      WriteBatchMap(map, texts, request_.batch);
    }
    ++summary_.files;
    experiment_.progress().End();
    return summary_;
  }

 private:
  const std::vector<Prompt>& Prompts() const { return experiment_.set().prompts; }
  std::filesystem::path FilePath(const Site& site, std::uint64_t batch) const {
    return folder_ / SimilarStringsFileName(site, static_cast<int>(batch));
  }

  std::uint64_t Most() const { return request_.k.value_or(kDefaultPoolCount); }
  std::uint64_t CountIn(const Site& site) const {
    return request_.k ? *request_.k : std::min(Most(), experiment_.reader().RowCount(site.t_i));
  }

  void CheckRequest() const {
    const int longest = experiment_.reader().string_length();
    const int length = experiment_.set().row.length;
    if (length > longest) {
      FailUsage(
          "the prompts have {} tokens, the longest strings {}: the layout needs the embedding's neighbors, which are "
          "as long as the prompt",
          length, longest);
    }
    std::set<std::string_view> texts;
    for (const Prompt& prompt : Prompts()) {
      if (!texts.insert(prompt.text).second) FailUsage("the prompt {} stands there twice", Quote(prompt.text));
    }
    const std::uint64_t text_bytes =
        TokenBytesInFile(experiment_.reader().catalog()) * static_cast<std::uint64_t>(longest);
    const std::uint64_t prompt_bytes = Most() * NeighborBytes(text_bytes);
    if (std::min<std::uint64_t>(request_.batch, Prompts().size()) * prompt_bytes > kLargestSimilarStringsBytes) {
      FailUsage("`batch` {}: its files would be too large to be read again: with -k {} give at most {}", request_.batch,
                Most(), std::max<std::uint64_t>(1, kLargestSimilarStringsBytes / prompt_bytes));
    }
  }

  // Says what the folder's files are, or finds that they are of this very request.
  void ClaimFolder() const {
    IndexReader& reader = experiment_.reader();
    const std::optional<ModelRow> model = reader.catalog().Model();
    const std::string ours = nlohmann::ordered_json{
        {"corpus", reader.corpus().sha256},
        {"model", model ? model->sha256 : ""},
        {"prompts", experiment_.set().row.sha256},
        {"imported", experiment_.set().row.imported ? experiment_.set().row.name : ""},
        {"metric", Name(request_.metric)},
        {"k", Most()},
        {"t_i", request_.t_is},
        {"batch",
         request_.batch}}.dump(1);
    const std::filesystem::path path = folder_ / kRequestFile;
    if (std::filesystem::exists(path)) {
      if (ReadFile(path) != ours) {
        Fail("{}: holds an export of another request: give another folder, or empty it", folder_.string());
      }
      return;
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name != kBatchMapFile && !ParseSimilarStringsFileName(name)) continue;
      Fail("{}: is there already: give another folder, or empty it", entry.path().string());
    }
    ReplaceFile(path, ours);
  }

  std::uint64_t MissingFiles(const Site& site) const {
    std::uint64_t missing = 0;
    for (std::uint64_t batch = 0; batch < summary_.batches; ++batch) {
      if (!std::filesystem::exists(FilePath(site, batch))) ++missing;
    }
    return missing;
  }

  void WriteSite(const Site& site) {
    const std::uint64_t missing = MissingFiles(site);
    if (missing == 0) return;
    const std::uint64_t k = CountIn(site);
    const SavedNeighborLists lists = experiment_.Neighbors({site, request_.metric, k, std::nullopt});
    Catalog& catalog = experiment_.reader().catalog();
    const LengthRow length = catalog.Lengths().at(static_cast<std::size_t>(site.t_i));
    const std::uint64_t wanted = std::min<std::uint64_t>(missing * request_.batch, Prompts().size()) * k;
    const StringTexts texts(catalog, length, /*all=*/wanted > length.string_count / 8);
    for (std::uint64_t batch = 0; batch < summary_.batches; ++batch) {
      const std::filesystem::path path = FilePath(site, batch);
      if (std::filesystem::exists(path)) continue;
      const std::uint64_t begin = batch * request_.batch;
      const std::uint64_t end = std::min<std::uint64_t>(begin + request_.batch, Prompts().size());
      SimilarStrings similar;
      similar.k = k;
      for (std::uint64_t prompt = begin; prompt < end; ++prompt) {
        similar.prompts.push_back(Prompts()[prompt].text);
        const std::span<const SavedNeighbor> neighbors = lists.Of(prompt);
        if (neighbors.size() != k) {
          FailUsage("prompt {} has {} neighbors in {}, expected -k {}", Quote(Prompts()[prompt].text), neighbors.size(),
                    Describe(site), k);
        }
        for (const SavedNeighbor& neighbor : neighbors) {
          similar.AddString(texts.Of(neighbor.ordinal));
          similar.distances.push_back(neighbor.distance);
        }
      }
      WriteSimilarStrings(path, similar);
      ++summary_.files;
      experiment_.progress().Advance(summary_.files, summary_.files_before);
    }
  }

  Experiment& experiment_;
  const SimilarStringsRequest& request_;
  const std::filesystem::path& folder_;
  std::vector<Site> sites_;
  SimilarStringsSummary summary_;
};

}  // namespace

SimilarStringsSummary ExportSimilarStrings(Experiment& experiment, int blocks, const SimilarStringsRequest& request,
                                           const ExportFolder& folder) {
  return SimilarStringsExporter(experiment, blocks, request, folder).Run();
}

}  // namespace actkin
