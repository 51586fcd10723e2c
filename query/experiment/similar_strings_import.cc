#include "query/experiment/similar_strings_import.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "query/reader/prompt_set.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/catalog/build_lock.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/experiment_writer.h"
#include "storage/directory/publish.h"
#include "storage/exchange/similar_strings_file.h"
#include "storage/exchange/similar_strings_folder.h"
#include "storage/formats/saved_neighbors_file.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

// Looks strings up in the catalog by their texts, each once.
class StringFinder {
 public:
  explicit StringFinder(IndexReader& reader) : reader_(reader), lengths_(reader.catalog().Lengths()) {}

  // None where there is no such string. Throws Error where several have that text, and it is not cut into one of them.

  std::optional<StringOrdinal> Find(std::string_view text, int length) {
    auto& known = known_[length];
    const auto there = known.find(text);
    if (there != known.end()) return there->second;
    const std::vector<StringRow> rows = reader_.catalog().StringsOfText(text, length);
    if (rows.empty()) return std::nullopt;
    const StringId first = lengths_.at(static_cast<std::size_t>(length - 1)).first_string_id;
    const StringId string_id = rows.size() == 1 ? rows.front().string_id : OneOf(rows, text);
    return known.emplace(text, static_cast<StringOrdinal>(string_id - first)).first->second;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  StringId OneOf(const std::vector<StringRow>& rows, std::string_view text) {
    const std::vector<TokenId> tokens = reader_.Encode(text).tokens;
    const auto row = std::ranges::find(rows, tokens, &StringRow::tokens);
    if (row == rows.end()) {
      Fail("{} is the text of {} strings, and none of them is what the tokenizer makes of it", Quote(text),
           rows.size());
    }
    return row->string_id;
  }

  IndexReader& reader_;
  const std::vector<LengthRow> lengths_;
  std::map<int, std::unordered_map<std::string, StringOrdinal, Hash, std::equal_to<>>> known_;
};

class Importer {
 public:
  Importer(IndexReader& reader, const ImportRequest& request, ProgressListener& progress)
      : reader_(reader),
        request_(request),
        progress_(progress),
        folder_(request.folder, request.metric),
        finder_(reader) {}

  ImportSummary Run() {
    CheckFolder();
    const BuildLock lock(reader_.directory());
    const PromptSet set = MakeSet();
    const std::optional<PromptSetRow> there = ExperimentCatalog(reader_.catalog()).FindPromptSet(set.row.name);
    std::vector<Written> written;
    try {
      progress_.Begin("import", Sites().size() * folder_.batch_count(), "files");
      for (const Site& site : Sites()) written.push_back(WriteSite(site, set));
      progress_.End();
      const Metric metric = folder_.metric();
      if (there) RequireSame(*there, written);
      std::vector<SavedNeighborsRow> rows;
      for (Written& site : written) {
        const std::string name =
            IndexDirectory::SavedNeighbors(set.row.name, site.site, metric, CountIn(site.site), std::nullopt);
        rows.push_back({site.site, metric, CountIn(site.site), std::nullopt,
                        PublishFile(reader_.directory(), site.partial, name, site.header_checksum)});
      }
      if (!there) ExperimentWriter(reader_.directory()).AddPromptSet(set.row, PromptRows(set), rows);
      return {set.row.name, set.prompts.size(), folder_.k(), metric, folder_.blocks(), folder_.t_is(), files_};
    } catch (...) {
      progress_.End();
      std::error_code ignored;
      for (const Written& site : written) std::filesystem::remove(site.partial, ignored);
      std::filesystem::remove(unfinished_, ignored);
      throw;
    }
  }

 private:
  struct Written {
    Site site;
    std::filesystem::path partial;
    std::uint64_t header_checksum = 0;
  };

  // Neighbors of each prompt: all rows where they are fewer.
  std::uint64_t CountIn(const Site& site) const { return std::min(folder_.k(), reader_.RowCount(site.t_i)); }

  void CheckFolder() const {
    const std::string where = folder_.path().string();
    const int longest = reader_.string_length();
    if (folder_.t_is().back() >= longest) {
      Fail("{}: has neighbors at t_i {}: the corpus's strings have {} tokens, so t_i goes from 0 to {}", where,
           folder_.t_is().back(), longest, longest - 1);
    }
    const std::optional<ModelRow> model = reader_.catalog().Model();
    if (model && model->shape.blocks != folder_.blocks()) {
      Fail("{}: has neighbors of {} blocks, the directory's model has {}", where, folder_.blocks(),
           model->shape.blocks);
    }
  }

  PromptSet MakeSet() const {
    const std::string where = folder_.path().string();
    PromptSet set;
    for (const std::string& text : folder_.prompts()) {
      try {
        set.prompts.push_back(reader_.Encode(text));
      } catch (const Error& error) {
        Fail("{}: {}", where, error.what());
      }
      const std::size_t expected = set.prompts.front().tokens.size();
      if (set.prompts.back().tokens.size() != expected) {
        Fail("{}: prompt {} has {} tokens, expected {} as {} has", where, Quote(text), set.prompts.back().tokens.size(),
             expected, Quote(set.prompts.front().text));
      }
    }
    set.row.length = static_cast<int>(set.prompts.front().tokens.size());
    if (set.row.length > reader_.string_length()) {
      Fail("{}: the prompts have {} tokens, the corpus's longest strings {}", where, set.row.length,
           reader_.string_length());
    }
    set.row.prompt_count = set.prompts.size();
    set.row.sha256 = PromptsSha256(PromptRows(set), reader_.catalog().Tokenizer());
    set.row.imported = true;
    set.row.name = ValidUtf8(request_.name);
    if (set.row.name.empty()) {
      const std::string last = std::filesystem::canonical(folder_.path()).filename().string();
      set.row.name = fmt::format("{}-{}", ValidUtf8(last), set.row.sha256.substr(0, 12));
    }
    const std::optional<PromptSetRow> there = ExperimentCatalog(reader_.catalog()).FindPromptSet(set.row.name);
    if (there && !(there->imported && there->sha256 == set.row.sha256)) RefuseName(set.row.name);
    return set;
  }

  [[noreturn]] static void RefuseName(const std::string& name) {
    FailUsage("prompt set {}: the index has another of this name: give another `name`", Quote(name));
  }

  // What was imported before may be imported again, for files that were damaged: the catalog keeps its rows.
  void RequireSame(const PromptSetRow& there, const std::vector<Written>& written) const {
    const std::vector<SavedNeighborsRow> saved =
        ExperimentCatalog(reader_.catalog()).SavedNeighbors(there.prompt_set_id);
    const bool same = saved.size() == written.size() && std::ranges::all_of(written, [&](const Written& site) {
                        return std::ranges::any_of(saved, [&](const SavedNeighborsRow& row) {
                          return row.site == site.site && row.metric == folder_.metric() &&
                                 row.k == CountIn(site.site) && row.file.checksum == ChecksumText(site.header_checksum);
                        });
                      });
    if (!same) RefuseName(there.name);
  }

  std::vector<Site> Sites() const {
    std::vector<Site> sites{{Stream::kEmbedding, 0, 0}};
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      for (int block = 0; block < folder_.blocks(); ++block) {
        for (const int t_i : folder_.t_is()) sites.push_back({stream, block, t_i});
      }
    }
    return sites;
  }

  // Under a name of its own: the metric, which is part of the lasting one, may not be known yet.
  Written WriteSite(Site site, const PromptSet& set) {
    const bool embedding = site.stream == Stream::kEmbedding;
    const int length = embedding ? set.row.length : site.t_i + 1;
    const Site named = embedding ? Site{site.stream, 0, length - 1} : site;
    unfinished_ = ExperimentPartial(reader_.directory(),
                                    fmt::format("import-{}-b{}-t{}", Name(named.stream), named.block, named.t_i));
    std::error_code ignored;
    std::filesystem::remove(unfinished_, ignored);
    SavedNeighborsWriter writer(unfinished_, set.prompts.size(), CountIn(named));
    for (std::size_t batch = 0; batch < folder_.batch_count(); ++batch) {
      writer.Write(Find(folder_.Read(site, batch, reader_.RowCount(named.t_i)), folder_.FilePath(site, batch), length));
      progress_.Advance(++files_, 0);
    }
    return {named, unfinished_, writer.Finish()};
  }

  // The neighbors of a file as strings of the catalog.
  std::vector<std::vector<SavedNeighbor>> Find(const SimilarStrings& similar, const std::filesystem::path& path,
                                               int length) {
    std::vector<std::vector<SavedNeighbor>> found(similar.prompts.size());
    std::vector<StringOrdinal> ordinals;
    for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
      ordinals.clear();
      for (std::size_t rank = 0; rank < similar.k; ++rank) {
        const std::string_view text = similar.String(prompt, rank);
        const std::optional<StringOrdinal> ordinal = finder_.Find(text, length);
        if (!ordinal) RefuseString(text, path, similar.prompts[prompt], length);
        found[prompt].push_back({*ordinal, similar.distances[prompt * similar.k + rank]});
        ordinals.push_back(*ordinal);
      }
      std::ranges::sort(ordinals);
      if (std::ranges::adjacent_find(ordinals) != ordinals.end()) {
        Fail("{}: a string stands twice among the neighbors of {}", path.string(), Quote(similar.prompts[prompt]));
      }
    }
    return found;
  }

  [[noreturn]] void RefuseString(std::string_view text, const std::filesystem::path& path, const std::string& prompt,
                                 int length) const {
    const bool characters = !reader_.catalog().Tokenizer().file;
    const std::size_t tokens = CodePoints(text, path.string()).size();
    if (characters && tokens != static_cast<std::size_t>(length)) {
      Fail("{}: neighbor {} of {} has {} characters, expected {}", path.string(), Quote(text), Quote(prompt), tokens,
           length);
    }
    Fail("{}: neighbor {} of {} is no string of the corpus", path.string(), Quote(text), Quote(prompt));
  }

  IndexReader& reader_;
  const ImportRequest& request_;
  ProgressListener& progress_;
  SimilarStringsFolder folder_;
  StringFinder finder_;
  std::filesystem::path unfinished_;
  std::uint64_t files_ = 0;
};

}  // namespace

ImportSummary ImportSimilarStrings(IndexReader& reader, const ImportRequest& request, ProgressListener& progress) {
  return Importer(reader, request, progress).Run();
}

}  // namespace actkin
