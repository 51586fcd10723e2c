#ifndef ACTKIN_STORAGE_EXCHANGE_SIMILAR_STRINGS_FOLDER_H_
#define ACTKIN_STORAGE_EXCHANGE_SIMILAR_STRINGS_FOLDER_H_

#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schema/site.h"
#include "storage/exchange/similar_strings_file.h"

namespace actkin {

// A folder of files of the study's layout, checked against each other. Files of other names are passed over. One thread
// at a time.
class SimilarStringsFolder {
 public:
  // Reads the map, the names and the embedding files' prompts. Without `metric` the order of the distances tells it:
  // ascending is l2, descending cosine. Throws Error naming the file that is missing or contradicts another.
  explicit SimilarStringsFolder(std::filesystem::path folder, std::optional<Metric> metric = std::nullopt);

  const std::filesystem::path& path() const { return folder_; }
  // In the order of their batches, within a batch in that of its files.
  const std::vector<std::string>& prompts() const { return prompts_; }
  std::uint64_t k() const { return k_; }  // of the embedding's files
  int blocks() const { return blocks_; }
  const std::vector<int>& t_is() const { return t_is_; }  // of proj and ffwd; ascending
  std::size_t batch_count() const { return batches_.size(); }
  // The number of a batch's first prompt in prompts().
  std::size_t first_prompt(std::size_t batch) const { return first_prompts_[batch]; }

  // The neighbors of a batch's prompts (from 0, in the order of their numbers), at every t_i for the embedding. The
  // file has been checked: its prompts are those of the others, its distances are sorted as theirs, and it has k()
  // neighbors of each prompt, or `rows` where that is fewer: all that there can be. Throws Error naming it otherwise.
  // REQUIRES: the site is one of blocks() and t_is(), or the embedding.
  SimilarStrings Read(const Site& site, std::size_t batch,
                      std::uint64_t rows = std::numeric_limits<std::uint64_t>::max());
  std::filesystem::path FilePath(const Site& site, std::size_t batch) const;

  // The metric, once enough was read to tell. Throws Error (usage) asking for it where the distances do not tell.
  Metric metric() const;

 private:
  void ListFiles();
  void CheckFiles() const;
  void ReadPrompts();
  void CheckDistances(const SimilarStrings& similar, const std::filesystem::path& path);

  std::filesystem::path folder_;
  std::optional<Metric> metric_;
  std::string metric_from_;  // what told the metric: "FILE says"
  std::set<std::string> files_;
  std::map<int, std::set<std::string>> map_;  // a batch: its prompts
  std::vector<int> batches_;                  // their numbers in the files' names
  std::vector<std::size_t> first_prompts_;
  std::vector<std::string> prompts_;
  std::vector<int> t_is_;
  int blocks_ = 0;
  std::uint64_t k_ = 0;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_EXCHANGE_SIMILAR_STRINGS_FOLDER_H_
