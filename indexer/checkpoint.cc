#include "indexer/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "indexer/torch_backend.h"
#include "schema/error.h"

namespace actkin {
namespace {

bool IsSafetensors(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  char head[9] = {};
  stream.read(head, sizeof(head));
  return stream.gcount() == sizeof(head) && head[8] == '{';
}

}  // namespace

Checkpoint ReadCheckpoint(const std::filesystem::path& path) {
  const std::string file = path.string();
  if (!std::filesystem::exists(path)) Fail("{}: no such checkpoint", file);
  if (!std::filesystem::is_regular_file(path)) Fail("{}: expected a checkpoint file (.pt or .safetensors)", file);
  Checkpoint checkpoint;
  checkpoint.state = IsSafetensors(path) ? SafetensorsFile(path).Read() : LoadTorchBackend().ReadPt(path);
  checkpoint.shape = InferModelShape(checkpoint.state.Shapes(), file);
  for (const auto& [name, tensor] : checkpoint.state.tensors) {
    if (!std::ranges::all_of(tensor.values, [](float value) { return std::isfinite(value); })) {
      Fail("{}: tensor {} holds NaN or infinity", file, name);
    }
  }
  const auto vocabulary = checkpoint.state.metadata.find(kVocabularyKey);
  if (vocabulary != checkpoint.state.metadata.end()) {
    checkpoint.vocabulary = Vocabulary::OfJson(vocabulary->second, file);
  }
  checkpoint.state.metadata.clear();
  return checkpoint;
}

std::string SerializeCheckpoint(const Checkpoint& checkpoint, const Vocabulary& vocabulary) {
  StateDict state = checkpoint.state;
  state.metadata[kVocabularyKey] = vocabulary.Json();
  return SerializeSafetensors(state);
}

}  // namespace actkin
