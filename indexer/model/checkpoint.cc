#include "indexer/model/checkpoint.h"

#include <algorithm>
#include <fstream>
#include <utility>
#include <vector>

#include "indexer/model/canonical_model.h"
#include "indexer/model/checkpoint_folder.h"
#include "indexer/model/source_tensors.h"
#include "indexer/model/torch_backend.h"
#include "schema/error.h"
#include "schema/model_layout.h"
#include "schema/text.h"
#include "schema/wrapped_names.h"
#include "storage/formats/model_file.h"

namespace actkin {
namespace {

constexpr char kStudyTable[] = "token_embedding_table.weight";
constexpr char kNanoGptTable[] = "transformer.wte.weight";

bool IsSafetensors(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  char head[9] = {};
  stream.read(head, sizeof(head));
  return stream.gcount() == sizeof(head) && head[8] == '{';
}

bool IsIgnored(const std::string& name) {
  const auto ends = [&](std::string_view end) { return name.ends_with(end); };
  return std::ranges::any_of(StudyFamily().ignored, ends) || std::ranges::any_of(NanoGptFamily().ignored, ends);
}

// Only the names of the study's state dict tell its sizes.
ModelConfig StudyConfig(const SourceTensors& sources, const std::string& file) {
  const ModelShape shape = InferModelShape(sources.Shapes(), file);
  ModelConfig config;
  config.family = &StudyFamily();
  config.description = {.family = std::string(StudyFamily().name),
                        .shape = shape,
                        .key_value_heads = shape.heads,
                        .norm_epsilon = kLayerNormEpsilon,
                        .activation = Activation::kRelu};
  return config;
}

// nanoGPT's GPTConfig, and what its model.py fixes.
ModelConfig NanoGptConfig(const std::map<std::string, std::int64_t>& arguments, const std::string& file) {
  const auto argument = [&](const char* name) {
    const auto found = arguments.find(name);
    if (found == arguments.end()) Fail("{}: model_args has no {}", file, name);
    return found->second;
  };
  ModelConfig config;
  config.family = &NanoGptFamily();
  config.tied = true;
  ModelDescription& description = config.description;
  description.family = NanoGptFamily().name;
  description.activation = Activation::kGelu;
  ModelShape& shape = description.shape;
  shape.vocabulary_size = argument("vocab_size");
  shape.context = argument("block_size");
  shape.embed = argument("n_embd");
  shape.blocks = argument("n_layer");
  shape.heads = argument("n_head");
  description.key_value_heads = shape.heads;
  if (shape.heads < 1 || shape.embed % shape.heads != 0) {
    Fail("{}: model_args: {} heads do not divide a width of {}", file, shape.heads, shape.embed);
  }
  shape.head_size = shape.embed / shape.heads;
  shape.hidden = 4 * shape.embed;
  RequirePossible(description, fmt::format("{}: model_args", file));
  return config;
}

void RequireKnownNames(const SourceTensors& sources, const std::string& file) {
  const std::vector<std::string> names = sources.Names();
  const std::string prefix = CommonPrefix(names);
  if (!prefix.empty() && sources.entries().contains(prefix + kStudyTable)) {
    Fail("{}: tensor {} is missing: all names begin with {}: save the state dict of the model within", file,
         kStudyTable, QuoteIfEscaped(prefix));
  }
  if (sources.entries().contains(kNanoGptTable)) {
    Fail(
        "{}: names as of nanoGPT or GPT-2, without sizes: give nanoGPT's whole ckpt.pt (it has model_args), or the "
        "Hugging Face folder with config.json",
        file);
  }
}

// nanoGPT's prepare.py leaves the characters of a text beside it.
std::optional<Vocabulary> VocabularyBeside(const std::filesystem::path& path) {
  const std::filesystem::path meta = path.parent_path() / "meta.pkl";
  if (!std::filesystem::exists(meta)) return std::nullopt;
  return Vocabulary::OfTokens(LoadTorchBackend().ReadVocabularyPickle(meta), meta.string());
}

Checkpoint ReadNamed(SourceTensors sources, const std::map<std::string, std::int64_t>& arguments,
                     const std::filesystem::path& path) {
  const std::string file = path.string();
  Checkpoint checkpoint;
  checkpoint.wrapper = WrapperPrefix(sources.Names());
  sources.Strip(checkpoint.wrapper);
  const bool is_nano = !arguments.empty() && sources.entries().contains(kNanoGptTable);
  if (!is_nano) RequireKnownNames(sources, file);
  const ModelConfig config = is_nano ? NanoGptConfig(arguments, file) : StudyConfig(sources, file);
  auto model = std::make_unique<const CanonicalModel>(std::move(sources), config, file);
  model->RequireFinite();
  checkpoint.model = std::move(model);
  if (is_nano) checkpoint.vocabulary = VocabularyBeside(path);
  return checkpoint;
}

void ReadVocabulary(Checkpoint& checkpoint, const std::map<std::string, std::string>& metadata,
                    const std::string& file) {
  const auto vocabulary = metadata.find(kVocabularyKey);
  if (vocabulary != metadata.end()) checkpoint.vocabulary = Vocabulary::OfJson(vocabulary->second, file);
}

}  // namespace

Checkpoint ReadCheckpoint(const std::filesystem::path& path) {
  const std::string file = path.string();
  if (!std::filesystem::exists(path)) Fail(ErrorCode::kNotFound, "{}: no such checkpoint", file);
  if (std::filesystem::is_directory(path)) return ReadCheckpointFolder(path);
  if (!std::filesystem::is_regular_file(path)) {
    Fail("{}: expected a checkpoint file (.pt or .safetensors) or a Hugging Face folder", file);
  }
  if (!IsSafetensors(path)) {
    PtCheckpoint read = LoadTorchBackend().ReadPt(path, IsIgnored);
    SourceTensors sources;
    sources.Add(path, std::move(read.tensors));
    return ReadNamed(std::move(sources), read.model_arguments, path);
  }
  auto opened = std::make_shared<const SafetensorsFile>(path);
  const std::map<std::string, std::string> metadata = opened->metadata();
  Checkpoint checkpoint;
  if (ModelFile::Is(*opened)) {
    // Its numbers were looked at when it was made, and an index directory knows its SHA-256.
    checkpoint.model = std::make_unique<const ModelFile>(path);
  } else {
    SourceTensors sources;
    sources.Add(path, std::move(opened));
    const auto is_study = [](const auto& entry) { return entry.first.ends_with(kStudyTable); };
    if (std::ranges::none_of(sources.entries(), is_study) &&
        std::filesystem::exists(path.parent_path() / "config.json")) {
      return ReadCheckpointFolder(path.parent_path());
    }
    checkpoint = ReadNamed(std::move(sources), {}, path);
  }
  ReadVocabulary(checkpoint, metadata, file);
  return checkpoint;
}

std::map<std::string, std::string> VocabularyMetadata(const Vocabulary& vocabulary) {
  return {{kVocabularyKey, vocabulary.Json()}};
}

}  // namespace actkin
