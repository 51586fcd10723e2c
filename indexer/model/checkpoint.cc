#include "indexer/model/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <utility>
#include <vector>

#include "indexer/model/torch_backend.h"
#include "schema/error.h"
#include "schema/text.h"
#include "schema/wrapped_names.h"

namespace actkin {
namespace {

bool IsSafetensors(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  char head[9] = {};
  stream.read(head, sizeof(head));
  return stream.gcount() == sizeof(head) && head[8] == '{';
}

StateDict ReadSafetensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  std::vector<std::string> names;
  for (const auto& [name, shape] : file.Shapes()) names.push_back(name);
  return file.Read(WrapperPrefix(names));
}

void RequireKnownPrefix(const StateDict& state, const std::string& file) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state.tensors) names.push_back(name);
  const std::string prefix = CommonPrefix(names);
  const std::string first = "token_embedding_table.weight";
  if (prefix.empty() || !state.tensors.contains(prefix + first)) return;
  Fail("{}: tensor {} is missing: all names begin with {}: save the state dict of the model within", file, first,
       QuoteIfEscaped(prefix));
}

}  // namespace

Checkpoint ReadCheckpoint(const std::filesystem::path& path) {
  const std::string file = path.string();
  if (!std::filesystem::exists(path)) Fail("{}: no such checkpoint", file);
  if (!std::filesystem::is_regular_file(path)) Fail("{}: expected a checkpoint file (.pt or .safetensors)", file);
  Checkpoint checkpoint;
  checkpoint.state = IsSafetensors(path) ? ReadSafetensors(path) : LoadTorchBackend().ReadPt(path);
  checkpoint.wrapper = std::exchange(checkpoint.state.wrapper, "");
  RequireKnownPrefix(checkpoint.state, file);
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

std::string SerializeCheckpoint(const Checkpoint& checkpoint, const std::optional<Vocabulary>& vocabulary) {
  StateDict state = checkpoint.state;
  if (vocabulary) state.metadata[kVocabularyKey] = vocabulary->Json();
  return SerializeSafetensors(state);
}

}  // namespace actkin
