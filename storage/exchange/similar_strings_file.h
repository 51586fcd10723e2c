#ifndef ACTKIN_STORAGE_EXCHANGE_SIMILAR_STRINGS_FILE_H_
#define ACTKIN_STORAGE_EXCHANGE_SIMILAR_STRINGS_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/site.h"

namespace actkin {

// The study's layout of neighbors in JSON, as Python's json.dump(indent=2) writes it. A folder holds
//
//   string_to_batch_map.json                    {prompt: batch}
//   embs_sim_strings-BATCH.json                 embedding
//   proj_out_sim_strings-BATCH-BLOCK-T_I.json   likewise ffwd_out_...; BATCH and T_I of three digits, BLOCK of two
//
// each of the latter {"strings": {prompt: p}, "sim_strings": [[text]], "distances": [[number]]}, where
// sim_strings[p][rank] is at distances[rank][p], best first.

// One such file: the k neighbors of each of some prompts.
struct SimilarStrings {
  std::vector<std::string> prompts;
  std::uint64_t k = 0;
  std::vector<float> distances;  // prompts x k, best first

  // REQUIRES: it was added: prompt * k + rank is below string_count().
  std::string_view String(std::size_t prompt, std::size_t rank) const;
  // Strings in the order prompts x k.
  void AddString(std::string_view text);
  std::size_t string_count() const { return ends_.size(); }

 private:
  std::string text_;                 // of all strings, one after another
  std::vector<std::uint32_t> ends_;  // in text_
};

inline constexpr char kBatchMapFile[] = "string_to_batch_map.json";

// A file is at most so large: one that is read takes a few times its size in memory.
inline constexpr std::uint64_t kLargestSimilarStringsBytes = std::uint64_t{128} << 20;

// The t_i of an embedding site is not part of its file's name.
std::string SimilarStringsFileName(const Site& site, int batch);

// What a name says, t_i 0 where it says none; nothing where it is not one that SimilarStringsFileName gives.
struct SimilarStringsName {
  Site site;
  int batch = 0;
};
std::optional<SimilarStringsName> ParseSimilarStringsFileName(std::string_view name);

// The batch that each prompt is in, in the order of the file.
using BatchMap = std::vector<std::pair<std::string, int>>;

// Both write a whole file or leave what was there. REQUIRES: prompts x k strings and distances, prompts all different.
void WriteSimilarStrings(const std::filesystem::path& path, const SimilarStrings& similar);
void WriteBatchMap(const std::filesystem::path& path, const std::vector<std::string>& prompts,
                   std::uint64_t batch_size);

// Both throw Error naming `path` and what is wrong with it: unreadable, too large, not of this structure, a prompt that
// stands there twice, not the same number of neighbors for each prompt, a distance that is no finite number.
SimilarStrings ReadSimilarStrings(const std::filesystem::path& path);
BatchMap ReadBatchMap(const std::filesystem::path& path);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_EXCHANGE_SIMILAR_STRINGS_FILE_H_
