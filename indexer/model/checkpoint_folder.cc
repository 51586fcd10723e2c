#include "indexer/model/checkpoint_folder.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "indexer/model/canonical_model.h"
#include "indexer/model/config_json.h"
#include "indexer/model/source_tensors.h"
#include "schema/error.h"
#include "schema/text.h"
#include "storage/exchange/safetensors.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

constexpr char kWeights[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

SourceTensors ReadWeights(const std::filesystem::path& folder) {
  SourceTensors sources;
  const auto open = [](const std::filesystem::path& path) { return std::make_shared<const SafetensorsFile>(path); };
  if (std::filesystem::exists(folder / kIndex)) {
    for (const auto& [shard, tensors] : ParseShardIndex(ReadFile(folder / kIndex), (folder / kIndex).string())) {
      if (!std::filesystem::exists(folder / shard)) {
        Fail(ErrorCode::kNotFound, "{}: missing: {} says that {} tensors are there: is the download complete?",
             (folder / shard).string(), kIndex, tensors.size());
      }
      sources.Add(folder / shard, open(folder / shard), tensors);
    }
    return sources;
  }
  if (!std::filesystem::exists(folder / kWeights)) {
    const bool is_pickled = std::filesystem::exists(folder / "pytorch_model.bin") ||
                            std::filesystem::exists(folder / "pytorch_model.bin.index.json");
    Fail(ErrorCode::kNotFound, "{}: has neither {} nor {}{}", folder.string(), kWeights, kIndex,
         is_pickled ? ": pytorch_model.bin is not read: save the model with save_pretrained(safe_serialization=True)"
                    : "");
  }
  sources.Add(folder / kWeights, open(folder / kWeights));
  return sources;
}

std::optional<BeginningSources::File> ReadIfThere(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return BeginningSources::File{ReadFile(path), path.string()};
}

}  // namespace

std::map<std::string, std::vector<std::string>> ParseShardIndex(std::string_view text, const std::string& file) {
  const auto parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto map = parsed.is_object() ? parsed.find("weight_map") : parsed.end();
  if (!parsed.is_object() || map == parsed.end() || !map->is_object()) {
    Fail("{}: expected a JSON object with weight_map, from tensors to files", file);
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) Fail("{}: weight_map: {} is not in a file by its name", file, QuoteIfEscaped(tensor));
    const auto name = shard.get<std::string>();
    // A file of this folder, nothing else.
    if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name == "..") {
      Fail("{}: weight_map: {} is in {}: expected the name of a file in the same folder", file, QuoteIfEscaped(tensor),
           Quote(name));
    }
    shards[name].push_back(tensor);
  }
  if (shards.empty()) Fail("{}: weight_map is empty", file);
  return shards;
}

Checkpoint ReadCheckpointFolder(const std::filesystem::path& folder) {
  Checkpoint checkpoint;
  checkpoint.beginning.config = ReadIfThere(folder / "config.json");
  if (!checkpoint.beginning.config) {
    Fail(ErrorCode::kNotFound,
         "{}: has no config.json: expected a Hugging Face folder (config.json, {}, tokenizer.json), or a checkpoint "
         "file",
         folder.string(), kWeights);
  }
  const ModelConfig config = ParseConfig(checkpoint.beginning.config->text, checkpoint.beginning.config->where);
  auto model = std::make_unique<const CanonicalModel>(ReadWeights(folder), config, folder.string());
  model->RequireFinite();
  checkpoint.model = std::move(model);
  checkpoint.beginning.tokenizer_config = ReadIfThere(folder / "tokenizer_config.json");
  if (std::filesystem::exists(folder / "tokenizer.json")) checkpoint.tokenizer = folder / "tokenizer.json";
  return checkpoint;
}

}  // namespace actkin
