#include "storage/exchange/similar_strings_folder.h"

#include <algorithm>
#include <utility>

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

// A similarity is rounded to float32, more than once in some programs.
constexpr float kLargestCosine = 1.0001F;

}  // namespace

SimilarStringsFolder::SimilarStringsFolder(std::filesystem::path folder, std::optional<Metric> metric)
    : folder_(std::move(folder)), metric_(metric), metric_from_("asked for") {
  if (!std::filesystem::is_directory(folder_)) Fail(ErrorCode::kNotFound, "{}: no such folder", folder_.string());
  const std::filesystem::path map_path = folder_ / kBatchMapFile;
  for (const auto& [prompt, batch] : ReadBatchMap(map_path)) map_[batch].insert(prompt);
  if (map_.empty()) Fail("{}: it holds no prompts", map_path.string());
  for (const auto& [batch, prompts] : map_) batches_.push_back(batch);
  ListFiles();
  CheckFiles();
  ReadPrompts();
}

std::filesystem::path SimilarStringsFolder::FilePath(const Site& site, std::size_t batch) const {
  return folder_ / SimilarStringsFileName(site, batches_[batch]);
}

void SimilarStringsFolder::ListFiles() {
  std::set<int> blocks;
  std::set<int> t_is;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    const std::optional<SimilarStringsName> parsed = ParseSimilarStringsFileName(name);
    if (!parsed) continue;
    if (!map_.contains(parsed->batch)) {
      Fail("{}: its batch {} is not in {}", entry.path().string(), parsed->batch, kBatchMapFile);
    }
    files_.insert(name);
    if (parsed->site.stream == Stream::kEmbedding) continue;
    blocks.insert(parsed->site.block);
    t_is.insert(parsed->site.t_i);
  }
  if (blocks.empty()) Fail("{}: no files {}", folder_.string(), "{proj,ffwd}_out_sim_strings-BATCH-BLOCK-T_I.json");
  blocks_ = *blocks.rbegin() + 1;
  t_is_.assign(t_is.begin(), t_is.end());
}

void SimilarStringsFolder::CheckFiles() const {
  const auto require = [this](const Site& site, std::size_t batch) {
    const std::string name = SimilarStringsFileName(site, batches_[batch]);
    if (!files_.contains(name)) {
      Fail(ErrorCode::kNotFound, "{}: is missing: others of its batch, block or t_i are there",
           (folder_ / name).string());
    }
  };
  for (std::size_t batch = 0; batch < batches_.size(); ++batch) {
    require({Stream::kEmbedding, 0, 0}, batch);
    for (const Stream stream : {Stream::kProj, Stream::kFfwd}) {
      for (int block = 0; block < blocks_; ++block) {
        for (const int t_i : t_is_) require({stream, block, t_i}, batch);
      }
    }
  }
}

void SimilarStringsFolder::ReadPrompts() {
  std::set<std::string> all;
  for (std::size_t batch = 0; batch < batches_.size(); ++batch) {
    const std::filesystem::path path = FilePath({Stream::kEmbedding, 0, 0}, batch);
    const SimilarStrings similar = ReadSimilarStrings(path);
    const std::set<std::string>& expected = map_.at(batches_[batch]);
    for (const std::string& prompt : similar.prompts) {
      if (!expected.contains(prompt)) {
        Fail("{}: the prompt {} is not in this batch, says {}", path.string(), Quote(prompt), kBatchMapFile);
      }
    }
    if (similar.prompts.size() != expected.size()) {
      Fail("{}: {} prompts, expected the {} that {} has", path.string(), similar.prompts.size(), expected.size(),
           kBatchMapFile);
    }
    if (k_ == 0) k_ = similar.k;
    first_prompts_.push_back(prompts_.size());
    prompts_.insert(prompts_.end(), similar.prompts.begin(), similar.prompts.end());
  }
}

SimilarStrings SimilarStringsFolder::Read(const Site& site, std::size_t batch, std::uint64_t rows) {
  const std::filesystem::path path = FilePath(site, batch);
  SimilarStrings similar = ReadSimilarStrings(path);
  const std::size_t first = first_prompts_[batch];
  const std::size_t end = batch + 1 < batches_.size() ? first_prompts_[batch + 1] : prompts_.size();
  if (similar.prompts.size() != end - first) {
    Fail("{}: {} prompts, the embedding's file has {}", path.string(), similar.prompts.size(), end - first);
  }
  for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
    if (similar.prompts[prompt] == prompts_[first + prompt]) continue;
    Fail("{}: prompt {} is {}, the embedding's file has {} there", path.string(), prompt,
         Quote(similar.prompts[prompt]), Quote(prompts_[first + prompt]));
  }
  if (similar.k != std::min(k_, rows)) {
    Fail("{}: {} neighbors of each prompt, the other files have {}", path.string(), similar.k, std::min(k_, rows));
  }
  CheckDistances(similar, path);
  return similar;
}

void SimilarStringsFolder::CheckDistances(const SimilarStrings& similar, const std::filesystem::path& path) {
  for (std::size_t prompt = 0; prompt < similar.prompts.size(); ++prompt) {
    const auto first = similar.distances.begin() + static_cast<std::ptrdiff_t>(prompt * similar.k);
    const auto last = first + static_cast<std::ptrdiff_t>(similar.k);
    const std::string where =
        fmt::format("{}: the distances of prompt {}", path.string(), Quote(similar.prompts[prompt]));
    const bool ascending = std::is_sorted(first, last);
    const bool descending = std::is_sorted(first, last, std::greater());
    if (!ascending && !descending) Fail("{} are not sorted", where);
    if (!metric_ && ascending != descending) {
      metric_ = ascending ? Metric::kL2 : Metric::kCosine;
      metric_from_ = path.filename().string() + " says";
    }
    if (!metric_) continue;
    const bool right = *metric_ == Metric::kL2 ? ascending : descending;
    if (!right) {
      Fail("{} are {}: expected {}, as {}", where, ascending ? "ascending" : "descending", Name(*metric_),
           metric_from_);
    }
    const auto possible = [this](float distance) {
      return *metric_ == Metric::kL2 ? distance >= 0 : distance >= -kLargestCosine && distance <= kLargestCosine;
    };
    const auto wrong = std::find_if_not(first, last, possible);
    if (wrong != last) Fail("{} hold {}, which is no value of {}", where, *wrong, Name(*metric_));
  }
}

Metric SimilarStringsFolder::metric() const {
  if (!metric_) {
    FailUsage("{}: its distances do not tell the metric: say whether it is l2 or cosine", folder_.string());
  }
  return *metric_;
}

}  // namespace actkin
