// A hostile config.json, and the same bytes as the index file of a checkpoint's shards.
#include "indexer/model/checkpoint_folder.h"
#include "indexer/model/config_json.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  const std::string text(reinterpret_cast<const char*>(data), size);
  AllowError([&] {
    const ModelConfig config = ParseConfig(text, "config.json");
    // What was accepted describes a model that can be written down and read again.
    if (ParseDescription(DescriptionJson(config.description), "again") != config.description) {
      Wrong("a description that does not read back");
    }
    if (RotaryFrequencies(config.description.rotary).size() * 2 !=
        static_cast<std::size_t>(config.description.rotary.dimensions)) {
      Wrong("pairs that are turned without a frequency");
    }
  });
  AllowError([&] {
    for (const auto& [shard, tensors] : ParseShardIndex(text, "model.safetensors.index.json")) {
      if (shard.find('/') != std::string::npos || shard == "..") Wrong("a shard outside the folder");
    }
  });
  return 0;
}
