#ifndef ACTKIN_STORAGE_CATALOG_INDEX_DIRECTORY_H_
#define ACTKIN_STORAGE_CATALOG_INDEX_DIRECTORY_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "schema/band.h"
#include "schema/site.h"

namespace actkin {

// The names of everything in an index directory NAME.actkin/:
//
//   catalog.db               the only authority: a file that no row of it names does not exist for a reader
//   model.safetensors        a copy of the checkpoint
//   tokenizer.json           the tokenizer, as it was given; none where tokens are characters
//   tokens.json              instead: the tokens' texts, as they were given, where no more is known of them
//   corpus.tokens            all token ids of the corpus
//   corpus.suffixes          the order of its suffixes
//   sites/proj-b0-t9.vectors rows of a proj, ffwd or residual site
//   sites/proj-b0-t9.sketches   what tells which of them a search need not read
//   sites/embedding-t9.codes an embedding site
//   sites/t9.rows            which string each row at a t_i belongs to
//   sites/ffwd-b5-positions.vectors  rows of a site over positions
//   sites/every_10-8a1c0b2d.positions  which position each row belongs to, where they are not all
//   sites/proj-b0-t9.l2.HNSW32.graph  an HNSW index: links alone
//   sites/proj-b0-t9.l2.IVF1024_Flat-1b2c3d4e.faiss  any other index of FAISS's
//   experiments/             what evaluations saved of their prompts: neighbors, totals, the model's predictions
//   partial/                 unfinished work of a build
//   build.lock               who is building
class IndexDirectory {
 public:
  explicit IndexDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path Catalog() const { return path_ / "catalog.db"; }
  std::filesystem::path Partial() const { return path_ / "partial"; }
  std::filesystem::path Lock() const { return path_ / "build.lock"; }
  // Where an unfinished capture keeps its rows and its progress; `fingerprint` tells what it captures.
  std::filesystem::path Capture(const std::string& fingerprint) const { return Partial() / ("capture-" + fingerprint); }

  // Relative to path(), as the catalog names them.
  static std::string Model() { return "model.safetensors"; }
  static std::string CorpusTokens() { return "corpus.tokens"; }
  static std::string CorpusSuffixes() { return "corpus.suffixes"; }
  static std::string Tokenizer() { return "tokenizer.json"; }
  static std::string TokenTexts() { return "tokens.json"; }
  static std::string Vectors(const Site& site);
  static std::string Sketches(const Site& site);
  static std::string Codes(int t_i);
  static std::string RowOrder(int t_i);
  // Of the position set of this name.
  static std::string Positions(std::string_view name);
  // Of an index that FAISS made: links alone, or FAISS's own bytes. `name` is any text.
  static std::string Graph(const Site& site, Metric metric, const std::string& name);
  static std::string Faiss(const Site& site, Metric metric, const std::string& name);
  static bool IsGraph(const std::string& file) { return file.ends_with(".graph"); }
  // Of the prompts of the set named; within: the band, where there is one; rows: letters and digits that tell which
  // rows count, where not all do.
  static std::string SavedNeighbors(const std::string& prompt_set, const Site& site, Metric metric, std::uint64_t k,
                                    const std::optional<Band>& within, const std::string& rows = "");
  static std::string SavedBandTotals(const std::string& prompt_set, const Site& site, Metric metric, const Band& within,
                                     const std::string& rows = "");
  static std::string SavedPredictions(const std::string& prompt_set);

  // Where a name that was read from a catalog leads. Throws Error when it would leave the directory.
  std::filesystem::path Resolve(const std::string& relative) const;

  // Makes the directory and its sites/ and partial/.
  void Create() const;

 private:
  std::filesystem::path path_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_CATALOG_INDEX_DIRECTORY_H_
