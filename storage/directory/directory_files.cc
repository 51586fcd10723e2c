#include "storage/directory/directory_files.h"

#include <algorithm>
#include <iterator>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

using Kind = DirectoryFile::Kind;

}  // namespace

std::string DirectoryFile::Owner() const {
  if (site) return Describe(site->site);
  if (prompts) return "prompt set " + Quote(prompts->name);
  if (positions) return "positions " + Quote(positions->name);
  switch (kind) {
    case Kind::kModel:
      return "the model";
    case Kind::kTokenizer:
      return "the tokenizer";
    case Kind::kRowOrder:
      return fmt::format("t_i {}", t_i);
    default:
      return "the corpus";
  }
}

std::vector<DirectoryFile> SharedFiles(Catalog& catalog) {
  std::vector<DirectoryFile> files;
  const CorpusFilesRow corpus = catalog.CorpusFiles();
  files.push_back({.kind = Kind::kCorpusTokens, .file = corpus.tokens});
  files.push_back({.kind = Kind::kCorpusSuffixes, .file = corpus.suffixes});
  if (const TokenizerRow tokenizer = catalog.Tokenizer(); tokenizer.file) {
    files.push_back({.kind = Kind::kTokenizer, .file = *tokenizer.file});
  }
  if (const std::optional<ModelRow> model = catalog.Model()) {
    files.push_back({.kind = Kind::kModel, .file = {model->file, 0, model->sha256}});
  }
  for (const LengthRow& length : catalog.Lengths()) {
    const int t_i = length.length - 1;
    if (std::optional<FileRow> row = catalog.RowOrder(t_i)) {
      files.push_back({.kind = Kind::kRowOrder, .file = std::move(*row), .t_i = t_i});
    }
  }
  for (PositionSetRow& row : catalog.PositionSets()) {
    if (row.file) files.push_back({.kind = Kind::kPositions, .file = *row.file, .positions = std::move(row)});
  }
  return files;
}

std::vector<DirectoryFile> SiteFiles(Catalog& catalog, const SiteRow& site) {
  std::vector<DirectoryFile> files;
  for (VectorFileRow& row : catalog.VectorFiles(site.site_id)) {
    files.push_back({.kind = Kind::kVectors, .file = std::move(row.file), .site = site, .rows = row.rows});
  }
  const std::size_t vector_files = files.size();
  for (SiteIndexRow& index : catalog.SiteIndices(site.site_id)) {
    // Until a site has sketches, its index 'exact' names its rows.
    const bool rows = std::any_of(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(vector_files),
                                  [&](const DirectoryFile& file) { return file.file.file == index.file.file; });
    if (rows) continue;
    Kind kind = Kind::kApproximateIndex;
    if (index.name == kExactIndexName) {
      kind = site.site.of_codes() ? Kind::kCodes : Kind::kSketches;
    }
    files.push_back({.kind = kind, .file = index.file, .site = site, .index = std::move(index)});
  }
  return files;
}

std::vector<DirectoryFile> ExperimentFiles(Catalog& catalog) {
  ExperimentCatalog experiments(catalog);
  std::vector<DirectoryFile> files;
  for (const PromptSetRow& set : experiments.PromptSets()) {
    for (SavedNeighborsRow& row : experiments.SavedNeighbors(set.prompt_set_id)) {
      files.push_back({.kind = Kind::kSavedNeighbors, .file = row.file, .prompts = set, .neighbors = std::move(row)});
    }
    for (SavedBandTotalsRow& row : experiments.SavedBandTotals(set.prompt_set_id)) {
      files.push_back({.kind = Kind::kSavedBandTotals, .file = row.file, .prompts = set, .totals = std::move(row)});
    }
    if (std::optional<FileRow> row = experiments.SavedPredictions(set.prompt_set_id)) {
      files.push_back({.kind = Kind::kSavedPredictions, .file = std::move(*row), .prompts = set});
    }
  }
  return files;
}

std::vector<DirectoryFile> ListFiles(Catalog& catalog) {
  std::vector<DirectoryFile> files = SharedFiles(catalog);
  for (const SiteRow& site : catalog.Sites()) std::ranges::move(SiteFiles(catalog, site), std::back_inserter(files));
  std::ranges::move(ExperimentFiles(catalog), std::back_inserter(files));
  return files;
}

}  // namespace actkin
