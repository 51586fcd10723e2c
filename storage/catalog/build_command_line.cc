#include "storage/catalog/build_command_line.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "schema/error.h"
#include "schema/number_list.h"
#include "schema/text.h"
#include "storage/machine/file.h"
#include "storage/machine/sha256.h"

namespace actkin {
namespace {

constexpr std::uint64_t kMostBytesOfACharacter = 4;

std::filesystem::path DirectoryOf(const Catalog& catalog) {
  return std::filesystem::path(DatabaseFile(catalog.connection(), catalog.schema())).parent_path();
}

bool IsCorpus(const std::filesystem::path& path, const CorpusRow& corpus) {
  std::error_code error;
  const std::uint64_t bytes = std::filesystem::file_size(path, error);
  if (error || bytes < corpus.characters || bytes > kMostBytesOfACharacter * corpus.characters) return false;
  try {
    return Sha256(ReadFile(path)) == corpus.sha256;
  } catch (const Error&) {
    return false;
  }
}

std::string CorpusWord(const std::filesystem::path& directory, const CorpusRow& corpus) {
  for (const std::filesystem::path& path :
       {std::filesystem::path(corpus.name), directory.parent_path() / corpus.name}) {
    if (IsCorpus(path, corpus)) return ShellQuote(std::filesystem::absolute(path).string());
  }
  return "CORPUS";
}

}  // namespace

int BlockCount(Catalog& catalog) {
  if (const std::optional<ModelRow> model = catalog.Model()) return static_cast<int>(model->shape.blocks);
  int blocks = 0;
  for (const SiteRow& row : catalog.Sites()) {
    if (row.site.stream != Stream::kEmbedding) blocks = std::max(blocks, row.site.block + 1);
  }
  return blocks;
}

std::string BuildCommandLine(Catalog& catalog, std::span<const Site> sites) {
  std::set<Stream> streams;
  std::set<int> blocks;
  std::set<int> t_is;
  bool positions = false;
  for (const Site& site : sites) {
    streams.insert(site.stream);
    positions = positions || site.over_positions();
    if (site.stream == Stream::kEmbedding) continue;
    blocks.insert(site.block);
    if (!site.over_positions()) t_is.insert(site.t_i);
  }
  const std::filesystem::path directory = DirectoryOf(catalog);
  std::string line =
      fmt::format("actkin build {} --out {}", CorpusWord(directory, catalog.Corpus()), ShellQuote(directory.string()));
  if (!catalog.Model()) line += " --model MODEL";
  std::string names;
  for (const Stream stream : streams) names += fmt::format("{}{}", names.empty() ? "" : ",", Name(stream));
  line += " --streams " + names;
  if (!blocks.empty()) line += " --blocks " + FormatNumberList({blocks.begin(), blocks.end()});
  if (!t_is.empty()) line += " --t-i " + FormatNumberList({t_is.begin(), t_is.end()});
  if (positions) line += " --positions";
  std::vector<SiteRow> built = catalog.Sites();
  std::erase_if(built, [](const SiteRow& row) { return row.site.stream == Stream::kEmbedding; });
  for (const Element element : {Element::kFloat16, Element::kInt8, Element::kNone}) {
    const bool all = std::ranges::all_of(built, [&](const SiteRow& row) { return row.element == element; });
    if (!built.empty() && all) line += fmt::format(" --rows {}", Name(element));
  }
  return line;
}

}  // namespace actkin
