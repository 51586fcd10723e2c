#ifndef ACTKIN_TESTS_MODELS_MADE_CHECKPOINT_H_
#define ACTKIN_TESTS_MODELS_MADE_CHECKPOINT_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/models/made_decoder.h"

namespace actkin {

// How a made checkpoint is written.
struct CheckpointStyle {
  std::string type = "F32";  // or "F16", "BF16"
  int shards = 1;            // more than one: with model.safetensors.index.json
  bool prefix = true;        // before the names of all but the head
  bool masks = false;        // buffers of masks among the weights (GPT-2)
};

// A decoder that a family of this model_type can have, of small sizes drawn by `seed`.
MadeDecoder MakeDecoderOf(const std::string& model_type, unsigned seed);

// The family's configuration of such a decoder.
nlohmann::json ConfigOf(const MadeDecoder& decoder);

// Writes a Hugging Face folder (config.json and weights). The decoder's own weights become what the style's type holds
// of them, so that the reference computes with the same.
void WriteCheckpoint(const std::filesystem::path& folder, MadeDecoder& decoder, const CheckpointStyle& style = {});

}  // namespace actkin

#endif  // ACTKIN_TESTS_MODELS_MADE_CHECKPOINT_H_
