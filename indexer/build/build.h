#ifndef ACTKIN_INDEXER_BUILD_BUILD_H_
#define ACTKIN_INDEXER_BUILD_BUILD_H_

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "indexer/text/corpus.h"
#include "indexer/text/position_choice.h"
#include "schema/progress.h"
#include "schema/site.h"
#include "schema/tokenizer/beginning_of_sequence.h"

namespace actkin {

inline constexpr int kDefaultStringLength = 10;

// Sites over positions.
struct PositionOptions {
  std::optional<std::int64_t> window;  // tokens; without: kDefaultWindow, or what the model takes where that is less
  std::optional<std::int64_t> stride;  // without: half the window
  PositionChoice choice = {};
};

inline constexpr std::int64_t kDefaultWindow = 256;

struct BuildOptions {
  CorpusSource corpus;
  std::filesystem::path out;                             // the index directory
  std::optional<std::filesystem::path> model;            // without: strings and counts alone
  std::optional<std::filesystem::path> vocabulary_from;  // a text, for a checkpoint that does not carry its vocabulary
  std::optional<std::filesystem::path> tokenizer;        // a tokenizer.json; without: the directory's, else characters
  std::optional<Beginning>
      beginning;  // whether a token stands before every string; without: the directory's, else auto
  std::optional<std::string> bos_token;  // its text; without: as the model's files say
  std::optional<TokenId> bos_token_id;   // its id, which goes before both
  std::optional<int> string_length;      // L; without: the directory's, else kDefaultStringLength
  // Of sites over strings; negative ones count from the end of L; empty: no such sites. Without: the last, but none
  // beside sites over positions that are asked for, or to repair a directory that has only those.
  std::optional<std::vector<int>> t_is;
  std::optional<PositionOptions> positions;  // without: no sites over positions
  std::optional<std::vector<int>> blocks;    // negative ones count from the end; without: all of the model
  std::set<Stream> streams = {Stream::kEmbedding, Stream::kProj, Stream::kFfwd};
  std::vector<Site> sites;  // over strings, of captured streams: these instead of what t_is, blocks and streams span
  Element element = Element::kFloat32;
  // Read every byte that is there, and make again what is damaged; without, what opening a file finds.
  bool repair = false;
  int threads = 1;
  double checkpoint_seconds = 10;  // how much work a killed build may lose
};

struct BuildSummary {
  std::uint64_t strings = 0;
  std::size_t sites_added = 0;
  std::size_t sites_before = 0;
  std::size_t files_repaired = 0;
  std::uint64_t bytes_added = 0;  // by the added sites
  double seconds = 0;
};

// Makes an index directory, continues an unfinished one, or adds sites to a finished one; files that are missing or
// damaged are made again, of whatever sites (indexer/build/repair.h). A reader sees the sites that were asked for once
// all of them are whole and flushed; then each gets its sketches, without which it is searched more slowly. Throws
// Error; then the unfinished work stays under partial/ for the next run, and a reader sees what it saw before.
BuildSummary Build(const BuildOptions& options, ProgressListener& progress);

}  // namespace actkin

#endif  // ACTKIN_INDEXER_BUILD_BUILD_H_
