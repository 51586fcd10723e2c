#include "schema/model_layout.h"

#include "schema/error.h"
#include "schema/text.h"

namespace actkin {
namespace {

const std::vector<std::int64_t>& Find(const TensorShapes& tensors, const std::string& name, std::size_t dimensions,
                                      const std::string& file) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) Fail("{}: tensor {} is missing", file, name);
  if (found->second.size() != dimensions) {
    Fail("{}: tensor {} has shape {}, expected {} dimensions", file, name, ShapeText(found->second), dimensions);
  }
  for (const std::int64_t size : found->second) {
    if (size <= 0 || size > (std::int64_t{1} << 31)) {
      Fail("{}: tensor {} has shape {}: a size is out of range", file, name, ShapeText(found->second));
    }
  }
  return found->second;
}

}  // namespace

std::string HeadTensor(std::int64_t block, std::int64_t head, const char* which) {
  return fmt::format("blocks.{}.sa.heads.{}.{}.weight", block, head, which);
}

std::string StudyTensor(std::int64_t block, const char* rest) { return fmt::format("blocks.{}.{}", block, rest); }

bool IsIgnoredTensor(const std::string& name) { return name.starts_with("blocks.") && name.ends_with(".tril"); }

TensorShapes ExpectedTensors(const ModelShape& shape) {
  const std::int64_t attention_width = shape.heads * shape.head_size;
  TensorShapes expected{{"token_embedding_table.weight", {shape.vocabulary_size, shape.embed}},
                        {"position_embedding_table.weight", {shape.context, shape.embed}},
                        {"ln_f.weight", {shape.embed}},
                        {"ln_f.bias", {shape.embed}},
                        {"lm_head.weight", {shape.vocabulary_size, shape.embed}},
                        {"lm_head.bias", {shape.vocabulary_size}}};
  for (std::int64_t block = 0; block < shape.blocks; ++block) {
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      for (const char* which : {"key", "query", "value"}) {
        expected[HeadTensor(block, head, which)] = {shape.head_size, shape.embed};
      }
    }
    for (const char* norm : {"ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias"}) {
      expected[StudyTensor(block, norm)] = {shape.embed};
    }
    expected[StudyTensor(block, "sa.proj.weight")] = {shape.embed, attention_width};
    expected[StudyTensor(block, "sa.proj.bias")] = {shape.embed};
    expected[StudyTensor(block, "ffwd.net.0.weight")] = {shape.hidden, shape.embed};
    expected[StudyTensor(block, "ffwd.net.0.bias")] = {shape.hidden};
    expected[StudyTensor(block, "ffwd.net.2.weight")] = {shape.embed, shape.hidden};
    expected[StudyTensor(block, "ffwd.net.2.bias")] = {shape.embed};
  }
  return expected;
}

ModelShape InferModelShape(const TensorShapes& tensors, const std::string& file) {
  ModelShape shape;
  const auto& tokens = Find(tensors, "token_embedding_table.weight", 2, file);
  shape.vocabulary_size = tokens[0];
  shape.embed = tokens[1];
  shape.context = Find(tensors, "position_embedding_table.weight", 2, file)[0];
  // Blocks and heads are counted by the tensor each must have; a gap in the numbering surfaces below as a surplus.
  while (tensors.contains(StudyTensor(shape.blocks, "ln1.weight"))) ++shape.blocks;
  if (shape.blocks == 0) Fail("{}: tensor {} is missing", file, StudyTensor(0, "ln1.weight"));
  while (tensors.contains(HeadTensor(0, shape.heads, "key"))) ++shape.heads;
  if (shape.heads == 0) Fail("{}: tensor {} is missing", file, HeadTensor(0, 0, "key"));
  shape.head_size = Find(tensors, HeadTensor(0, 0, "key"), 2, file)[0];
  shape.hidden = Find(tensors, StudyTensor(0, "ffwd.net.0.weight"), 2, file)[0];

  const TensorShapes expected = ExpectedTensors(shape);
  for (const auto& [name, wanted] : expected) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) Fail("{}: tensor {} is missing", file, name);
    if (found->second != wanted) {
      Fail("{}: tensor {} has shape {}, expected {}", file, name, ShapeText(found->second), ShapeText(wanted));
    }
  }
  for (const auto& [name, unused] : tensors) {
    if (!expected.contains(name) && !IsIgnoredTensor(name)) {
      Fail("{}: tensor {} is not part of a model with {} blocks and {} heads", file, QuoteIfEscaped(name), shape.blocks,
           shape.heads);
    }
  }
  return shape;
}

}  // namespace actkin
